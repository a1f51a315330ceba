//! `multipart/form-data` (RFC 7578) whose body is in memory: what browsers and scripts send for a form without files.

use super::leads::malformed;
use crate::error::Error;
use crate::route::Incoming;

/// The text parts of a multipart form (RFC 7578). An empty file input is skipped; a file is refused, for it would be lost.
pub(super) fn fields(incoming: &Incoming) -> Result<Vec<(String, String)>, Error> {
    let broken = || malformed("it is not well-formed multipart");
    let boundary = parameter(incoming.header("content-type"), "boundary")
        .filter(|boundary| !boundary.is_empty())
        .ok_or_else(|| malformed("the boundary is missing"))?;
    let mark = format!("\r\n--{boundary}");
    // The first boundary may be at the very beginning, where no line has ended yet.
    let body = [b"\r\n", incoming.body.as_slice()].concat();
    let (_, mut rest) = cut(&body, mark.as_bytes()).ok_or_else(broken)?;
    let mut pairs = Vec::new();
    while !rest.starts_with(b"--") {
        let (padding, part) = cut(rest, b"\r\n").ok_or_else(broken)?;
        let (head, part) = cut(part, b"\r\n\r\n").ok_or_else(broken)?;
        let (value, next) = cut(part, mark.as_bytes()).ok_or_else(broken)?;
        if !padding.trim_ascii().is_empty() {
            return Err(broken());
        }
        let head = std::str::from_utf8(head).map_err(|_| broken())?;
        let disposition = head
            .split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-disposition"))
            .map_or("", |(_, value)| value);
        let name = parameter(disposition, "name").ok_or_else(|| malformed("a part has no name"))?;
        let is_file = ["filename", "filename*"]
            .iter()
            .any(|name| parameter(disposition, name).is_some());
        if is_file && !value.is_empty() {
            return Err(malformed("it contains a file; this form takes none"));
        }
        if !is_file {
            let text = std::str::from_utf8(value).map_err(|_| malformed("a field is not UTF-8"))?;
            pairs.push((name, text.to_owned()));
        }
        rest = next;
    }
    Ok(pairs)
}

/// What stands before and after the first `mark`, which is not empty.
fn cut<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|part| part == mark)?;
    let (before, rest) = bytes.split_at_checked(at)?;
    Some((before, rest.strip_prefix(mark)?))
}

/// A parameter of a header such as `form-data; name="a"`. In quotes, `\"` is a quote and any other backslash itself.
fn parameter(header: &str, wanted: &str) -> Option<String> {
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

    fn read(content_type: &str, body: &str) -> Result<Vec<(String, String)>, Error> {
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", content_type.parse().unwrap());
        fields(&Incoming {
            headers,
            body: body.replace('|', "\r\n").into_bytes(),
            ..Incoming::default()
        })
    }

    /// `|` stands for the end of a line, `...` for a good disposition.
    #[test]
    fn what_is_well_formed_is_read() {
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
    fn what_is_not_is_refused() {
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
