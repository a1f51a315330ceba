//! A query string as PostgREST reads it: decoded once, judged, capped, and written anew.

use percent_encoding::percent_decode_str;

use crate::error::Error;

/// Parameters of the relation itself that are no filter, and last words of a name that make it none.
const NO_FILTERS: [&str; 3] = ["select", "columns", "on_conflict"];
const NO_FILTER_ENDINGS: [&str; 3] = ["order", "limit", "offset"];

/// Names and values in their order, decoded. PostgREST heeds no name without a value, though it may have an empty one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query(Vec<(String, Option<String>)>);

impl Query {
    /// Decodes names and values. The `apikey` ends here.
    ///
    /// # Errors
    /// [`Error::BadQuery`] for what is not UTF-8 or holds a NUL.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut pairs = Vec::new();
        // PostgREST splits at both.
        for part in text.split(['&', ';']).filter(|part| !part.is_empty()) {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (decode(name)?, Some(decode(value)?)),
                None => (decode(part)?, None),
            };
            if name != "apikey" {
                pairs.push((name, value));
            }
        }
        Ok(Self(pairs))
    }

    /// Whether something here narrows the rows of the relation itself.
    #[must_use]
    pub fn has_filter(&self) -> bool {
        self.0
            .iter()
            .any(|(name, value)| value.is_some() && is_own_filter(name))
    }

    /// Whether a parameter of this name is here.
    #[must_use]
    pub fn names(&self, wanted: &str) -> bool {
        self.0.iter().any(|(name, _)| name == wanted)
    }

    /// Adds a parameter.
    pub fn push(&mut self, name: &str, value: String) {
        self.0.push((name.to_owned(), Some(value)));
    }

    /// How many relations are embedded in each other at most.
    #[must_use]
    pub fn embed_depth(&self) -> usize {
        let selects = self.0.iter().filter(|(name, _)| name == "select");
        selects
            .filter_map(|(_, select)| Some(embed_depth(select.as_deref()?)))
            .max()
            .unwrap_or(0)
    }

    /// Holds the relation, and those embedded in it that name a limit, to so many rows. Where the `Range` header bounds the relation (see
    /// [`cap_range`]) no limit of its own is added; tells whether one was.
    pub fn cap_rows(&mut self, most: u64, bounded_by_range: bool) -> bool {
        for (name, value) in &mut self.0 {
            let limits = name.rsplit('.').next() == Some("limit");
            if limits
                && !value
                    .as_deref()
                    .is_some_and(|value| is_bounded(value, most))
            {
                *value = Some(most.to_string());
            }
        }
        let adds = !bounded_by_range && !self.0.iter().any(|(name, _)| name == "limit");
        if adds {
            self.0.push(("limit".to_owned(), Some(most.to_string())));
        }
        adds
    }

    /// Writes it with its question mark, if there is anything to write.
    pub fn append_to(&self, url: &mut String) {
        if self.0.is_empty() {
            return;
        }
        url.push('?');
        let encoded = |text: &String| form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let parts = self.0.iter().map(|(name, value)| match value {
            Some(value) => [encoded(name), encoded(value)].join("="),
            None => encoded(name),
        });
        url.push_str(&parts.collect::<Vec<String>>().join("&"));
    }
}

/// Whether a limit is so many rows at most, in digits alone: PostgREST takes what it cannot read for no limit, and reads
/// `(50)` and `0x32` too. One below zero it refuses in its own words.
fn is_bounded(limit: &str, most: u64) -> bool {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match limit.strip_prefix('-') {
        Some(number) => !number.is_empty() && digits(number),
        None => digits(limit) && limit.parse::<u64>().is_ok_and(|rows| rows <= most),
    }
}

fn decode(text: &str) -> Result<String, Error> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_| Error::BadQuery("it is not UTF-8"))?;
    if decoded.contains('\0') {
        return Err(Error::BadQuery("it contains a NUL"));
    }
    Ok(decoded.into_owned())
}

/// Whether a parameter filters the relation itself. A dot leads into an embedded relation, whose filter leaves the rows
/// of this one as they are; one in quotes, or behind an arrow into a JSON document, does not.
fn is_own_filter(name: &str) -> bool {
    let ending = name.rsplit('.').next().unwrap_or_default();
    if NO_FILTERS.contains(&name) || NO_FILTER_ENDINGS.contains(&ending) {
        return false;
    }
    if matches!(ending, "and" | "or") {
        return matches!(name, "and" | "or" | "not.and" | "not.or");
    }
    let mut quoted = false;
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if quoted => {
                characters.next();
            }
            '"' => quoted = !quoted,
            '.' if !quoted => return false,
            '-' if !quoted && characters.peek() == Some(&'>') => return true,
            _ => {}
        }
    }
    // PostgREST refuses a name without its closing quote.
    !quoted
}

/// The depth of parentheses that embed: not those of an aggregate, `amount.sum()` or `count()`.
fn embed_depth(select: &str) -> usize {
    let (mut depth, mut deepest, mut quoted) = (0_usize, 0, false);
    let mut word = String::new();
    let mut characters = select.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if quoted => {
                characters.next();
            }
            // Elsewhere than where a name begins it is a character like others, as in a key of a JSON document.
            '"' if quoted || word.is_empty() || word.ends_with([':', '.', '!']) => {
                quoted = !quoted;
                word.push(character);
            }
            _ if quoted => {}
            '(' => {
                if !(characters.peek() == Some(&')') && is_aggregate(&word)) {
                    deepest = deepest.max(depth + 1);
                }
                depth += 1;
                word.clear();
            }
            ')' => depth = depth.saturating_sub(1),
            ',' => word.clear(),
            _ => word.push(character),
        }
    }
    deepest
}

fn is_aggregate(word: &str) -> bool {
    let name = word.rsplit(':').next().unwrap_or_default();
    name == "count"
        || name.rsplit_once('.').is_some_and(|(_, function)| {
            matches!(function, "avg" | "count" | "max" | "min" | "sum")
        })
}

/// A `Range` header that asks for so many rows at most; none if it is not one that PostgREST heeds.
#[must_use]
pub fn cap_range(range: &str, most: u64) -> Option<String> {
    let (from, to) = range.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if from.is_empty() || !digits(from) || !digits(to) {
        return None;
    }
    let first: u64 = from.parse().ok()?;
    let last = first.saturating_add(most.saturating_sub(1));
    let last = if to.is_empty() {
        last
    } else {
        to.parse::<u64>().ok()?.min(last)
    };
    Some(format!("{first}-{last}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing;

    fn written(query: &Query) -> String {
        let mut url = String::new();
        query.append_to(&mut url);
        url
    }

    #[test]
    fn only_what_narrows_the_relation_is_a_filter() {
        let cases = [
            ("id=eq.1", true),
            ("or=(a.eq.1,b.eq.2)", true),
            ("not.and=(a.eq.1,b.eq.2)", true),
            ("data->>x=eq.1", true),
            ("data->>a.b=eq.1", true),
            ("\"a.b\"=eq.1", true),
            ("\"a.b\"->>c.d=eq.1", true),
            // PostgREST takes the last word first.
            ("data->>a.limit=5", false),
            ("data->>a.order=x", false),
            ("data->>a.or=(x.eq.1)", false),
            ("\"a->b\".c=eq.1", false),
            ("\"a\\\".b\".c=eq.1", false),
            ("\"a=eq.1", false),
            ("workflows.data->>x=eq.1", false),
            ("", false),
            ("select=id", false),
            ("sel%65ct=id", false),
            ("order=id&limit=1&offset=0", false),
            ("columns=id&on_conflict=id", false),
            ("workflows.id=eq.1", false),
            ("workflows.or=(a.eq.1,b.eq.2)", false),
            ("workflows.not.or=(a.eq.1,b.eq.2)", false),
            ("apikey=x", false),
            ("id", false),
            ("select=id;id=eq.1", true),
            ("select=id;limit=1", false),
        ];
        for (text, wanted) in cases {
            assert_eq!(Query::parse(text).unwrap().has_filter(), wanted, "{text}");
        }
    }

    #[test]
    fn depth_counts_what_embeds() {
        let cases = [
            ("*", 0),
            ("a(*)", 1),
            ("*,n:a!inner(id,b(c(d(*))))", 4),
            ("...a(...b(c))", 2),
            ("amount.sum(),count(),n:count()", 0),
            ("a(amount.avg(),count())", 1),
            ("a(b())", 2),
            ("account()", 1),
            ("\"odd (name\",a(x)", 1),
            ("\"odd \\\" (name\"", 0),
            ("a((((((", 6),
            ("data->>a\"b,a(b(c(d(e(*)))))", 5),
            ("data->>\"b,a(b(c(d(e(*)))))", 5),
            ("n:\"a(\",b(c)", 1),
            ("a!\"x(\"(b)", 1),
            ("a)))(b)", 1),
        ];
        for (text, wanted) in cases {
            let query = Query(vec![("select".into(), Some(text.into()))]);
            assert_eq!(query.embed_depth(), wanted, "{text}");
        }
        let two = Query::parse("select=a&select=b(c(d))").unwrap();
        assert_eq!(two.embed_depth(), 2);
    }

    #[test]
    fn rows_are_capped() {
        let cases = [
            ("", false, "?limit=10"),
            ("", true, ""),
            ("limit=3", false, "?limit=3"),
            (
                "limit=11&a.limit=99&a.b.limit=10",
                false,
                "?limit=10&a.limit=10&a.b.limit=10",
            ),
            ("limit=-1", false, "?limit=-1"),
            ("limit=x", false, "?limit=10"),
            ("limit=&a.limit", false, "?limit=10&a.limit=10"),
            ("limit=+3", false, "?limit=10"),
            ("limit=%2B3", false, "?limit=10"),
            ("limit=(3)", false, "?limit=10"),
            ("limit=0x3", false, "?limit=10"),
            ("limit=--1", false, "?limit=10"),
            ("limit=99999999999999999999", false, "?limit=10"),
            ("unlimited=eq.99", true, "?unlimited=eq.99"),
        ];
        for (text, bounded, wanted) in cases {
            let mut query = Query::parse(text).unwrap();
            query.cap_rows(10, bounded);
            assert_eq!(written(&query), wanted, "{text}");
        }
        let ranges = [
            ("0-4", Some("0-4")),
            ("5-", Some("5-14")),
            ("5-100", Some("5-14")),
            ("20-3", Some("20-3")),
            (
                "18446744073709551615-",
                Some("18446744073709551615-18446744073709551615"),
            ),
            ("-5", None),
            ("x", None),
            ("+1-2", None),
            ("1-2-3", None),
            ("99999999999999999999-", None),
        ];
        for (range, wanted) in ranges {
            assert_eq!(cap_range(range, 10).as_deref(), wanted, "{range}");
        }
    }

    #[test]
    fn a_query_is_rebuilt_with_the_same_meaning_and_without_the_key() {
        let query = Query::parse("select=*,a(b)&name=eq.a+b%26c&apikey=secret;n%C3%A4me=x&id&x=");
        assert_eq!(
            written(&query.unwrap()),
            "?select=*%2Ca%28b%29&name=eq.a+b%26c&n%C3%A4me=x&id&x="
        );
        assert!(matches!(Query::parse("a=%ff"), Err(Error::BadQuery(_))));
        assert!(matches!(Query::parse("a=%00"), Err(Error::BadQuery(_))));
    }

    proptest! {
        /// Whatever is sent: no panic, and what is written reads the same again.
        #[test]
        fn any_query_is_refused_or_rebuilt_the_same(text in "\\PC{0,80}|[a-z%0-9&=+.\"()>-]{0,80}|(&([ab]\\.)?limit=[-+%()x 0-9.]{0,6}){1,3}") {
            fuzzing::query(&text);
        }

        /// A capped query never asks for more, however often it is capped.
        #[test]
        fn capping_is_final(limit in any::<u64>(), most in 1_u64..5000) {
            let mut query = Query::parse(&format!("limit={limit}")).unwrap();
            query.cap_rows(most, false);
            prop_assert_eq!(written(&query), format!("?limit={}", limit.min(most)));
            let range = cap_range(&format!("{limit}-"), most).unwrap();
            prop_assert_eq!(cap_range(&range, most).unwrap(), range);
        }
    }
}
