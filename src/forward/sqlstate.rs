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
            "The request gives several rows where one is needed",
            "Send each key once in an upsert; a subquery in the place of a value must return one row.",
        ),
        // A transaction or a session exceeded a time limit of the database.
        "25P03" | "25P04" | "57014" => return Some(Error::UpstreamTimeout),
        "40001" | "40P01" => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The request conflicts with another one that changes the same rows",
            "Nothing was written. Try again after the time in Retry-After.",
        ),
        // A fault of the schema: a policy or a view that refers to itself.
        "42P17" => return Some(Error::UpstreamFailed),
        "53400" => (
            StatusCode::BAD_REQUEST,
            "The request exceeds a limit of the database",
            "Ask for fewer rows, use a narrower filter, or do not sort all rows.",
        ),
        "55000" | "55006" => (
            StatusCode::CONFLICT,
            "The object is not in a state that allows this",
            "Read the row or the relation again; some views cannot be written.",
        ),
        "55P03" => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Another request holds a lock that this one needs",
            "Nothing was written. Try again after the time in Retry-After.",
        ),
        "57P01" | "57P02" | "57P03" | "57P05" => return Some(Error::UpstreamUnavailable),
        "P0002" => (
            StatusCode::NOT_FOUND,
            "The function found no such row",
            "Check the arguments.",
        ),
        "P0003" => (
            StatusCode::CONFLICT,
            "The function found several rows where it needs one",
            "Send arguments that match one row.",
        ),
        "P0004" => (
            StatusCode::BAD_REQUEST,
            "The arguments violate a rule of this function",
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
            progress: None,
            error: None,
        }),
        retry_after: (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_SECONDS),
        range: None,
        limits: Box::default(),
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
    fn a_mistake_of_the_caller_is_4xx_and_a_temporary_conflict_503() {
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
    fn only_rg_and_pt_codes_belong_to_applications() {
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
