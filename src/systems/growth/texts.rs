//! The texts of the hosted pages, in every language of `texts.json`. Another object in that file adds a language.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::endpoint::Incoming;
use crate::error::Error;

/// The texts of one language.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// Its two or three letters (BCP 47).
    pub code: String,
    /// Each form's title and button, by its source.
    pub forms: BTreeMap<String, FormTexts>,
    /// Labels, by the field's name.
    pub fields: BTreeMap<String, String>,
    pub required: String,
    pub consent: String,
    pub consent_owner: String,
    pub privacy: String,
    pub trap: String,
    pub error: String,
    pub thanks_title: String,
    pub thanks_text: String,
    pub back_to_form: String,
    pub back_to_site: String,
    pub go_back: String,
    pub confirm_title: String,
    pub confirm_text: String,
    pub confirm_button: String,
    pub confirmed_title: String,
    pub confirmed_text: String,
    pub not_confirmed_title: String,
    pub not_found_title: String,
    pub index_title: String,
    pub index_text: String,
    pub errors: Errors,
}

/// A form's own texts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormTexts {
    pub title: String,
    pub button: String,
}

/// What can be wrong, in words for the visitor.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errors {
    pub email: String,
    pub too_long: String,
    pub too_many: String,
    pub too_many_fields: String,
    pub too_large: String,
    pub file: String,
    pub unreadable: String,
    pub link: String,
    pub too_often: String,
    pub unavailable: String,
    pub other: String,
}

static LANGUAGES: LazyLock<Vec<Language>> =
    LazyLock::new(|| serde_json::from_str(include_str!("texts.json")).unwrap_or_default());

impl Language {
    /// A field's label; its name if it has none.
    pub fn label<'a>(&'a self, name: &'a str) -> &'a str {
        self.fields.get(name).map_or(name, String::as_str)
    }
}

/// The language of a request: by `?lang=`, else by `Accept-Language`, else the first one.
///
/// # Errors
/// [`Error::Internal`] if there is no language.
pub fn language(incoming: &Incoming) -> Result<&'static Language, Error> {
    explicit(incoming)
        .or_else(|| accepted(incoming.header("accept-language")))
        .or_else(|| LANGUAGES.first())
        .ok_or(Error::Internal("the pages have no texts"))
}

/// The language that the address names.
pub fn explicit(incoming: &Incoming) -> Option<&'static Language> {
    find(&incoming.parameter("lang")?)
}

/// The language of a tag such as `de-AT`.
fn find(tag: &str) -> Option<&'static Language> {
    let primary = tag.trim().split('-').next()?;
    let mut languages = LANGUAGES.iter();
    languages.find(|language| language.code.eq_ignore_ascii_case(primary))
}

/// The language that an `Accept-Language` header prefers (RFC 9110); the first of equals.
fn accepted(header: &str) -> Option<&'static Language> {
    let mut best: Option<(u16, &Language)> = None;
    for range in header.split(',') {
        let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
        let weight = weight.trim().strip_prefix("q=").map(thousandths);
        if let (Some(language), Some(weight)) = (find(tag), weight)
            && weight > best.map_or(0, |(weight, _)| weight)
        {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

/// A weight from 0 to 1, in thousandths; 0 if it is malformed.
fn thousandths(weight: &str) -> u16 {
    let (whole, fraction) = weight.trim().split_once('.').unwrap_or((weight.trim(), ""));
    let fraction = format!("{fraction:0<3}");
    match (whole, fraction.parse::<u16>()) {
        ("1", _) => 1000,
        ("0", Ok(fraction)) if fraction < 1000 => fraction,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_is_complete() {
        // Parsed in this test: at run time a mistake would only show as an error page.
        let languages: Vec<Language> = serde_json::from_str(include_str!("texts.json")).unwrap();
        let codes: Vec<&str> = languages.iter().map(|l| l.code.as_str()).collect();
        assert_eq!(codes, ["en", "de", "fr", "es"]);
        let [first, others @ ..] = languages.as_slice() else {
            panic!("no language")
        };
        for other in others {
            assert!(other.forms.keys().eq(first.forms.keys()), "{}", other.code);
            assert!(
                other.fields.keys().eq(first.fields.keys()),
                "{}",
                other.code
            );
        }
        for Language {
            code,
            consent_owner,
            back_to_site,
            errors,
            ..
        } in &languages
        {
            let placeholders = [
                (consent_owner, "{owner}"),
                (back_to_site, "{site}"),
                (&errors.too_long, "{field}"),
                (&errors.too_long, "{limit}"),
                (&errors.too_many, "{field}"),
                (&errors.too_often, "{seconds}"),
            ];
            for (text, placeholder) in placeholders {
                assert!(text.contains(placeholder), "{code}: {text}");
            }
        }
    }

    #[test]
    fn a_request_gets_the_language_that_it_asks_for() {
        let cases = [
            ("", "", "en"),
            ("lang=de", "fr", "de"),
            ("lang=DE-at", "fr", "de"),
            ("lang=tlh", "fr", "fr"),
            ("lang=", "", "en"),
            ("", "de-AT,de;q=0.9,en;q=0.8", "de"),
            ("", "en;q=0.8, es;q=0.9", "es"),
            ("", "da, fr;q=0.5, *;q=0.1", "fr"),
            ("", "de;q=0, en;q=0.1", "en"),
            ("", "de;q=0", "en"),
            ("", "de;q=1.000, fr", "de"),
            ("", "fr;q=0.001", "fr"),
            ("", "de;q=x, ;,;;q", "en"),
            ("", "tlh", "en"),
        ];
        for (query, header, wanted) in cases {
            let mut headers = crate::headers::Headers::new();
            headers.insert("accept-language", header.parse().unwrap());
            let incoming = Incoming {
                headers,
                query: query.to_owned(),
                ..Incoming::default()
            };
            assert_eq!(
                language(&incoming).unwrap().code,
                wanted,
                "{query} {header}"
            );
        }
    }
}
