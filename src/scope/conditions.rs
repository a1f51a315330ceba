//! Which rows a filter can exclude, as far as its text shows it.
//!
//! The guard against unfiltered writes refuses a condition that every row meets. It cannot see what depends on the
//! rows, such as that `id=neq.0` or `created_at=gt.1970-01-01` holds for all of them.

use std::collections::BTreeSet;

/// One comparison of a column with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// The column.
    pub column: String,
    /// The column with its path into a JSON document.
    pub field: String,
    /// The operator; `fts` stands for the four kinds of full-text search.
    pub operator: &'static str,
    /// `(any)` or `(all)`.
    pub quantifier: Option<&'static str>,
    /// The value as written; for `in` its elements without the parentheses.
    pub value: String,
    /// Whether `not.` precedes it.
    pub negated: bool,
}

/// Conditions under `and` and `or`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tree {
    Leaf(Condition),
    Node {
        negated: bool,
        /// Whether it is `and`; otherwise `or`.
        all: bool,
        branches: Vec<Self>,
    },
}

/// The rows that meet a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// None.
    Nothing,
    /// Some, or unknown.
    Some,
    /// All in which a certain column is not null.
    Present,
    /// All.
    Everything,
}

impl Reach {
    /// Whether rows can fail the condition for another reason than a null column.
    pub fn narrows(self) -> bool {
        matches!(self, Self::Nothing | Self::Some)
    }

    /// The rows that meet all of several conditions.
    pub fn of_all(reaches: &[Self]) -> Self {
        if reaches.contains(&Self::Nothing) {
            Self::Nothing
        } else if reaches.contains(&Self::Some) {
            Self::Some
        } else if reaches.contains(&Self::Present) {
            Self::Present
        } else {
            Self::Everything
        }
    }

    fn of_any(reaches: &[Self]) -> Self {
        if reaches.contains(&Self::Everything) {
            Self::Everything
        } else if reaches.contains(&Self::Present) {
            Self::Present
        } else if reaches.contains(&Self::Some) {
            Self::Some
        } else {
            Self::Nothing
        }
    }
}

impl Tree {
    /// Visits every condition.
    pub fn each<'a>(&'a self, visit: &mut impl FnMut(&'a Condition)) {
        match self {
            Self::Leaf(condition) => visit(condition),
            Self::Node { branches, .. } => branches.iter().for_each(|branch| branch.each(visit)),
        }
    }

    /// The rows that meet it.
    pub fn reach(&self) -> Reach {
        self.reach_if(false, false)
    }

    /// The rows that meet it, or its negation if `opposite` is set. `within_any` says that it is directly below an `or`.
    fn reach_if(&self, opposite: bool, within_any: bool) -> Reach {
        match self {
            Self::Leaf(condition) => condition.reach_if(opposite),
            Self::Node {
                negated,
                all,
                branches,
            } => {
                let opposite = opposite != *negated;
                // `not (a and b)` is `not a or not b`.
                let is_any = *all == opposite;
                let mut reaches: Vec<Reach> = branches
                    .iter()
                    .map(|branch| branch.reach_if(opposite, is_any))
                    .collect();
                if !is_any {
                    return Reach::of_all(&reaches);
                }
                // The outermost `or` sees the conditions of those within it.
                if !within_any {
                    reaches.extend(self.excluded_middle());
                }
                Reach::of_any(&reaches)
            }
        }
    }

    /// The reach of a node that contains both a condition and its negation.
    fn excluded_middle(&self) -> Option<Reach> {
        let mut sides = Vec::new();
        self.sides(false, &mut sides);
        let mut seen = BTreeSet::new();
        let mut reach = None;
        for (side, holds) in sides {
            let key = side.key();
            if seen.contains(&format!("{}{key}", !holds)) {
                // These two operators never give null.
                if matches!(side.operator, "is" | "isdistinct") {
                    return Some(Reach::Everything);
                }
                reach = Some(Reach::Present);
            }
            seen.insert(format!("{holds}{key}"));
        }
        reach
    }

    /// Collects the conditions that are combined directly: those of a node, and of nested nodes with the same operator.
    fn sides<'a>(&'a self, opposite: bool, sides: &mut Vec<(Side<'a>, bool)>) {
        let Self::Node {
            negated,
            all,
            branches,
        } = self
        else {
            return;
        };
        let opposite = opposite != *negated;
        for branch in branches {
            match branch {
                Self::Leaf(condition) => {
                    let (side, holds) = condition.side();
                    sides.push((side, holds != opposite));
                }
                Self::Node {
                    negated: inner,
                    all: of_all,
                    ..
                } if (*of_all != (opposite != *inner)) == (*all != opposite) => {
                    branch.sides(opposite, sides);
                }
                Self::Node { .. } => {}
            }
        }
    }
}

/// A comparison without its direction.
struct Side<'a> {
    field: &'a str,
    operator: &'static str,
    quantifier: Option<&'static str>,
    value: &'a str,
}

impl Side<'_> {
    /// Equal for equal comparisons only: a query has no NUL.
    fn key(&self) -> String {
        let quantifier = self.quantifier.unwrap_or_default();
        [self.operator, quantifier, self.field, self.value].join("\0")
    }
}

impl Condition {
    /// The rows that meet it.
    pub fn reach(&self) -> Reach {
        self.reach_if(false)
    }

    /// The comparison without its negation, and whether it has to hold.
    fn side(&self) -> (Side<'_>, bool) {
        let (operator, same, value) = match (self.operator, self.value.as_str()) {
            ("neq", value) => ("eq", false, value),
            ("gte", value) => ("lt", false, value),
            ("lte", value) => ("gt", false, value),
            ("is", "not_null") => ("is", false, "null"),
            (operator, value) => (operator, true, value),
        };
        // With several values, `gte(any)` is not the negation of `lt(any)`.
        let (operator, same) = if self.quantifier.is_some() {
            (self.operator, true)
        } else {
            (operator, same)
        };
        let side = Side {
            field: &self.field,
            operator,
            quantifier: self.quantifier,
            value,
        };
        (side, same != self.negated)
    }

    fn reach_if(&self, opposite: bool) -> Reach {
        let holds = self.negated == opposite;
        let value = self.value.trim();
        let array = elements(value);
        match (self.operator, self.quantifier) {
            ("in", _) if matches!(self.value.as_str(), "" | "\"\"") => never(holds),
            // No value equals any element of an empty array, and every value equals all of them.
            (_, Some("(any)")) if array.is_empty() => never(holds),
            (_, Some(_)) if array.is_empty() => never(!holds),
            ("like" | "ilike" | "match" | "imatch", quantifier) => {
                let fits_all = match quantifier {
                    None => self.fits_everything(&self.value),
                    Some("(any)") => array.iter().any(|value| self.fits_everything(value)),
                    Some(_) => array.iter().all(|value| self.fits_everything(value)),
                };
                present(fits_all, holds)
            }
            // Every array, document or range contains an empty one.
            ("cs", _) => present(array.is_empty() || value == "empty", holds),
            ("ov", _) => present(array.is_empty() || value == "empty", !holds),
            // A search for no word finds nothing.
            ("fts", _) => present(value.is_empty(), !holds),
            ("gte", None) => present(is_least(value), holds),
            ("lt", None) => present(is_least(value), !holds),
            ("lte", None) => present(is_greatest(value), holds),
            ("gt", None) => present(is_greatest(value), !holds),
            _ => Reach::Some,
        }
    }

    /// Whether a pattern matches every text.
    fn fits_everything(&self, pattern: &str) -> bool {
        if matches!(self.operator, "like" | "ilike") {
            return !pattern.is_empty() && pattern.chars().all(|c| c == '*' || c == '%');
        }
        matches!(pattern, "" | "^" | "$" | ".*" | "^.*" | ".*$" | "^.*$")
    }
}

/// The reach of a condition that no row meets, or of its negation.
fn never(holds: bool) -> Reach {
    if holds {
        Reach::Nothing
    } else {
        Reach::Everything
    }
}

/// The reach of a condition that every value meets if `trivial` is set, or of its negation.
fn present(trivial: bool, holds: bool) -> Reach {
    match (trivial, holds) {
        (false, _) => Reach::Some,
        (true, true) => Reach::Present,
        (true, false) => Reach::Nothing,
    }
}

fn is_least(value: &str) -> bool {
    value.is_empty()
        || value.eq_ignore_ascii_case("-infinity")
        || value.eq_ignore_ascii_case("-inf")
}

fn is_greatest(value: &str) -> bool {
    let value = value.strip_prefix('+').unwrap_or(value);
    value.eq_ignore_ascii_case("infinity") || value.eq_ignore_ascii_case("inf")
}

/// The elements of an array literal; none for an empty one. Any other text is one element.
fn elements(text: &str) -> Vec<String> {
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    let Some(inner) = inner else {
        return vec![text.to_owned()];
    };
    // An array of empty arrays is empty as well.
    if inner.chars().all(|c| "{}, \t\r\n".contains(c)) {
        return Vec::new();
    }
    inner
        .split(',')
        .map(|part| part.trim().replace('"', ""))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::query::Query;

    /// Whether an update or a delete with this query is allowed.
    fn narrows(text: &str) -> bool {
        Query::parse(text, None).unwrap().narrows()
    }

    #[test]
    fn a_condition_that_every_row_meets_is_not_a_filter() {
        for text in [
            "id=not.in.()",
            "id=not.in.( )",
            "id=not.in.(\"\")",
            "\"id\"=not.in.()",
            "data->>x=not.in.()",
            "id=not.in.()&name=not.in.()",
            "name=like(all).{}",
            "name=like(all).{ }",
            "name=like(all).{{}}",
            "name=eq(all).{}",
            "name=not.eq(any).{}",
            "name=not.ilike(any).{}",
            "or=(id.not.in.())",
            "or=(id.eq.1,id.not.in.())",
            "and=(id.not.in.(),name.like(all).{})",
            "not.or=(id.in.())",
            "not.and=(id.in.())",
            "not.and=(id.in.(),name.eq.x)",
            "or=(not.and(id.in.(),name.eq.x),name.eq.y)",
            "or=(and(id.not.in.(),not.or(id.in.())))",
            "or=(id.is.null,id.not.is.null)",
            "or=(id.is.null,id.is.not_null)",
            "or=(id.is.null,or(name.eq.x,id.not.is.null))",
            "not.and=(id.is.null,id.not.is.null)",
            "or=(id.eq.1,id.neq.1)",
            "or=(id.gt.1,id.lte.1)",
            "or=(id.gte.1,id.lt.1)",
            "or=(id.in.(1,2),id.not.in.(1,2))",
            "or=(or(id.eq.1,name.eq.x),or(id.neq.1,name.eq.y))",
            "not.and=(name.eq.x,not.or(id.eq.1,id.neq.1))",
            "or=(and(name.eq.x,or(a.eq.1)),or(not.and(id.eq.1,b.eq.2),id.eq.1))",
            "or=(name.isdistinct.x,name.not.isdistinct.x)",
            "name=like.*",
            "name=like.%25",
            "name=ilike.**",
            "name=like(any).{*,a}",
            "name=like(all).{*,\"%25\"}",
            "name=match.",
            "name=imatch.^.*$",
            "name=gte.",
            "name=not.lt.",
            "at=gte.-infinity",
            "at=lte.infinity",
            "tags=cs.{}",
            "tags=not.ov.{}",
            "name=not.fts.",
            "name=not.wfts(english).",
            "",
            "select=id",
        ] {
            assert!(!narrows(text), "{text}");
        }
    }

    #[test]
    fn a_condition_that_a_row_can_fail_is_a_filter() {
        for text in [
            "id=in.()",
            "id=not.in.(1)",
            "id=not.in.(\"\",1)",
            "id=eq.1&name=not.in.()",
            "id=not.is.null",
            "id=is.not_null",
            "name=like.a*",
            "name=like.",
            "name=not.like.*",
            "name=like(any).{a,b}",
            "name=like(all).{*,a}",
            "name=eq(any).{}",
            "name=neq.x",
            "name=match.^$",
            "name=gte.a",
            "name=lt.",
            "tags=cs.{a}",
            "tags=cd.{}",
            "tags=ov.{}",
            "name=fts.",
            "or=(id.in.(),name.eq.x)",
            "and=(id.eq.1,id.not.in.())",
            "and=(id.is.null,id.not.is.null)",
            "not.or=(id.is.null,id.not.is.null)",
            "or=(id.eq.1,id.neq.2)",
            "or=(id.eq.1,name.neq.1)",
            "or=(data->>a.eq.1,data->>b.neq.1)",
            "or=(id.gt(any).{1},id.lte(any).{1})",
            "or=(and(id.eq.1,name.eq.x),id.neq.1)",
            "or=(and(name.eq.x,or(id.eq.1)),id.neq.1)",
            "and=(or(id.eq.1,name.eq.x),or(id.neq.1,name.eq.x))",
            "not.and=(id.not.in.())",
            // PostgREST refuses a filter that it cannot read.
            "id=foo",
            "or=(id.eq.1",
        ] {
            assert!(narrows(text), "{text}");
        }
    }

    #[test]
    fn the_reach_of_nested_conditions_takes_no_longer_than_their_length_allows() {
        // A moment; hours if each level compared every condition with every other.
        let many = "a.eq.,".repeat(50_000);
        let text = format!("or={}({many}b.eq.1{}", "(or".repeat(127), ")".repeat(128));
        assert!(narrows(&text));
        assert!(!narrows(&text.replace("b.eq.1", "a.neq.")));
    }
}
