//! A query string, read as PostgREST reads it: decoded once, checked, capped, and rebuilt.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::conditions::Reach;
use super::grammar::{self, Selected};
use crate::error::Error;

/// Parameters of the relation itself that are not filters, and last words of a name that mark a parameter as none.
const NO_FILTERS: [&str; 3] = ["select", "columns", "on_conflict"];
const NO_FILTER_ENDINGS: [&str; 3] = ["order", "limit", "offset"];

/// Bytes of a query that count a millisecond; and the square of its items that counts one more: of items of lists of names and of trees of
/// conditions, and of parameters and quoted values.
const BYTES_IN_A_MS: usize = 1024;
const SQUARE_OF_NAMES: usize = 1000;
const SQUARE_OF_VALUES: usize = 8000;

/// Columns that PostgreSQL adds to every table. They reveal transactions, pages and tables.
const SYSTEM_COLUMNS: [&str; 6] = ["cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"];

/// Types to which a `select` may cast. Casts to others, such as `regclass`, reveal objects that the caller may not see,
/// or fail inside PostgreSQL.
const CASTS: [&str; 35] = [
    "bigint",
    "bool",
    "boolean",
    "bpchar",
    "char",
    "character",
    "character varying",
    "date",
    "decimal",
    "double precision",
    "float",
    "float4",
    "float8",
    "int",
    "int2",
    "int4",
    "int8",
    "integer",
    "interval",
    "json",
    "jsonb",
    "numeric",
    "real",
    "smallint",
    "text",
    "time",
    "time with time zone",
    "time without time zone",
    "timestamp",
    "timestamp with time zone",
    "timestamp without time zone",
    "timestamptz",
    "timetz",
    "uuid",
    "varchar",
];

/// Characters that need no encoding in a query, neither for PostgREST nor for anything on the way to it. Every other
/// byte takes three.
const WRITTEN: AsciiSet = NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'$')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b',')
    .remove(b'-')
    .remove(b'.')
    .remove(b'/')
    .remove(b':')
    .remove(b'?')
    .remove(b'@')
    .remove(b'_')
    .remove(b'~');

/// Names and values in their order, decoded. PostgREST ignores a name without a value; the value may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query(Vec<(String, Option<String>)>);

impl Query {
    /// Decodes names and values. The `apikey` that served as the request's key is removed; any other `apikey` is a
    /// filter, or an argument of a function.
    ///
    /// # Errors
    /// [`Error::BadQuery`] for text that is not UTF-8 or contains a NUL.
    pub fn parse(text: &str, key: Option<&str>) -> Result<Self, Error> {
        let mut pairs = Vec::new();
        // PostgREST splits at both.
        let parts = text.split('&').flat_map(|part| part.split(';'));
        for part in parts.filter(|part| !part.is_empty()) {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (decode(name)?, Some(decode(value)?)),
                None => (decode(part)?, None),
            };
            if name != "apikey" || key.is_none() || value.as_deref() != key {
                pairs.push((name, value));
            }
        }
        Ok(Self(pairs))
    }

    /// Whether the query narrows the rows of the relation itself. A condition that every row meets does not.
    #[must_use]
    pub fn narrows(&self) -> bool {
        let reaches: Vec<Reach> = self.given().filter_map(own_reach).collect();
        Reach::of_all(&reaches).narrows()
    }

    /// The parameters with a value.
    fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        let given = self.0.iter();
        given.filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)))
    }

    /// Whether there is a parameter of this name.
    #[must_use]
    pub fn names(&self, wanted: &str) -> bool {
        self.0.iter().any(|(name, _)| name == wanted)
    }

    /// Removes the parameters of this name and gives the value of the last one; empty if it has none.
    pub fn take(&mut self, wanted: &str) -> Option<String> {
        let mut taken = None;
        self.0.retain_mut(|(name, value)| {
            let is_other = name != wanted;
            if !is_other {
                taken = Some(value.take().unwrap_or_default());
            }
            is_other
        });
        taken
    }

    /// Adds a parameter.
    pub fn push(&mut self, name: &str, value: String) {
        self.0.push((name.to_owned(), Some(value)));
    }

    /// Checks that everything that the query names is served: allowed casts, no system columns, and at most so many
    /// embedded relations in all and in each other. If `arguments` is set, a value without an operator is an argument
    /// of a function.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self, depth: usize, embeds: usize, arguments: bool) -> Result<(), Error> {
        for (name, value) in self.given() {
            match (name, last_word(name)) {
                ("select", _) => check_select(value, depth, embeds)?,
                ("columns" | "on_conflict", _) | (_, "limit" | "offset") => {}
                (_, "order") => match grammar::order(value) {
                    Some(columns) => check_columns(columns.iter().map(String::as_str))?,
                    None => check_words(value)?,
                },
                (_, "and" | "or") => check_tree(name, value)?,
                _ if !arguments && is_plain(name) => check_columns([name])?,
                _ => match grammar::filter_name(name) {
                    Some((_, field)) => {
                        if !arguments || grammar::filter(&field, value).is_some() {
                            check_columns([field.name.as_str()])?;
                        }
                    }
                    None => check_words(name)?,
                },
            }
        }
        Ok(())
    }

    /// Milliseconds that the query counts for its caller's turns: about twice what PostgREST needs to read it. That grows with the square
    /// of the items: PostgREST 12 takes 145 ms for a `select` of 500 columns, 95 for an `or` of as many conditions, 20 for 500 quoted
    /// values, and 8 for 400 UUIDs.
    #[must_use]
    pub fn work_ms(&self) -> u64 {
        let (mut bytes, mut names, mut values) = (0, 0, 0);
        for (name, value) in self.given() {
            bytes += name.len() + value.len();
            values += 1 + value.matches('"').count() / 2;
            let items = value.split(',');
            names += match last_word(name) {
                "select" | "columns" | "order" => items.count(),
                // Conditions, but not the values in the list of one.
                "and" | "or" => items.filter(|item| item.contains('.')).count(),
                _ => 0,
            };
        }
        let squares = names * names / SQUARE_OF_NAMES + values * values / SQUARE_OF_VALUES;
        (bytes / BYTES_IN_A_MS + squares) as u64
    }

    /// Caps the rows of the relation, and of embedded relations that have a limit. If a `Range` header bounds the
    /// relation (see [`cap_range`]), no limit is added. Tells whether one was added.
    pub fn cap_rows(&mut self, max_rows: u64, bounded_by_range: bool) -> bool {
        for (name, value) in &mut self.0 {
            let limits = last_word(name) == "limit";
            if limits
                && !value
                    .as_deref()
                    .is_some_and(|value| is_bounded(value, max_rows))
            {
                *value = Some(max_rows.to_string());
            }
        }
        let adds = !bounded_by_range && !self.0.iter().any(|(name, _)| name == "limit");
        if adds {
            self.0
                .push(("limit".to_owned(), Some(max_rows.to_string())));
        }
        adds
    }

    /// Appends the query with its question mark, if it is not empty.
    pub fn append_to(&self, url: &mut String) {
        let mut separator = '?';
        for (name, value) in &self.0 {
            url.push(separator);
            url.extend(utf8_percent_encode(name, &WRITTEN));
            if let Some(value) = value {
                url.push('=');
                url.extend(utf8_percent_encode(value, &WRITTEN));
            }
            separator = '&';
        }
    }
}

/// The last word of a parameter's name, which decides what the parameter is.
fn last_word(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

/// The rows of the relation itself that a parameter leaves; none if it is not a filter of it. A name with a dot filters
/// an embedded relation, and leaves the rows of this one as they are.
fn own_reach((name, value): (&str, &str)) -> Option<Reach> {
    let ending = last_word(name);
    if NO_FILTERS.contains(&name) || NO_FILTER_ENDINGS.contains(&ending) {
        return None;
    }
    if matches!(ending, "and" | "or") {
        if !matches!(name, "and" | "or" | "not.and" | "not.or") {
            return None;
        }
        // PostgREST refuses a tree that it cannot read.
        let tree = grammar::conditions(name, value).map(|(_, tree)| tree.reach());
        return Some(tree.unwrap_or(Reach::Some));
    }
    let (relations, field) = grammar::filter_name(name)?;
    if !relations.is_empty() {
        return None;
    }
    let condition = grammar::filter(&field, value);
    Some(condition.map_or(Reach::Some, |condition| condition.reach()))
}

/// Whether a name has no character that means anything to PostgREST: it is a column or a relation, and no reader need look at it.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn check_select(text: &str, depth: usize, embeds: usize) -> Result<(), Error> {
    if text.split(',').all(|item| item == "*" || is_plain(item)) {
        return check_columns(text.split(','));
    }
    let (selected, unread) = grammar::select(text);
    let Selected { columns, casts, .. } = &selected;
    if selected.depth > depth {
        return Err(Error::EmbedTooDeep { limit: depth });
    }
    if selected.embeds > embeds {
        return Err(Error::TooManyEmbeds { limit: embeds });
    }
    // A later PostgREST may read more than these rules do, so every `::` in the unread part counts as a cast.
    let unread_casts = unread.split("::").skip(1).map(|text| {
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ' '));
        text.split_at(end.unwrap_or(text.len())).0
    });
    for cast in casts.iter().map(String::as_str).chain(unread_casts) {
        if !is_served(cast) {
            let served = CASTS.join(", ");
            return Err(Error::CastRefused { served });
        }
    }
    check_columns(columns.iter().map(String::as_str))?;
    check_words(unread)
}

/// Whether casts to a type are allowed, by any of its names and in any case.
fn is_served(cast: &str) -> bool {
    let words: Vec<&str> = cast.split_ascii_whitespace().collect();
    let cast = words.join(" ").to_ascii_lowercase();
    CASTS.contains(&cast.as_str())
}

fn check_tree(name: &str, value: &str) -> Result<(), Error> {
    if grammar::levels(value) > grammar::MAX_LEVELS {
        return Err(Error::BadQuery("conditions are nested too deeply"));
    }
    let Some((_, tree)) = grammar::conditions(name, value) else {
        return check_words(value);
    };
    let mut columns = Vec::new();
    tree.each(&mut |condition| columns.push(condition.column.as_str()));
    check_columns(columns)
}

fn check_columns<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
    let is_system = |name: &str| SYSTEM_COLUMNS.iter().find(|column| **column == name);
    match names.into_iter().find_map(is_system) {
        Some(name) => Err(Error::SystemColumn { name }),
        None => Ok(()),
    }
}

/// The same for text that could not be read: any word in it may be a column.
fn check_words(text: &str) -> Result<(), Error> {
    check_columns(text.split(|c: char| !(c.is_alphanumeric() || c == '_')))
}

/// Whether a limit consists of digits and is at most `max_rows`. PostgREST treats a limit that it cannot read as none,
/// and also reads `(50)` and `0x32`. It refuses a negative limit itself.
fn is_bounded(limit: &str, max_rows: u64) -> bool {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match limit.strip_prefix('-') {
        Some(number) => !number.is_empty() && digits(number),
        None => digits(limit) && limit.parse::<u64>().is_ok_and(|rows| rows <= max_rows),
    }
}

fn decode(text: &str) -> Result<String, Error> {
    // Most names and values have nothing to be decoded.
    if !text.bytes().any(|b| matches!(b, b'+' | b'%' | b'\0')) {
        return Ok(text.to_owned());
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_| Error::BadQuery("it is not UTF-8"))?;
    if decoded.contains('\0') {
        return Err(Error::BadQuery("it contains a NUL"));
    }
    Ok(decoded.into_owned())
}

/// A `Range` header capped to so many rows; none if PostgREST would ignore it.
#[must_use]
pub fn cap_range(range: &str, max_rows: u64) -> Option<String> {
    let (from, to) = range.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if from.is_empty() || !digits(from) || !digits(to) {
        return None;
    }
    let first: u64 = from.parse().ok()?;
    let last = first.saturating_add(max_rows.saturating_sub(1));
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
    fn only_a_condition_on_the_relation_itself_is_a_filter() {
        let cases = [
            ("id=eq.1", true),
            ("or=(a.eq.1,b.eq.2)", true),
            ("not.and=(a.eq.1,b.eq.2)", true),
            ("data->>x=eq.1", true),
            ("data->>a.b=eq.1", true),
            ("\"a.b\"=eq.1", true),
            ("\"a.b\"->>c.d=eq.1", true),
            // PostgREST reads the last word first.
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
            ("apikey=eq.x", true),
            ("id", false),
            ("select=id;id=eq.1", true),
            ("select=id;limit=1", false),
        ];
        for (text, wanted) in cases {
            assert_eq!(
                Query::parse(text, None).unwrap().narrows(),
                wanted,
                "{text}"
            );
        }
    }

    #[test]
    fn embedded_relations_are_counted() {
        let cases = [
            ("*", 0, 0),
            ("a(*)", 1, 1),
            ("*,n:a!inner(id,b(c(d(*))))", 4, 4),
            ("...a(...b(c))", 2, 2),
            ("a(*),b(*), c!x!left(d())", 4, 2),
            ("amount.sum(),count(),n:count()", 0, 0),
            ("a(amount.avg(),count())", 1, 1),
            ("a(b())", 2, 2),
            ("account()", 1, 1),
            ("\"odd (name\",a(x)", 1, 1),
            ("n:\"a(\",b(c)", 1, 1),
            ("a!\"x(\"(b)", 1, 1),
            ("data->>a\"b,a(b(c(d(e(*)))))", 5, 5),
            ("data->>\"b(\",a(b)", 1, 1),
            // PostgREST reads none of these, and the edge counts every parenthesis.
            ("\"odd \\\" (name\"x", 1, 1),
            ("a((((((", 6, 6),
            ("data->>\"b,a(b(c(d(e(*)))))", 5, 5),
            ("a)))(b)", 1, 1),
        ];
        for (text, embeds, depth) in cases {
            let (selected, _) = grammar::select(text);
            assert_eq!((selected.embeds, selected.depth), (embeds, depth), "{text}");
        }
        let two = Query::parse("select=a&select=b(c(d))", None).unwrap();
        let limit = 1;
        assert_eq!(two.check(1, 9, false), Err(Error::EmbedTooDeep { limit }));
        assert_eq!(two.check(9, 1, false), Err(Error::TooManyEmbeds { limit }));
        assert_eq!(two.check(2, 2, false), Ok(()));
        let deep = format!("select={}", "a(".repeat(5000));
        let deep = Query::parse(&deep, None).unwrap();
        assert_eq!(
            deep.check(100, 9999, false),
            Err(Error::EmbedTooDeep { limit: 100 })
        );
        let deep = format!("or={}", "(and".repeat(5000));
        let checked = Query::parse(&deep, None).unwrap().check(1, 1, false);
        assert!(matches!(checked, Err(Error::BadQuery(_))));
    }

    #[test]
    fn a_usual_select_or_filter_is_checked_as_the_reader_would() {
        for name in ["id", "created_at", "A1", "1a", "count", "not", "_"] {
            assert!(is_plain(name));
            let (selected, unread) = grammar::select(name);
            assert_eq!((selected.columns, unread), (vec![name.to_owned()], ""));
            assert_eq!(
                (selected.embeds, selected.depth, selected.casts.len()),
                (0, 0, 0)
            );
            let (relations, field) = grammar::filter_name(name).unwrap();
            assert_eq!((relations.len(), &*field.name, &*field.path), (0, name, ""));
        }
        let (selected, unread) = grammar::select("*,id,a_b,*");
        assert_eq!(
            (selected.columns.join(" "), unread),
            ("id a_b".to_owned(), "")
        );
        for other in [
            "", "a b", "a.b", "a->b", "a-b", "ä", "\"a\"", "a(b)", "a:b", "a::text", "*",
        ] {
            assert!(!is_plain(other), "{other}");
        }
    }

    #[test]
    fn only_listed_casts_are_allowed() {
        for (text, served) in [
            ("select=id::text", true),
            ("select=a:id::TEXT,b:data->>x::double  precision", true),
            ("select=id.sum()::int,count()::text,a(id::uuid)", true),
            ("select=at::timestamp with time zone", true),
            ("select=\"a::regclass\"", true),
            ("select=data->\"a::b\"", true),
            ("name=eq.x::regclass", true),
            ("select=id::regclass", false),
            ("select=id::REGCLASS", false),
            ("select=*,a(...b(n:id:: regclass))", false),
            ("select=id.count()::regclass", false),
            ("select=count()::oid", false),
            ("select=id::text::regclass", false),
            ("select=id::regclass.max()", false),
            ("select=data->>\"x\"::regrole", false),
            ("select=data->>a\"::regrole", false),
            ("select=a\"b,id::regclass", false),
            ("select=id)::regclass", false),
            ("select=id&select=id::regclass", false),
            ("sel%65ct=id%3A:regclass", false),
        ] {
            let checked = Query::parse(text, None).unwrap().check(9, 9, false);
            assert_eq!(checked.is_ok(), served, "{text}");
            assert!(
                served || matches!(checked, Err(Error::CastRefused { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn system_columns_are_refused_everywhere() {
        for (text, served) in [
            ("select=ctid:id,data->>ctid,data->\"xmin\"", true),
            ("select=ctid(id)", true),
            ("select=CTID", true),
            ("name=eq.ctid", true),
            ("or=(name.eq.ctid,name.in.(xmin))", true),
            ("order=data->ctid.desc", true),
            ("ctid.name=eq.x", true),
            ("xminute=eq.1", true),
            ("select=ctid", false),
            ("select=id, ctid ", false),
            ("select=n:\"ctid\"::text", false),
            ("select=a(b(xmin))", false),
            ("select=...a(xmax.max())", false),
            ("select=tableoid->x", false),
            ("select=a\"b,ctid", false),
            ("ctid=eq.(0,1)", false),
            ("\"ctid\"=eq.(0,1)", false),
            ("ctid)x=eq.(0,1)", false),
            ("a.b.xmin=eq.1", false),
            ("not.and=(id.eq.1,or(cmin.eq.1,id.eq.2))", false),
            ("a.or=(cmax.eq.1)", false),
            ("order=id,ctid.desc", false),
            ("order=a(xmin).desc.nullslast,id", false),
            ("a.order=ctid", false),
            ("order=ctid.sideways", false),
        ] {
            let checked = Query::parse(text, None).unwrap().check(9, 9, false);
            assert_eq!(checked.is_ok(), served, "{text}");
            assert!(
                served || matches!(checked, Err(Error::SystemColumn { .. })),
                "{text}"
            );
        }
        // An argument of a function may have any name.
        for (text, served) in [("xmin=5", true), ("xmin=eq.5", false)] {
            let checked = Query::parse(text, None).unwrap().check(9, 9, true);
            assert_eq!(checked.is_ok(), served, "{text}");
        }
    }

    #[test]
    fn a_query_counts_by_the_square_of_its_names_and_a_list_of_values_by_its_length() {
        let work_ms = |text: &str| Query::parse(text, None).unwrap().work_ms();
        let list = |item: &str, times: usize| vec![item; times].join(",");
        assert_eq!(work_ms("select=id,name&id=eq.1&limit=1"), 0);
        assert_eq!(work_ms(&format!("select={}", list("a_column", 40))), 1);
        for name in ["select", "order", "a.order"] {
            assert_eq!(
                work_ms(&format!("{name}={}", list("a", 500))),
                250,
                "{name}"
            );
        }
        for name in ["or", "not.and", "a.or"] {
            let tree = format!("{name}=({})", list("a.eq.b", 500));
            assert_eq!(work_ms(&tree), 253, "{name}");
        }
        let ids = list("5f6b0a4e-52a0-4f0e-8a53-3f6a3f1f9f01", 400);
        assert_eq!(work_ms(&format!("id=in.({ids})")), 14);
        assert_eq!(work_ms(&format!("or=(id.in.({ids}),name.eq.a)")), 14);
        assert_eq!(work_ms(&format!("id=in.({})", list("\"a\"", 500))), 32);
        assert_eq!(work_ms(&vec!["name=neq.a"; 600].join("&")), 50);
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
            let mut query = Query::parse(text, None).unwrap();
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
    fn a_rebuilt_query_keeps_its_meaning_and_loses_the_key() {
        let text =
            "select=*,a(b)&name=eq.a+b%26c%3Bd&apikey=secret;n%C3%A4me=x'%22&id&x=&apikey=eq.y";
        let query = Query::parse(text, Some("secret")).unwrap();
        assert_eq!(
            written(&query),
            "?select=*,a(b)&name=eq.a%20b%26c%3Bd&n%C3%A4me=x'%22&id&x=&apikey=eq.y"
        );
        let sent_in_a_header = Query::parse("apikey=secret&apikey", None).unwrap();
        assert_eq!(written(&sent_in_a_header), "?apikey=secret&apikey");
        assert!(matches!(
            Query::parse("a=%ff", None),
            Err(Error::BadQuery(_))
        ));
        assert!(matches!(
            Query::parse("a=%00", None),
            Err(Error::BadQuery(_))
        ));
    }

    proptest! {
        /// Any query is refused or rebuilt with the same meaning, without a panic.
        #[test]
        fn any_query_is_refused_or_keeps_its_meaning(text in "\\PC{0,80}|[a-z%0-9&=+.\"()>-]{0,80}|(&([ab]\\.)?limit=[-+%()x 0-9.]{0,6}){1,3}") {
            fuzzing::query(&text);
        }

        /// A capped query stays capped, and capping it again changes nothing.
        #[test]
        fn capping_twice_changes_nothing(limit in any::<u64>(), max_rows in 1_u64..5000) {
            let mut query = Query::parse(&format!("limit={limit}"), None).unwrap();
            query.cap_rows(max_rows, false);
            prop_assert_eq!(written(&query), format!("?limit={}", limit.min(max_rows)));
            let range = cap_range(&format!("{limit}-"), max_rows).unwrap();
            prop_assert_eq!(cap_range(&range, max_rows).unwrap(), range);
        }
    }
}
