//! `Prefer`, parsed by RFC 7240 and rebuilt from known preferences. A preference that protects the caller's rows is
//! never dropped: PostgREST gets it in a form that it honours, or the request is refused.

use crate::headers::Headers;
use http::Method;

use crate::error::Error;
use crate::verify::Caller;

/// Which counts a caller gets. The planner's estimate covers the rows of all users, and would reveal to a user how many
/// others have. An anonymous caller must not make the database count a table row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// For servers, who see every row.
    AsRequested,
    /// For users.
    Exact,
    /// For anonymous callers: exact up to the row limit of an answer.
    Estimated,
}

impl Counts {
    pub(super) fn of(caller: &Caller) -> Self {
        match (caller.token(), caller.is_user()) {
            (None, _) => Self::Estimated,
            (Some(_), true) => Self::Exact,
            (Some(_), false) => Self::AsRequested,
        }
    }
}

/// The effect of a request on rows, as far as `max-affected` matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It changes no rows.
    Reads,
    /// PostgREST counts the changed rows.
    Counted,
    /// PostgREST does not count the changed rows.
    Uncounted,
}

impl Effect {
    pub(super) fn of(method: &Method, is_function: bool) -> Self {
        match *method {
            _ if is_function => Self::Counted,
            Method::GET | Method::HEAD => Self::Reads,
            Method::PATCH | Method::DELETE => Self::Counted,
            _ => Self::Uncounted,
        }
    }
}

/// Preferences that protect rows.
const PROTECTING: [&str; 3] = ["handling", "max-affected", "tx"];

/// The most different preferences of a request.
const MAX_PREFERENCES: usize = 50;

/// One preference: its name in lower case, its value without quotes, and the names of its parameters.
struct Preference {
    name: String,
    value: String,
    parameters: Vec<String>,
}

/// The `Prefer` for PostgREST.
///
/// # Errors
/// [`Error::BadHeader`] for a malformed header, for a protecting preference that cannot be honoured, and under
/// `handling=strict` for any unknown preference.
pub(crate) fn rewrite(headers: &Headers, counts: Counts, effect: Effect) -> Result<String, Error> {
    let sent = read(headers)?;
    let value = |name: &str| {
        let found = sent.iter().find(|preference| preference.name == name);
        found.map(|preference| preference.value.to_ascii_lowercase())
    };
    let strict = value("handling").as_deref() == Some("strict");
    let limited = value("max-affected").is_some() && effect == Effect::Counted;
    let mut written = Vec::new();
    for preference in &sent {
        let Preference {
            name, parameters, ..
        } = preference;
        let protects = |name: &String| PROTECTING.contains(&name.as_str());
        if parameters.iter().any(protects) || strict && !parameters.is_empty() {
            return refuse("preferences separated by commas and without parameters");
        }
        match known(preference, counts) {
            Some(_) if name == "handling" && limited => {}
            Some(_) if name == "max-affected" && effect == Effect::Reads => {}
            Some(_) if name == "max-affected" && effect == Effect::Uncounted => {
                return refuse("max-affected only for PATCH, DELETE and functions");
            }
            Some(known) => written.push(known),
            None if name == "max-affected" => return refuse("max-affected=<number>"),
            None if name == "handling" => return refuse("handling=strict or handling=lenient"),
            None if name == "tx" => {
                return refuse("tx=commit; tx=rollback is not supported");
            }
            None if strict => {
                return refuse("only known preferences under handling=strict");
            }
            None => {}
        }
    }
    if limited {
        // Without strict handling PostgREST ignores the limit. PostgREST 12.0, which has no such limit, then refuses it
        // as unknown.
        written.push("handling=strict".to_owned());
        // A time zone makes PostgREST 12.0 accept everything as known.
        if written.iter().any(|known| known.starts_with("timezone=")) {
            return refuse("max-affected without timezone");
        }
    }
    Ok(written.join(", "))
}

fn refuse<T>(wanted: &'static str) -> Result<T, Error> {
    let name = "prefer";
    Err(Error::BadHeader { name, wanted })
}

/// The preferences that were sent. The first one of a name counts.
fn read(headers: &Headers) -> Result<Vec<Preference>, Error> {
    let mut read: Vec<Preference> = Vec::new();
    let Some(value) = headers.get("prefer") else {
        return Ok(read);
    };
    let Ok(text) = value.to_str() else {
        return refuse("visible ASCII");
    };
    for element in split(text, ',')? {
        if element.trim().is_empty() {
            continue;
        }
        let mut parts = split(element, ';')?.into_iter();
        let (name, value) = pair(parts.next().unwrap_or_default())?;
        let parameters: Result<Vec<_>, Error> = parts.map(pair).collect();
        let parameters = parameters?.into_iter().map(|(name, _)| name);
        if read.iter().all(|known| known.name != name) {
            if read.len() == MAX_PREFERENCES {
                return refuse("at most 50 preferences");
            }
            read.push(Preference {
                name,
                value,
                parameters: parameters.filter(|name| !name.is_empty()).collect(),
            });
        }
    }
    Ok(read)
}

/// Splits at separators that are not in quotes.
fn split(text: &str, separator: char) -> Result<Vec<&str>, Error> {
    let (mut quoted, mut escaped) = (false, false);
    let ends = |c: char| {
        if escaped {
            escaped = false;
        } else {
            match c {
                '\\' => escaped = quoted,
                '"' => quoted = !quoted,
                _ => return c == separator && !quoted,
            }
        }
        false
    };
    let parts = text.split(ends).collect();
    if quoted {
        return refuse("quotation marks in pairs");
    }
    Ok(parts)
}

/// A name in lower case and its value. The value may be in quotes and, as in `timezone=Europe/Rome`, contain more than
/// a token may.
fn pair(text: &str) -> Result<(String, String), Error> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let (name, value) = (name.trim(), value.trim());
    let inner = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    let value = match inner {
        Some(inner) => {
            let mut characters = inner.chars();
            let mut text = String::new();
            while let Some(character) = characters.next() {
                let literal = match character {
                    '\\' => characters.next(),
                    character => Some(character),
                };
                text.extend(literal);
            }
            text
        }
        None if value.contains('"') || name.contains('"') => {
            return refuse("quotation marks around a whole value");
        }
        None => value.to_owned(),
    };
    Ok((name.to_ascii_lowercase(), value))
}

/// A known preference in its rewritten form. Values are lower-cased, except a time zone.
fn known(preference: &Preference, counts: Counts) -> Option<String> {
    let Preference { name, value, .. } = preference;
    let lower = value.to_ascii_lowercase();
    let value = match (name.as_str(), lower.as_str()) {
        ("count", "exact" | "planned" | "estimated") => match counts {
            Counts::AsRequested => &lower,
            Counts::Exact => "exact",
            Counts::Estimated => "estimated",
        },
        ("return", "minimal" | "headers-only" | "representation")
        | ("resolution", "merge-duplicates" | "ignore-duplicates")
        | ("missing", "default" | "null")
        | ("handling", "strict" | "lenient")
        | ("tx", "commit")
        | ("params", "single-object") => &lower,
        ("max-affected", number) if is_number(number) => &lower,
        ("timezone", zone)
            if !zone.is_empty()
                && zone
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"/_+-:".contains(&b)) =>
        {
            value
        }
        _ => return None,
    };
    Some(format!("{name}={value}"))
}

/// Whether it consists of digits: PostgREST treats a number that it cannot read as no limit.
fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u32>().is_ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::fuzzing;

    /// The rewritten headers of a user's `DELETE`.
    fn rewritten(sent: &[&str]) -> Result<String, Error> {
        of(sent, Effect::Counted)
    }

    fn of(sent: &[&str], effect: Effect) -> Result<String, Error> {
        let mut headers = Headers::new();
        for value in sent {
            headers.append("prefer", HeaderValue::from_str(value).unwrap());
        }
        rewrite(&headers, Counts::Exact, effect)
    }

    #[test]
    fn known_preferences_are_passed_on() {
        let cases: [(&[&str], &str); 14] = [
            (&[], ""),
            (&["", " , ,"], ""),
            (
                &["return=minimal, count=planned,foo=bar", "role=service_role"],
                "return=minimal, count=exact",
            ),
            (&["Return=Minimal"], "return=minimal"),
            (
                &["return = minimal ,\tCOUNT=\"planned\""],
                "return=minimal, count=exact",
            ),
            (&["return=\"mini\\mal\""], "return=minimal"),
            (&["return=minimal, return=representation"], "return=minimal"),
            (
                &["return=minimal; foo=\"a,b;c\", missing=default"],
                "return=minimal, missing=default",
            ),
            (
                &["timezone=Europe/Rome, handling=lenient"],
                "timezone=Europe/Rome, handling=lenient",
            ),
            (&["respond-async, wait=10, tx=commit"], "tx=commit"),
            (&["max-affected=05"], "max-affected=05, handling=strict"),
            (
                &["handling=strict, max-affected=1"],
                "max-affected=1, handling=strict",
            ),
            (
                &["Handling=STRICT", "Max-Affected = \"1\""],
                "max-affected=1, handling=strict",
            ),
            (
                &["handling=lenient, max-affected=1"],
                "max-affected=1, handling=strict",
            ),
        ];
        for (sent, wanted) in cases {
            assert_eq!(rewritten(sent).as_deref(), Ok(wanted), "{sent:?}");
        }
        let sent = ["max-affected=1, count=exact"];
        assert_eq!(of(&sent, Effect::Reads).as_deref(), Ok("count=exact"));
    }

    #[test]
    fn a_protecting_preference_is_honoured_or_refused() {
        for sent in [
            "max-affected",
            "max-affected=",
            "max-affected=+1",
            "max-affected=-1",
            "max-affected=ten",
            "max-affected=1 2",
            "max-affected=4294967296",
            "max-affected=1, timezone=UTC",
            "tx=rollback",
            "TX=\"Rollback\"",
            "tx",
            "handling=strict;max-affected=1",
            "handling=lenient; max-affected=1",
            "return=minimal;Max-Affected=1",
            "foo;tx=rollback",
            "handling",
            "handling=harsh",
            "handling=strict, foo",
            "handling=strict, return=everything",
            "handling=strict; foo=bar",
            "return=\"minimal",
            "return=mini\"mal\"",
            "\"return\"=minimal",
        ] {
            assert!(rewritten(&[sent]).is_err(), "{sent}");
        }
        assert!(of(&["max-affected=1"], Effect::Uncounted).is_err());
    }

    #[test]
    fn a_request_has_a_bounded_number_of_preferences() {
        let numbered = |count: usize| {
            let names: Vec<String> = (0..count).map(|at| format!("p{at}")).collect();
            names.join(",")
        };
        let most = numbered(MAX_PREFERENCES);
        assert_eq!(rewritten(&[&most, &most]).as_deref(), Ok(""));
        assert!(rewritten(&[&numbered(MAX_PREFERENCES + 1)]).is_err());
    }

    /// A `Prefer` header of arbitrary bytes, or one that is nearly valid.
    fn any_prefer() -> impl Strategy<Value = Vec<u8>> {
        let names = [
            "return",
            "count",
            "resolution",
            "missing",
            "handling",
            "params",
            "max-affected",
            "timezone",
            "tx",
            "role",
            "Return",
        ];
        let values = [
            "minimal",
            "representation",
            "headers-only",
            "exact",
            "planned",
            "estimated",
            "merge-duplicates",
            "default",
            "null",
            "strict",
            "single-object",
            "5",
            "+5",
            "-1",
            "4294967296",
            "Europe/Rome",
            "x y",
            "rollback",
            "commit",
            "\"minimal\"",
            "",
        ];
        let token = (
            select(names.to_vec()),
            select(values.to_vec()),
            "[ \t]?",
            "[ \t;]?",
        )
            .prop_map(|(name, value, before, after)| format!("{before}{name}={value}{after}"));
        prop_oneof![
            3 => prop::collection::vec(token, 0..6).prop_map(|tokens| tokens.join(",").into_bytes()),
            1 => prop::collection::vec(any::<u8>(), 0..60),
        ]
    }

    proptest! {
        #[test]
        fn any_prefer_is_rewritten_to_known_preferences_once_and_for_all(
            sent in prop::collection::vec(any_prefer(), 0..3),
            counts in select(vec![Counts::AsRequested, Counts::Exact, Counts::Estimated]),
            effect in select(vec![Effect::Reads, Effect::Counted, Effect::Uncounted]),
        ) {
            fuzzing::prefer_values(sent.iter().map(Vec::as_slice), counts, effect);
        }
    }
}
