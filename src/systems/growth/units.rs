//! The units of a call of experiments: user, session and country, by the rules of `private.experiment_units` and
//! `private.experiment_country`. The edge applies the rules before it calls the database, so that a call gets the same
//! answer whether the database can be reached or not.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::errors;
use crate::endpoint::Incoming;
use crate::error::Error;
use crate::formats::{batch, json};

/// The most characters of an id.
const MAX_CHARACTERS: usize = 200;

/// The fields of an object that name units, as they were sent. A null counts as missing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
    #[serde(borrow)]
    session_id: Option<&'a RawValue>,
    #[serde(borrow)]
    country: Option<&'a RawValue>,
    #[serde(borrow)]
    exposures: Option<&'a RawValue>,
}

/// The units that a call names. Ids are opaque: exactly as they were sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// The user, if the caller names one.
    pub user_id: Option<String>,
    /// The session, if the caller names one.
    pub session_id: Option<String>,
    /// The country in upper case, if the caller names one.
    pub country: Option<String>,
}

impl Units {
    /// The units of a call that needs one: a user, who may be the signed-in one, or a session.
    ///
    /// # Errors
    /// 400 and 415 for a body that is not JSON or names a unit twice, 422 for one that names no unit.
    pub fn of_call(incoming: &Incoming) -> Result<Self, Error> {
        json::require(incoming.header("content-type"))?;
        let units = Self::read(batch::text(incoming.body.to_parse())?)?;
        if units.user_id.is_none() && units.session_id.is_none() && incoming.user.is_none() {
            let details = "user_id and session_id are both missing";
            return Err(Error::with(&errors::UNIT_INVALID, details));
        }
        Ok(units)
    }

    /// The units in a JSON text; none in any text but an object.
    ///
    /// # Errors
    /// 400 for a text that is not JSON or names a unit twice, 422 for an invalid id or country.
    pub fn read(text: &str) -> Result<Self, Error> {
        Self::of(&fields(text)?)
    }

    fn of(fields: &Fields<'_>) -> Result<Self, Error> {
        let country = match fields.country.map(spelled) {
            None => None,
            Some(Some(code)) if code.is_empty() => None,
            Some(Some(code)) if is_country(&code) => Some(code.to_ascii_uppercase()),
            Some(_) => return Err(bad_country()),
        };
        Ok(Self {
            user_id: id(fields.user_id)?,
            session_id: id(fields.session_id)?,
            country,
        })
    }
}

/// The units for all exposures of a call that do not name their own, and the exposures; none if it lists none.
///
/// # Errors
/// Those of [`Units::read`].
pub fn with_exposures(text: &str) -> Result<(Units, Option<Vec<&RawValue>>), Error> {
    let fields = fields(text)?;
    let exposures = match fields.exposures {
        Some(exposures) => exposures.get(),
        None => text,
    };
    let exposures = serde_json::from_str(exposures).ok();
    Ok((Units::of(&fields)?, exposures))
}

/// Whether the ids of an object that are numbers are whole. Any other number has several spellings, of which the
/// database's JSON keeps one.
pub fn ids_are_whole(object: &str) -> bool {
    fields(object).is_ok_and(|fields| {
        let ids = [fields.user_id, fields.session_id];
        let mut ids = ids.into_iter().flatten().map(RawValue::get);
        ids.all(|raw| !raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) || is_whole(raw))
    })
}

/// Whether it has the form of a country's code: two letters, or a letter and a digit.
pub fn is_country(code: &str) -> bool {
    match code.as_bytes() {
        [first, second] => first.is_ascii_alphabetic() && second.is_ascii_alphanumeric(),
        _ => false,
    }
}

fn fields(text: &str) -> Result<Fields<'_>, Error> {
    // serde would read an array as the fields in their order.
    let fields = if text.trim_start().starts_with('{') {
        serde_json::from_str(text)
    } else {
        serde_json::from_str::<IgnoredAny>(text).map(|_| Fields::default())
    };
    fields.map_err(|error| Error::MalformedBody(format!("JSON: {error}").into()))
}

fn id(field: Option<&RawValue>) -> Result<Option<String>, Error> {
    match field.map(spelled) {
        None => Ok(None),
        Some(Some(text)) if text.is_empty() => Ok(None),
        Some(Some(text)) if is_unit(&text) => Ok(Some(text)),
        Some(_) => Err(Error::with(
            &errors::UNIT_INVALID,
            "user_id and session_id must have 1 to 200 characters and no control characters",
        )),
    }
}

fn bad_country() -> Error {
    Error::with(&errors::COUNTRY_INVALID, "A country code has two letters")
}

/// A string, or the digits of a whole number; none for any other value.
fn spelled(raw: &RawValue) -> Option<String> {
    let raw = raw.get();
    if raw.starts_with('"') {
        return serde_json::from_str(raw).ok();
    }
    is_whole(raw).then(|| raw.to_owned())
}

/// Whether a JSON number has only one spelling: digits, not `-0`, no fraction, no exponent.
fn is_whole(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    number != "-0" && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a text is a valid id: 1 to 200 characters, none of them a control character.
fn is_unit(text: &str) -> bool {
    (1..=MAX_CHARACTERS).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_exactly_as_they_were_sent() {
        let ids = [
            (r#"" Ab\u00e9 ""#, Some(" Abé ")),
            (r#""e\u0301""#, Some("e\u{301}")),
            ("12345678901234567890123", Some("12345678901234567890123")),
            ("-7", Some("-7")),
            ("null", None),
            (r#""""#, None),
        ];
        for (sent, wanted) in ids {
            let units = Units::read(&format!(r#"{{"session_id":{sent},"x":[1]}}"#)).unwrap();
            assert_eq!(units.session_id.as_deref(), wanted, "{sent}");
            assert_eq!((units.user_id, units.country), (None, None));
        }
        for sent in [
            "{}",
            "[]",
            r#"["a"]"#,
            "true",
            "1.5",
            "1e2",
            "-0",
            r#""\u0000""#,
            r#""\ud800""#,
            r#""a\u0085""#,
        ] {
            let read = Units::read(&format!(r#"{{"user_id":{sent}}}"#));
            assert_eq!(read.unwrap_err().status().as_u16(), 422, "{sent}");
        }
        let long = "é".repeat(MAX_CHARACTERS);
        assert!(is_unit(&long) && !is_unit(&format!("{long}x")));
        let twice = Units::read(r#"{"user_id":"a","user_id":"b"}"#);
        assert_eq!(twice.unwrap_err().status().as_u16(), 400);
        for other in ["[]", r#"["a","b"]"#, "5", r#""a""#] {
            assert_eq!(Units::read(other).unwrap(), Units::default(), "{other}");
        }
    }

    #[test]
    fn a_country_has_two_letters_or_a_letter_and_a_digit() {
        for (sent, wanted) in [
            ("\"de\"", Some("DE")),
            ("\"T1\"", Some("T1")),
            ("\"\"", None),
        ] {
            let units = Units::read(&format!(r#"{{"country":{sent}}}"#)).unwrap();
            assert_eq!(units.country.as_deref(), wanted, "{sent}");
        }
        for sent in ["\"Germany\"", "\"1D\"", "\"ß\"", "5", "{}", "true"] {
            let read = Units::read(&format!(r#"{{"country":{sent}}}"#));
            assert_eq!(read.unwrap_err(), bad_country(), "{sent}");
        }
    }
}
