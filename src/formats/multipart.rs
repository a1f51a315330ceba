//! `multipart/form-data` (RFC 7578) with its whole body in memory, as browsers and scripts send forms without files.

use super::Content;
use super::charset::{self, Charset, parameter};
use super::form::malformed;
use crate::error::Error;

/// The fault of a form with a file.
pub(crate) const FILE: &str = "it contains a file; this form takes none";

/// A part as it was sent.
struct Part<'a> {
    head: &'a [u8],
    value: &'a [u8],
}

/// The readable text parts of a form, and what is wrong with it. An empty file input is skipped. A file is a fault,
/// because it would be lost.
pub(super) fn fields(content: Content<'_>) -> (Vec<(String, String)>, Option<Error>) {
    let boundary = parameter(content.content_type, "boundary");
    let Some(boundary) = boundary.filter(|boundary| !boundary.is_empty()) else {
        return (Vec::new(), Some(malformed("the boundary is missing")));
    };
    // The first boundary may begin the body, without a preceding line end.
    let body = [b"\r\n", content.bytes].concat();
    let (parts, mut fault) = parts(&body, format!("\r\n--{boundary}").as_bytes());
    let declared = declared(&parts, content);
    let mut pairs = Vec::new();
    for part in parts {
        match pair(&part, &declared, content) {
            Ok(pair) => pairs.extend(pair),
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    (pairs, fault)
}

/// The parts of a body. If the body breaks off, the last part lacks its end.
fn parts<'a>(body: &'a [u8], mark: &[u8]) -> (Vec<Part<'a>>, Option<Error>) {
    let broken = || Some(malformed("it is not well-formed multipart"));
    let mut parts = Vec::new();
    let Some((_, mut rest)) = cut(body, mark) else {
        return (parts, broken());
    };
    while !rest.starts_with(b"--") {
        let found = cut(rest, b"\r\n").and_then(|(padding, part)| {
            let is_padding = padding.trim_ascii().is_empty();
            cut(part, b"\r\n\r\n").filter(|_| is_padding)
        });
        let Some((head, value)) = found else {
            return (parts, broken());
        };
        let Some((value, next)) = cut(value, mark) else {
            parts.push(Part { head, value });
            return (parts, broken());
        };
        parts.push(Part { head, value });
        rest = next;
    }
    (parts, None)
}

/// The charset of parts that name none: from the field `_charset_`, or else of the whole body.
fn declared(parts: &[Part<'_>], content: Content<'_>) -> String {
    let found = parts.iter().find(|part| {
        let head = String::from_utf8_lossy(part.head);
        parameter(header(&head, "content-disposition"), "name").as_deref() == Some(charset::FIELD)
    });
    found.map_or_else(
        || parameter(content.content_type, "charset").unwrap_or_default(),
        |part| String::from_utf8_lossy(part.value).into_owned(),
    )
}

/// A part's name and text; none for an empty file input.
fn pair(
    part: &Part<'_>,
    declared: &str,
    content: Content<'_>,
) -> Result<Option<(String, String)>, Error> {
    let head = Charset::new(declared, content.decoder).text(part.head);
    let disposition = header(&head, "content-disposition");
    let name = parameter(disposition, "name").ok_or_else(|| malformed("a part has no name"))?;
    let is_file = ["filename", "filename*"]
        .iter()
        .any(|name| parameter(disposition, name).is_some());
    if is_file && !part.value.is_empty() {
        return Err(malformed(FILE));
    }
    let own = parameter(header(&head, "content-type"), "charset");
    let charset = Charset::new(own.as_deref().unwrap_or(declared), content.decoder);
    Ok((!is_file).then(|| (name, charset.text(part.value))))
}

/// A header of a part's head; empty if there is none.
fn header<'a>(head: &'a str, wanted: &str) -> &'a str {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    lines
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        .map_or("", |(_, value)| value)
}

/// The bytes before and after the first `mark`, which is not empty.
fn cut<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|part| part == mark)?;
    let (before, rest) = bytes.split_at_checked(at)?;
    Some((before, rest.strip_prefix(mark)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::charset::Decoder;

    fn read(content_type: &str, body: &str) -> Result<Vec<(String, String)>, Error> {
        let (pairs, fault) = fields(Content {
            bytes: body.replace('|', "\r\n").as_bytes(),
            content_type,
            decoder: Decoder::default(),
        });
        fault.map_or(Ok(pairs), Err)
    }

    /// `|` stands for a line end, `N` for a valid disposition up to the name.
    #[test]
    fn well_formed_multipart_is_read() {
        let plain = "multipart/form-data; boundary=b";
        let quoted = "multipart/form-data; charset=\"a;b\"; Boundary=\"b\"";
        let name = "content-disposition: form-data; name=";
        let cases = [
            (plain, "--b--", vec![]),
            (plain, "--b|N\"a\"||1|--b--|", vec![("a", "1")]),
            (quoted, "--b|N\"a\"||1|--b--|", vec![("a", "1")]),
            (
                plain,
                "before|--b \t|N\"a\"||1|--b--after",
                vec![("a", "1")],
            ),
            (plain, "--b|N\"a\"|||--b--", vec![("a", "")]),
            (
                plain,
                "--b|N\"a\"|||1||--b|N\"a\"||--|--b--",
                vec![("a", "|1|"), ("a", "--")],
            ),
            (
                plain,
                "--b|X: y|N\"a\"|Content-Type: text/plain||1|--b--",
                vec![("a", "1")],
            ),
            (plain, "--b|Nbare; x=y||1|--b--", vec![("bare", "1")]),
            (
                plain,
                "--b|N\"x; filename=\\\"a\"||1|--b--",
                vec![("x; filename=\"a", "1")],
            ),
            (
                plain,
                "--b|N\"f\"; filename=\"\"|||--b|N\"a\"||1|--b--",
                vec![("a", "1")],
            ),
        ];
        for (content_type, body, wanted) in cases {
            let read = read(content_type, &body.replace('N', name)).unwrap();
            let wanted: Vec<_> = wanted
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.replace('|', "\r\n")))
                .collect();
            assert_eq!(read, wanted, "{body}");
        }
    }

    #[test]
    fn malformed_multipart_is_refused() {
        let plain = "multipart/form-data; boundary=b";
        let name = "Content-Disposition: form-data; name=";
        let cases = [
            ("multipart/form-data", "--b--", "boundary"),
            ("multipart/form-data; boundary=", "--b--", "boundary"),
            ("multipart/form-data; boundary=\"b", "--b--", "boundary"),
            (plain, "", "well-formed"),
            (plain, "--b", "well-formed"),
            (plain, "--b|", "well-formed"),
            (plain, "--b|N\"a\"", "well-formed"),
            (plain, "--b|N\"a\"||1", "well-formed"),
            (plain, "--b|N\"a\"||1|--b", "well-formed"),
            (plain, "--b|N\"a\"||1|--bc|N\"a\"||1|--b--", "well-formed"),
            (plain, "--bc|N\"a\"||1|--b--", "well-formed"),
            (plain, "--b||1|--b--", "well-formed"),
            (plain, "--b|X: y||1|--b--", "no name"),
            (
                plain,
                "--b|Content-Disposition: form-data||1|--b--",
                "no name",
            ),
            (plain, "--b|N\"a||1|--b--", "no name"),
            (plain, "--b|N\"a\"; filename=x||1|--b--", "file"),
            (plain, "--b|N\"a\"; FILEname*=UTF-8''x||1|--b--", "file"),
        ];
        for (content_type, body, wanted) in cases {
            match read(content_type, &body.replace('N', name)) {
                Err(Error::MalformedBody(why)) => assert!(why.contains(wanted), "{body}: {why}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }
}
