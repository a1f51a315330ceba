//! Charsets: turns the bytes of a form or of JSON into text. UTF-8 is the rule; old pages and old scripts send others, and declare
//! them or not.
//!
//! The platform decodes, by the Encoding Standard. Nothing here refuses: a visitor cannot mend the charset of a page.

use std::borrow::Cow;

use crate::route::{Decoder, Incoming};

/// What a form without a declared charset is read as where it is not UTF-8, as browsers read pages.
const FALLBACK: &str = "windows-1252";

/// The field that browsers fill with the charset of their form (HTML, "form control infrastructure").
pub const FIELD: &str = "_charset_";

/// How the bytes of a form become text.
pub struct Charset {
    /// The declared charset, where it is not UTF-8.
    label: Option<String>,
    decoder: Decoder,
}

impl Charset {
    /// The charset that a form or a part of one declares; an empty text declares none.
    pub fn new(declared: &str, decoder: Decoder) -> Self {
        let label = declared.trim().to_ascii_lowercase();
        // No form is sent in UTF-16: browsers send those of such pages in UTF-8, and percent signs would not be found.
        let is_utf8 = ["", "utf-8", "utf8", "unicode-1-1-utf-8"].contains(&label.as_str())
            || label.starts_with("utf-16")
            || label.starts_with("utf-32");
        Self {
            label: (!is_utf8).then_some(label),
            decoder,
        }
    }

    /// The text of bytes. What declares nothing, or a charset that nobody knows, is read as UTF-8 if it is that, and otherwise as
    /// windows-1252.
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

/// The text with `&#12345;` as the character of that number: browsers write so what their form's charset has not.
fn with_references(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("&#") {
        made.push_str(before);
        let reference = after.split_once(';').and_then(|(digits, after)| {
            let is_number = digits.len() <= 7 && digits.bytes().all(|b| b.is_ascii_digit());
            let number = digits.parse().ok().filter(|number| *number > 0x9f);
            Some((char::from_u32(number.filter(|_| is_number)?)?, after))
        });
        if let Some((character, after)) = reference {
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

/// The bytes of a JSON body in UTF-8, as far as the declared charset says how, without a byte order mark. What is not UTF-8 and
/// declares nothing stays as it is, and is refused by its reader: JSON has no other charset (RFC 8259).
pub fn json(incoming: &Incoming) -> Cow<'_, [u8]> {
    let declared = parameter(incoming.header("content-type"), "charset").unwrap_or_default();
    let label = declared.trim().to_ascii_lowercase();
    let Decoder(decode) = incoming.decoder;
    if !["", "utf-8", "utf8"].contains(&label.as_str())
        && let Some(text) = decode(&label, &incoming.body)
    {
        return text.into_bytes().into();
    }
    let body = incoming.body.as_slice();
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).into()
}

/// A parameter of a header such as `form-data; name="a"`. In quotes, `\"` is a quote and any other backslash itself.
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
    fn bytes_are_read_in_the_charset_that_was_declared_or_in_the_one_that_fits() {
        let cases: [(&str, &[u8], &str); 17] = [
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
            // Nobody knows them.
            ("klingon", b"Zo\xeb", "Zoë"),
            ("replacement", "Zoë".as_bytes(), "Zoë"),
            // What the charset has not.
            (
                "windows-1252",
                b"\xe9 &#29579;&#128512; &#x738b; &amp;#1; &#38; &#;",
                "é 王😀 &#x738b; &amp;#1; &#38; &#;",
            ),
            ("", b"&#29579;", "&#29579;"),
        ];
        for (declared, bytes, wanted) in cases {
            assert_eq!(text(declared, bytes), wanted, "{declared} {bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_utf_8_stays_as_it_is(sent in "\\PC{0,40}") {
            prop_assert_eq!(text("", sent.as_bytes()), sent);
        }

        #[test]
        fn no_bytes_make_it_panic(declared in "\\PC{0,12}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            text(&declared, &bytes);
        }
    }
}
