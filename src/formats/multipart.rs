//! `multipart/form-data` (RFC 7578) with its whole body in memory, as browsers and scripts send forms without files.
//! multer splits the body; charsets, files and forms that break off are decided here.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::stream::{self, StreamExt as _};
use futures_util::task::noop_waker;
use multer::Multipart;
use multer::bytes::Bytes;

use super::Content;
use super::charset::{self, Charset, parameter};
use super::form::{MAX_FIELDS, malformed, too_many};
use crate::error::Error;

/// The fault of a form with a file.
pub const FILE: &str = "it contains a file; this form takes none";

/// A part as it was sent.
struct Part {
    disposition: Vec<u8>,
    content_type: Vec<u8>,
    value: Vec<u8>,
}

/// The readable text parts of a form, and what is wrong with it. An empty file input is skipped. A file is a fault,
/// because it would be lost.
pub(super) fn fields(content: Content<'_>) -> (Vec<(String, String)>, Option<Error>) {
    let boundary = parameter(content.content_type, "boundary");
    let Some(boundary) = boundary.filter(|boundary| !boundary.is_empty()) else {
        return (Vec::new(), Some(malformed("the boundary is missing")));
    };
    let mut parts = Vec::new();
    let is_whole = split(content.bytes, boundary, &mut parts);
    let mut fault = (!is_whole).then(|| malformed("it is not well-formed multipart"));
    if parts.len() > MAX_FIELDS {
        parts.truncate(MAX_FIELDS);
        fault = Some(too_many());
    }
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

/// Splits a body into parts. Tells whether it is well-formed; if it breaks off, the last part lacks its end.
fn split(body: &[u8], boundary: String, parts: &mut Vec<Part>) -> bool {
    let ended = AtomicBool::new(false);
    // As long as more may come, multer gives a part whose end has not come.
    let end = stream::poll_fn(|_| {
        if ended.load(Ordering::Relaxed) {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    });
    let body = stream::iter([Ok::<_, Infallible>(Bytes::copy_from_slice(body))]).chain(end);
    let mut reading = pin!(read(Multipart::new(body, boundary), parts));
    let waker = noop_waker();
    let mut context = Context::from_waker(&waker);
    let mut poll = reading.as_mut().poll(&mut context);
    if poll.is_pending() {
        ended.store(true, Ordering::Relaxed);
        poll = reading.poll(&mut context);
    }
    matches!(poll, Poll::Ready(Ok(())))
}

async fn read(mut body: Multipart<'_>, parts: &mut Vec<Part>) -> Result<(), multer::Error> {
    while let Some(mut field) = body.next_field().await? {
        let header = |name| {
            let value = field.headers().get(name);
            value.map_or_else(Vec::new, |value| value.as_bytes().to_vec())
        };
        let part = Part {
            disposition: header("content-disposition"),
            content_type: header("content-type"),
            value: Vec::new(),
        };
        let value = &mut parts.push_mut(part).value;
        while let Some(chunk) = field.chunk().await? {
            value.extend_from_slice(&chunk);
        }
    }
    Ok(())
}

/// The charset of parts that name none: from the field `_charset_`, or else of the whole body.
fn declared(parts: &[Part], content: Content<'_>) -> String {
    let found = parts.iter().find(|part| {
        let disposition = String::from_utf8_lossy(&part.disposition);
        parameter(&disposition, "name").as_deref() == Some(charset::FIELD)
    });
    found.map_or_else(
        || parameter(content.content_type, "charset").unwrap_or_default(),
        |part| String::from_utf8_lossy(&part.value).into_owned(),
    )
}

/// A part's name and text; none for an empty file input.
fn pair(
    part: &Part,
    declared: &str,
    content: Content<'_>,
) -> Result<Option<(String, String)>, Error> {
    let disposition = Charset::new(declared, content.decoder).text(&part.disposition);
    let name = parameter(&disposition, "name").ok_or_else(|| malformed("a part has no name"))?;
    let is_file = ["filename", "filename*"]
        .iter()
        .any(|name| parameter(&disposition, name).is_some());
    if is_file && !part.value.is_empty() {
        return Err(malformed(FILE));
    }
    let own = parameter(&String::from_utf8_lossy(&part.content_type), "charset");
    let charset = Charset::new(own.as_deref().unwrap_or(declared), content.decoder);
    Ok((!is_file).then(|| (name, charset.text(&part.value))))
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

    #[test]
    fn of_a_form_that_breaks_off_the_readable_part_is_kept() {
        let head = "Content-Disposition: form-data; name=";
        let cases = [
            (
                "--b|N\"a\"||1|--b|N\"c\"||2|2",
                vec![("a", "1"), ("c", "2\r\n2")],
            ),
            ("--b|N\"a\"||1|--", vec![("a", "1")]),
            ("--b|N\"a\"||1|--b|N\"c\"", vec![("a", "1")]),
            (
                "--b|N\"a\"||1|--b|N\"c\"; filename=x||2|--b",
                vec![("a", "1")],
            ),
        ];
        for (body, wanted) in cases {
            let body = body.replace('N', head).replace('|', "\r\n");
            let (pairs, fault) = fields(Content {
                bytes: body.as_bytes(),
                content_type: "multipart/form-data; boundary=b",
                decoder: Decoder::default(),
            });
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (&**n, &**v)).collect();
            assert_eq!(pairs, wanted, "{body}");
            assert!(fault.is_some(), "{body}");
        }
    }
}
