//! A whole relation as CSV. It is read page by page, each when the client has taken the one before, so that memory
//! holds one page at a time.

use crate::headers::Headers;
use futures_util::stream::unfold;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value};

use super::{parsed, share, stream};
use crate::error::Error;
use crate::isolate::Edge;
use crate::message::{Body, Response};
use crate::runtime::Platform;
use crate::scope::Pages;
use crate::text::is_invisible;

/// The most bytes of a page.
const MAX_PAGE_BYTES: usize = 32 * 1024 * 1024;

/// The most bytes of the list of field names.
const MAX_NAMES_BYTES: usize = 4 * 1024 * 1024;

/// What to send next.
enum Next {
    Page(Vec<Value>),
    After(Value),
    Nothing,
}

/// Answers once the first page is there, so that an error until then has its own status.
///
/// # Errors
/// The errors of reading the first page.
pub(super) async fn send<P: Platform>(
    pages: Pages<P::Body>,
    edge: &Edge<P>,
) -> Result<Response<P::Body>, Error> {
    let place = match pages.sharer() {
        Some(sharer) => share::acquire_download(&sharer, edge).await?,
        None => None,
    };
    let names = names(&pages, edge).await?;
    let first = page(&pages, None, edge).await?;
    let mut headers = Headers::new();
    let kind = HeaderValue::from_static("text/csv; charset=utf-8");
    headers.insert(CONTENT_TYPE, kind);
    let name = format!("attachment; filename=\"{}\"", pages.export.file_name);
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    let header = header(&pages, &names).into_bytes();
    let is_head = pages.request.method == Method::HEAD;
    let start = (edge.apart(), pages, Next::Page(first), header);
    let pieces = unfold(start, move |(edge, pages, next, mut piece)| {
        let names = names.clone();
        async move {
            let rows = match next {
                Next::Nothing => return None,
                Next::Page(rows) => Ok(rows),
                Next::After(row) => page(&pages, Some(&row), &edge).await,
            };
            let mut rows = match rows {
                Ok(rows) => rows,
                Err(error) => return Some((Err(error), (edge, pages, Next::Nothing, Vec::new()))),
            };
            for row in &mut rows {
                let more = row
                    .get_mut(pages.export.more.column.as_ref())
                    .map(Value::take);
                piece.extend_from_slice(line(row, more, &names).as_bytes());
            }
            let is_last = Pages::<P::Body>::ends_with(&rows);
            let next = match rows.pop() {
                Some(row) if !is_last => Next::After(row),
                _ => Next::Nothing,
            };
            Some((Ok(piece), (edge, pages, next, Vec::new())))
        }
    });
    Ok(Response {
        status: StatusCode::OK,
        headers,
        body: if is_head {
            Body::Empty
        } else {
            Body::Stream(stream::of_pages(pieces, place, edge)?)
        },
    })
}

async fn page<P: Platform>(
    pages: &Pages<P::Body>,
    last: Option<&Value>,
    edge: &Edge<P>,
) -> Result<Vec<Value>, Error> {
    parsed(pages.after(last, edge)?, MAX_PAGE_BYTES, edge).await
}

/// The names of the fields that get a column each; empty if all of them share a cell.
async fn names<P: Platform>(pages: &Pages<P::Body>, edge: &Edge<P>) -> Result<Vec<String>, Error> {
    if !pages.spread {
        return Ok(Vec::new());
    }
    parsed(pages.names(edge)?, MAX_NAMES_BYTES, edge).await
}

/// The first line, with the byte order mark if the client asks for one. A field's name follows that of its column, so
/// that it never equals another column's name.
fn header<B>(pages: &Pages<B>, names: &[String]) -> String {
    let mut line = String::from(if pages.marked { "\u{feff}" } else { "" });
    line.push_str(&pages.export.columns.join(","));
    for name in names {
        line.push(',');
        push_cell(&mut line, &format!("{}.{name}", pages.export.more.column));
    }
    line.push(',');
    line.push_str(&pages.export.more.column);
    line.push_str("\r\n");
    line
}

/// One row: its cells, those of the named fields, and the remaining fields as JSON.
fn line(row: &Value, more: Option<Value>, names: &[String]) -> String {
    let mut fields = match more {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let mut line = String::new();
    let cells = row.get("cells").and_then(Value::as_array);
    for cell in cells.into_iter().flatten() {
        push_cell(&mut line, cell.as_str().unwrap_or_default());
        line.push(',');
    }
    for name in names {
        push_cell(
            &mut line,
            &fields.remove(name).map_or_else(String::new, words),
        );
        line.push(',');
    }
    if fields.is_empty() {
        push_cell(&mut line, "");
    } else {
        push_cell(&mut line, &Value::from(fields).to_string());
    }
    line.push_str("\r\n");
    line
}

/// A field's value in one cell: several strings, as check boxes send them, joined by semicolons; any other value that
/// is not a string as JSON.
fn words(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            texts.join("; ")
        }
        other => other.to_string(),
    }
}

/// Adds a quoted cell (RFC 4180). A cell that a spreadsheet would execute begins with an apostrophe.
fn push_cell(line: &mut String, text: &str) {
    line.push('"');
    if is_formula(text) {
        line.push('\'');
    }
    line.push_str(&text.replace('"', "\"\""));
    line.push('"');
}

/// Whether a spreadsheet may execute a cell: spreadsheets skip blanks and invisible characters, and accept full-width
/// and small forms of the signs.
fn is_formula(text: &str) -> bool {
    let passed_over = |character: char| {
        character.is_whitespace() || character.is_control() || is_invisible(character)
    };
    let signs = [
        '=', '+', '-', '@', '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫',
    ];
    text.starts_with(['\t', '\r', '\n']) || text.trim_start_matches(passed_over).starts_with(signs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn cell(text: &str) -> String {
        let mut line = String::new();
        push_cell(&mut line, text);
        line
    }

    #[test]
    fn a_cell_that_a_spreadsheet_would_execute_begins_with_an_apostrophe() {
        let blanks = [
            "",
            " ",
            "\u{a0}",
            "\u{3000}",
            "\u{feff}",
            "\u{200b}",
            "\u{ad}",
            "\u{2060}",
            "\u{e0020}",
            "\u{3164}",
            "\u{115f}",
            "\u{34f}",
            "\u{7f}",
            "\u{1}",
            " \u{200b}\u{a0} ",
        ];
        for blank in blanks {
            for sign in [
                "=", "+", "-", "@", "＝", "＋", "－", "＠", "﹦", "﹢", "﹣", "﹫",
            ] {
                let text = format!("{blank}{sign}1");
                assert_eq!(cell(&text), format!("\"'{text}\""), "{text:?}");
            }
            let text = format!("{blank}a=1");
            assert_eq!(cell(&text), format!("\"{text}\""), "{text:?}");
        }
        for text in ["\tx", "\rx", "\nx"] {
            assert_eq!(cell(text), format!("\"'{text}\""));
        }
        assert_eq!(cell("say \"hi\""), "\"say \"\"hi\"\"\"");
    }

    #[test]
    fn further_fields_get_a_column_each_or_share_one() {
        let row = json!({ "cells": ["a", null, "=1"] });
        let more =
            json!({ "color": "red", "sizes": ["S", "M"], "odd": [1, {"b": null}], "\"": "=2" });
        let lines = [
            (
                vec![],
                "\"a\",\"\",\"'=1\",\"{\"\"\\\"\"\"\":\"\"=2\"\",\"\"color\"\":\"\"red\"\",\"\"odd\"\":[1,{\"\"b\"\":null}],\"\"sizes\"\":[\"\"S\"\",\"\"M\"\"]}\"\r\n",
            ),
            (
                vec!["sizes", "none", "\"", "odd"],
                "\"a\",\"\",\"'=1\",\"S; M\",\"\",\"'=2\",\"[1,{\"\"b\"\":null}]\",\"{\"\"color\"\":\"\"red\"\"}\"\r\n",
            ),
            (
                vec!["sizes", "color", "\"", "odd"],
                "\"a\",\"\",\"'=1\",\"S; M\",\"red\",\"'=2\",\"[1,{\"\"b\"\":null}]\",\"\"\r\n",
            ),
        ];
        for (names, wanted) in lines {
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            assert_eq!(line(&row, Some(more.clone()), &names), wanted);
        }
    }

    proptest! {
        #[test]
        fn a_cell_keeps_its_text_and_is_never_a_formula(text in "[=+@\\-\" \\PC]{0,12}") {
            let written = cell(&text);
            let inner = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
            let read = inner.replace("\"\"", "\"");
            prop_assert_eq!(read.strip_prefix('\'').unwrap_or(&read), text.strip_prefix('\'').unwrap_or(&text));
            prop_assert!(!is_formula(&read));
        }
    }
}
