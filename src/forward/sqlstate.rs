//! What a SQLSTATE means to a client: a status and words of the edge, the same for every version of PostgREST.
//!
//! PostgreSQL's words may name tables, policies and settings, and PostgREST answers many mistakes of a caller with 500,
//! which helps no caller. A SQLSTATE that is not in this table passes as PostgREST words it.

use http::StatusCode;

use crate::error::{Error, ErrorBody};

/// Seconds after which to retry a statement that conflicted with another one.
const RETRY_SECONDS: u32 = 1;

/// The error for a SQLSTATE in this table. `message` is PostgreSQL's; it matters only where one code has two meanings.
pub(super) fn error_for(code: &str, message: &str) -> Option<Error> {
    let (status, words, hint) = match code {
        // pg-safeupdate, which Supabase uses.
        "21000" if message.ends_with("requires a WHERE clause") => {
            return Some(Error::UnfilteredWrite);
        }
        "21000" => (
            StatusCode::BAD_REQUEST,
            "Several rows were met where one is needed",
            "Send each key once in an upsert; make what stands for one value return one row.",
        ),
        // A transaction or a session exceeded a time limit of the database.
        "25P03" | "25P04" | "57014" => return Some(Error::UpstreamTimeout),
        "40001" | "40P01" => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The request met another one that changes the same rows",
            "Nothing was written. Try again after the time in Retry-After.",
        ),
        // A fault of the schema: a policy or a view that refers to itself.
        "42P17" => return Some(Error::UpstreamFailed),
        "53400" => (
            StatusCode::BAD_REQUEST,
            "The request needs more than the database allows one request",
            "Ask for less: fewer rows, a narrower filter, no sort of everything.",
        ),
        "55000" | "55006" => (
            StatusCode::CONFLICT,
            "What was asked for cannot be done in the present state",
            "Read the row or the relation again; a view may take no writes.",
        ),
        "55P03" => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Another request holds what this one needs",
            "Nothing was written. Try again after the time in Retry-After.",
        ),
        "57P01" | "57P02" | "57P03" | "57P05" => return Some(Error::UpstreamUnavailable),
        "P0002" => (
            StatusCode::NOT_FOUND,
            "There is no such row",
            "Check the arguments.",
        ),
        "P0003" => (
            StatusCode::CONFLICT,
            "Several rows fit where one is needed",
            "Make the arguments name one row.",
        ),
        "P0004" => (
            StatusCode::BAD_REQUEST,
            "The arguments break a rule of this function",
            "Check the arguments.",
        ),
        _ if code.len() == 5 && code.starts_with("54") => (
            StatusCode::BAD_REQUEST,
            "The request is too complex for the database",
            "Ask for fewer columns, conditions or levels, or send shorter values.",
        ),
        _ => return None,
    };
    Some(Error::Refused {
        status,
        body: Box::new(ErrorBody {
            code: code.to_owned().into(),
            message: words.into(),
            details: None,
            hint: Some(hint.into()),
        }),
        retry_after: (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_SECONDS),
        range: None,
    })
}

/// Whether an application chose the code and its words for callers: `RG` codes belong to Rowgate's systems, and with
/// `PT` and three digits a function chooses its status (<https://docs.postgrest.org/en/stable/references/errors.html>).
pub(super) fn is_application_code(code: &str) -> bool {
    let numbered = |prefix: &str| {
        code.strip_prefix(prefix)
            .is_some_and(|rest| rest.len() == 3 && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    numbered("RG") || numbered("PT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_can_mend_is_4xx_and_what_time_mends_is_503() {
        for code in [
            "21000", "53400", "54000", "54001", "54011", "54023", "55000", "55006", "P0002",
            "P0003", "P0004",
        ] {
            let error = error_for(code, "").unwrap();
            assert!(error.status().is_client_error(), "{code}");
            assert_eq!(error.body().code, code);
        }
        for code in ["40001", "40P01", "55P03", "57P01"] {
            let error = error_for(code, "").unwrap();
            assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE, "{code}");
            assert_eq!(error.retry_after(), Some(1), "{code}");
        }
        for code in [
            "", "5400", "540000", "P0001", "23505", "42501", "XX000", "PGRST116", "RG501", "PT503",
        ] {
            assert_eq!(error_for(code, ""), None, "{code}");
        }
    }

    #[test]
    fn only_our_own_and_pt_codes_are_an_applications() {
        for code in ["RG501", "PT503", "PT404"] {
            assert!(is_application_code(code), "{code}");
        }
        for code in [
            "PT", "PT5", "PT50x", "PT5030", "P0001", "PGRST301", "", "RG",
        ] {
            assert!(!is_application_code(code), "{code}");
        }
    }
}
