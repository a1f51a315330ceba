//! Headers as lines of the text in which requests and answers cross between JavaScript and WebAssembly (`entry.js`). A line has
//! the mark of a name and a value: a name that both sides know costs one character, and nothing is parsed or hashed for it.

use std::cell::RefCell;

use http::header::InvalidHeaderValue;
use http::{HeaderName, HeaderValue};
use rustc_hash::FxHashMap;

use crate::headers::Headers;
use crate::message::{ANSWER_HEADERS, READ_HEADERS};

/// The mark of the first name; the next ones have the next characters.
const FIRST_MARK: char = ' ';
/// The mark of a name that is not in the table: the name has a line of its own before its value.
const OTHER_MARK: char = '\u{1f}';

thread_local! {
    static NAMES: RefCell<Names> = RefCell::default();
}

/// The names that have a mark.
#[derive(Default)]
struct Names {
    /// By mark.
    names: Vec<HeaderName>,
    marks: FxHashMap<HeaderName, char>,
}

/// Gives marks to the names of the request headers that the edge reads, and to those of usual answers. The text has a line for
/// the number of the former, and one for each name.
pub(super) fn mark_names(of_systems: &[String]) -> String {
    let read: Vec<&str> = READ_HEADERS
        .iter()
        .copied()
        .chain(of_systems.iter().map(String::as_str))
        .collect();
    let mut text = read.len().to_string();
    let all = read.iter().chain(ANSWER_HEADERS);
    NAMES.with_borrow_mut(|names| {
        *names = Names::default();
        for (mark, name) in (FIRST_MARK..).zip(all) {
            text.push('\n');
            text.push_str(name);
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                names.marks.entry(name.clone()).or_insert(mark);
                names.names.push(name);
            }
        }
    });
    text
}

/// A header's value with one byte for each character. An invalid value is kept as a byte that is not text, for the
/// stage that reads the header to refuse.
fn header_value(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::from_str(text).or_else(|_| {
        let byte = |c| u8::try_from(u32::from(c)).unwrap_or(0xff);
        let bytes: Vec<u8> = text.chars().map(byte).collect();
        HeaderValue::from_bytes(&bytes).or_else(|_| HeaderValue::from_bytes(&[0xff]))
    })
}

/// Reads the headers in a text.
pub(super) fn read(mut text: &str) -> Option<Headers> {
    let mut headers = Headers::with_capacity(16);
    NAMES.with_borrow(|names| {
        while let Some((line, rest)) = text.split_once('\n') {
            text = rest;
            let mark = line.chars().next()?;
            let marked = line.split_at_checked(mark.len_utf8())?.1;
            let (name, value) = if mark == OTHER_MARK {
                let (value, rest) = text.split_once('\n')?;
                text = rest;
                (HeaderName::from_bytes(marked.as_bytes()).ok()?, value)
            } else {
                let place = u32::from(mark).checked_sub(u32::from(FIRST_MARK))?;
                let name = names.names.get(usize::try_from(place).ok()?)?;
                (name.clone(), marked)
            };
            headers.insert(name, header_value(value).ok()?);
        }
        Some(headers)
    })
}

/// Writes headers to a text, with a character for each byte of a value.
pub(super) fn write(headers: &Headers, text: &mut String) {
    NAMES.with_borrow(|names| {
        for (name, value) in headers.iter() {
            if let Some(mark) = names.marks.get(name) {
                text.push(*mark);
            } else {
                text.push(OTHER_MARK);
                text.push_str(name.as_str());
                text.push('\n');
            }
            match str::from_utf8(value.as_bytes()) {
                Ok(value) if value.is_ascii() => text.push_str(value),
                _ => text.extend(value.as_bytes().iter().copied().map(char::from)),
            }
            text.push('\n');
        }
    });
}
