//! Charsets: turns the bytes of a form or of JSON into text. Nearly all clients send UTF-8; old pages and scripts send
//! other charsets, declared or not.
//!
//! The platform decodes, by the Encoding Standard. Nothing here refuses: a visitor cannot correct the charset of a
//! page.

use std::borrow::Cow;

use super::Content;

/// The charset of a form that is not UTF-8 and declares nothing: the one in which browsers read such pages.
const FALLBACK: &str = "windows-1252";

/// The field into which browsers write the charset of their form (HTML, "form control infrastructure").
pub const FIELD: &str = "_charset_";

/// Decodes bytes in a charset of the Encoding Standard, named by one of its labels; none for an unknown charset.
#[derive(Clone, Copy)]
pub struct Decoder(pub fn(&str, &[u8]) -> Option<String>);

impl Default for Decoder {
    /// Knows no charset.
    fn default() -> Self {
        Self(|_, _| None)
    }
}

/// Decodes the bytes of one form.
pub struct Charset {
    /// The declared charset, if it is not UTF-8.
    label: Option<String>,
    decoder: Decoder,
}

impl Charset {
    /// The charset that a form or a part of one declares; an empty text declares none.
    pub fn new(declared: &str, decoder: Decoder) -> Self {
        let label = declared.trim().to_ascii_lowercase();
        // No form is sent in UTF-16: browsers send the forms of such pages in UTF-8. Decoding as UTF-16 would also lose
        // the percent signs.
        let is_utf8 = ["", "utf-8", "utf8", "unicode-1-1-utf-8"].contains(&label.as_str())
            || label.starts_with("utf-16")
            || label.starts_with("utf-32");
        Self {
            label: (!is_utf8).then_some(label),
            decoder,
        }
    }

    /// Decodes bytes. Without a declared charset, or with an unknown one, the text is UTF-8 if it is valid, and
    /// otherwise windows-1252.
    pub fn text(&self, bytes: &[u8]) -> String {
        let Decoder(decode) = self.decoder;
        let declared = self.label.as_deref().and_then(|label| decode(label, bytes));
        let old = match declared {
            Some(text) => text,
            None => match std::str::from_utf8(bytes) {
                Ok(text) => return text.to_owned(),
                Err(_) => decode(FALLBACK, bytes)
                    .unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned()),
            },
        };
        with_references(&old)
    }
}

/// Replaces `&#12345;` by the character of that number: browsers write characters so that the form's charset does not
/// contain.
fn with_references(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("&#") {
        made.push_str(before);
        if let Some((character, after)) = reference(after) {
            made.push(character);
            rest = after;
        } else {
            made.push_str("&#");
            rest = after;
        }
    }
    made.push_str(rest);
    made
}

/// The character whose number and semicolon begin a text, and what follows.
fn reference(text: &str) -> Option<(char, &str)> {
    let digits = text.bytes().take(7).take_while(u8::is_ascii_digit).count();
    let (number, after) = text.split_at_checked(digits)?;
    let number = number.parse().ok().filter(|number| *number > 0x9f)?;
    Some((char::from_u32(number)?, after.strip_prefix(';')?))
}

/// The bytes of a JSON body in UTF-8, converted from the declared charset, without a byte order mark. Bytes that are
/// not UTF-8 and declare nothing stay as they are, and the JSON parser refuses them: JSON has no other charset (RFC
/// 8259).
pub fn json(content: Content<'_>) -> Cow<'_, [u8]> {
    let declared = parameter(content.content_type, "charset").unwrap_or_default();
    let label = declared.trim().to_ascii_lowercase();
    let Decoder(decode) = content.decoder;
    if !["", "utf-8", "utf8"].contains(&label.as_str())
        && let Some(text) = decode(&label, content.bytes)
    {
        return text.into_bytes().into();
    }
    let body = content.bytes;
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).into()
}

/// A parameter of a header such as `form-data; name="a"`. Within quotes `\"` is a quote, and any other backslash stands
/// for itself.
pub fn parameter(header: &str, wanted: &str) -> Option<String> {
    let (_, mut rest) = header.split_once(';')?;
    loop {
        let (name, value) = rest.split_once('=')?;
        let value = value.trim_start();
        let text;
        (text, rest) = if let Some(quoted) = value.strip_prefix('"') {
            let mut escaped = false;
            let end = quoted.find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\';
                ends
            })?;
            let (text, rest) = quoted.split_at_checked(end)?;
            (text.replace("\\\"", "\""), rest)
        } else {
            let (text, rest) = value.split_once(';').unwrap_or((value, ""));
            (text.trim_end().to_owned(), rest)
        };
        let name = name.trim_matches(['"', ';', ' ', '\t']);
        if name.eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::native::decode;
    use proptest::prelude::*;

    fn text(declared: &str, bytes: &[u8]) -> String {
        Charset::new(declared, Decoder(decode)).text(bytes)
    }

    #[test]
    fn bytes_are_decoded_in_the_declared_charset_or_one_that_fits() {
        let cases: [(&str, &[u8], &str); 18] = [
            ("", "Zoë 😀".as_bytes(), "Zoë 😀"),
            ("", b"Zo\xeb \x80", "Zoë €"),
            ("utf-8", b"Zo\xeb", "Zoë"),
            (" UTF-8 ", "Zoë".as_bytes(), "Zoë"),
            ("utf-16le", "Zoë".as_bytes(), "Zoë"),
            ("ISO-8859-1", b"Zo\xeb \x80", "Zoë €"),
            ("iso-8859-15", b"\xa4", "€"),
            ("windows-1251", b"\xcf\xf0\xe8", "При"),
            ("koi8-r", b"\xf0\xd2\xc9", "При"),
            ("Shift_JIS", b"\x93\xfa\x96{", "日本"),
            ("gbk", b"\xd6\xd0", "中"),
            ("big5", b"\xa4\xa4", "中"),
            ("euc-kr", b"\xc7\xd1", "한"),
            // Unknown charsets.
            ("klingon", b"Zo\xeb", "Zoë"),
            ("replacement", "Zoë".as_bytes(), "Zoë"),
            // Characters that the charset does not contain.
            (
                "windows-1252",
                b"\xe9 &#29579;&#128512; &#x738b; &amp;#1; &#38; &#;",
                "é 王😀 &#x738b; &amp;#1; &#38; &#;",
            ),
            (
                "windows-1252",
                b"\xe9&#0029579;&#29579&#00029579;&#9999999;",
                "é王&#29579&#00029579;&#9999999;",
            ),
            ("", b"&#29579;", "&#29579;"),
        ];
        for (declared, bytes, wanted) in cases {
            assert_eq!(text(declared, bytes), wanted, "{declared} {bytes:?}");
        }
    }

    #[test]
    fn a_hostile_text_takes_no_longer_than_its_length_allows() {
        // A moment; if each looked for its semicolon in all that follows it would be an hour.
        let sent = "&#".repeat(4_000_000);
        assert_eq!(text("windows-1252", sent.as_bytes()), sent);
    }

    proptest! {
        #[test]
        fn utf_8_stays_unchanged(sent in "\\PC{0,40}") {
            prop_assert_eq!(text("", sent.as_bytes()), sent);
        }

        #[test]
        fn no_bytes_cause_a_panic(declared in "\\PC{0,12}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            text(&declared, &bytes);
        }
    }
}
