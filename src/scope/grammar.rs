//! PostgREST's query language, as far as the edge checks it: the names in a `select`, an `order`, a filter or a tree of
//! conditions. The rules are those of PostgREST's `ApiRequest/QueryParams.hs`, which are the same from 12.0 to 16.2
//! except for `is.not_null`.
//!
//! Each reader takes the longest prefix that PostgREST takes, and leaves the rest, which PostgREST ignores. Where
//! PostgREST stops at a wrong character these readers may continue; PostgREST then refuses the request.

use super::conditions::{Condition, Tree};

/// The deepest nesting of parentheses that is read. A reader recurses at each level, and the stack is small.
pub(super) const MAX_LEVELS: usize = 128;

/// A column, with its path into a JSON document as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub name: String,
    pub path: String,
}

/// The names in a `select`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selected {
    /// Columns of the relation itself and of those embedded in it.
    pub columns: Vec<String>,
    /// Types of casts.
    pub casts: Vec<String>,
    /// The number of embedded relations.
    pub embeds: usize,
    /// The deepest nesting of embedded relations.
    pub depth: usize,
}

/// The names in a `select`, and the part that cannot be read.
pub(super) fn select(text: &str) -> (Selected, &str) {
    let mut reader = Reader(text);
    let mut selected = Selected::default();
    if reader.forest(0, &mut selected).is_some() && reader.0.is_empty() {
        return (selected, "");
    }
    // Every parenthesis counts as an embedded relation, whether or not PostgREST would read it as one.
    selected.embeds = text.matches('(').count();
    selected.depth = levels(text);
    (selected, text)
}

/// The columns of an `order`; none if it cannot be read.
pub(super) fn order(text: &str) -> Option<Vec<String>> {
    let mut reader = Reader(text);
    let mut columns = Vec::new();
    loop {
        columns.push(reader.order_term()?);
        if !reader.eat(",") {
            return reader.0.is_empty().then_some(columns);
        }
    }
}

/// The relations in a filter's name, and its column.
pub(super) fn filter_name(text: &str) -> Option<(Vec<String>, Field)> {
    let mut reader = Reader(text);
    let mut names = reader.names()?;
    let path = reader.json_path()?;
    let name = names.pop()?;
    Some((names, Field { name, path }))
}

/// The condition that a filter's value sets for its column.
pub(super) fn filter(field: &Field, value: &str) -> Option<Condition> {
    Reader(value).operation(field, Value::Whole)
}

/// The relations in the name of a tree of conditions, and the tree. It must not be deeper than [`MAX_LEVELS`].
pub(super) fn conditions(name: &str, value: &str) -> Option<(Vec<String>, Tree)> {
    let mut names = Reader(name).names()?;
    let negated = names.iter().any(|name| name == "not");
    let operator = names.pop()?;
    names.retain(|name| name != "not");
    let text = format!("{}{operator}{value}", if negated { "not." } else { "" });
    Some((names, Reader(&text).tree()?))
}

/// The deepest nesting of parentheses.
pub(super) fn levels(text: &str) -> usize {
    let (mut level, mut deepest) = (0_usize, 0);
    for character in text.chars() {
        match character {
            '(' => level += 1,
            ')' => level = level.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(level);
    }
    deepest
}

/// Where a filter's value ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    /// At the end of the parameter.
    Whole,
    /// At the comma or parenthesis that ends the condition, unless quotes or braces enclose it.
    OfTree,
}

/// The text that is still to be read.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn sees(&self, token: &str) -> bool {
        self.0.starts_with(token)
    }

    fn eat(&mut self, token: &str) -> bool {
        let rest = self.0.strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn eat_any(&mut self, tokens: &[&'static str]) -> Option<&'static str> {
        tokens.iter().copied().find(|token| self.eat(token))
    }

    fn eat_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !fits(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    /// Reads, or consumes nothing on failure.
    fn attempt<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let mut ahead = *self;
        let value = read(&mut ahead)?;
        *self = ahead;
        Some(value)
    }

    /// The text that `read` consumes, as written.
    fn written<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<&'a str> {
        let before = self.0;
        read(self)?;
        Some(before.split_at(before.len() - self.0.len()).0)
    }

    fn blanks(&mut self) {
        self.eat_while(|c| c == ' ' || c == '\t');
    }

    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut characters = self.0.strip_prefix('"')?.chars();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => text.push(characters.next()?),
                character => text.push(character),
            }
        }
        self.0 = characters.as_str();
        Some(text)
    }

    fn identifier(&mut self) -> Option<&'a str> {
        let text = self.eat_while(|c| c.is_alphabetic() || c.is_ascii_digit() || "_ $".contains(c));
        (!text.is_empty()).then(|| text.trim())
    }

    /// Parts joined by single dashes.
    fn dashed(&mut self, part: impl Fn(&mut Self) -> Option<&'a str>) -> Option<String> {
        let mut text = part(self)?.to_owned();
        while self.sees("-") && !self.sees("->") {
            self.eat("-");
            text.push('-');
            text.push_str(part(self)?);
        }
        Some(text)
    }

    fn name(&mut self) -> Option<String> {
        if self.sees("\"") {
            self.quoted()
        } else {
            self.dashed(Self::identifier)
        }
    }

    /// Names joined by dots.
    fn names(&mut self) -> Option<Vec<String>> {
        let mut names = vec![self.name()?];
        while self.eat(".") {
            names.push(self.name()?);
        }
        Some(names)
    }

    fn json_path(&mut self) -> Option<String> {
        let path = self.written(|reader| {
            while reader.eat("->>") || reader.eat("->") {
                reader
                    .attempt(Self::json_index)
                    .or_else(|| reader.json_key())?;
            }
            Some(())
        });
        path.map(str::to_owned)
    }

    fn json_index(&mut self) -> Option<()> {
        self.eat("-");
        let digits = self.eat_while(|c| c.is_ascii_digit());
        let ends = self.0.is_empty() || ["->", "::", ".", ","].iter().any(|end| self.sees(end));
        (!digits.is_empty() && ends).then_some(())
    }

    fn json_key(&mut self) -> Option<()> {
        if self.sees("\"") {
            return self.quoted().map(|_| ());
        }
        let part = |reader: &mut Self| {
            let text = reader.eat_while(|c| !"(-:.,>)".contains(c));
            (!text.is_empty()).then_some(text)
        };
        self.dashed(part).map(|_| ())
    }

    fn field(&mut self) -> Option<Field> {
        self.blanks();
        let name = self.name()?;
        let path = self.json_path()?;
        self.blanks();
        Some(Field { name, path })
    }

    fn ends_item(&self) -> bool {
        self.0.is_empty() || self.sees(",") || self.sees(")")
    }

    fn forest(&mut self, level: usize, selected: &mut Selected) -> Option<()> {
        if self.ends_item() {
            return Some(());
        }
        loop {
            self.item(level, selected)?;
            self.blanks();
            if !self.eat(",") {
                return Some(());
            }
            self.blanks();
        }
    }

    fn item(&mut self, level: usize, selected: &mut Selected) -> Option<()> {
        if self.attempt(Self::relation_head).is_none() {
            return self.selected_field(selected);
        }
        if level >= MAX_LEVELS {
            return None;
        }
        selected.embeds += 1;
        selected.depth = selected.depth.max(level + 1);
        self.eat("(");
        self.forest(level + 1, selected)?;
        self.eat(")").then_some(())
    }

    /// An embedded relation up to its parenthesis.
    fn relation_head(&mut self) -> Option<()> {
        self.blanks();
        let spreads = self.eat("...");
        if !spreads {
            self.attempt(Self::alias);
        }
        let name = self.name()?;
        for _ in 0..2 {
            if self.eat("!") && self.eat_any(&["left", "inner"]).is_none() {
                self.name()?;
            }
        }
        ((spreads || name != "count") && self.sees("(")).then_some(())
    }

    fn alias(&mut self) -> Option<()> {
        self.name()?;
        (self.eat(":") && !self.sees(":")).then_some(())
    }

    fn selected_field(&mut self, selected: &mut Selected) -> Option<()> {
        self.blanks();
        let star = self.attempt(|reader| (reader.eat("*") && reader.ends_item()).then_some(()));
        if star.is_none() {
            self.attempt(Self::alias);
            if !self.eat("count()") {
                selected.columns.push(self.field()?.name);
                self.cast(selected)?;
                self.attempt(Self::aggregate);
            }
            self.cast(selected)?;
        }
        let ends = self.ends_item();
        self.blanks();
        ends.then_some(())
    }

    fn cast(&mut self, selected: &mut Selected) -> Option<()> {
        if self.eat("::") {
            selected.casts.push(self.identifier()?.to_owned());
        }
        Some(())
    }

    fn aggregate(&mut self) -> Option<()> {
        let known = self.eat(".")
            && self
                .eat_any(&["sum", "avg", "count", "max", "min"])
                .is_some();
        (known && self.eat("()")).then_some(())
    }

    /// The column of a term of an `order`.
    fn order_term(&mut self) -> Option<String> {
        self.blanks();
        let of_relation = self.attempt(|reader| {
            reader.name()?;
            let field = if reader.eat("(") {
                reader.field()?
            } else {
                return None;
            };
            reader.eat(")").then_some(field)
        });
        let field = of_relation.or_else(|| self.field())?;
        while self.eat(".") {
            self.eat_any(&["asc", "desc", "nullsfirst", "nullslast"])?;
        }
        self.blanks();
        Some(field.name)
    }

    fn tree(&mut self) -> Option<Tree> {
        if let Some(condition) = self.attempt(Self::condition) {
            return Some(Tree::Leaf(condition));
        }
        let negated = self.eat("not.");
        let all = self.eat_any(&["and", "or"])? == "and";
        self.blanks();
        if !self.eat("(") {
            return None;
        }
        self.blanks();
        let mut branches = vec![self.tree()?];
        self.blanks();
        while self.eat(",") {
            self.blanks();
            branches.push(self.tree()?);
            self.blanks();
        }
        let closed = self.eat(")");
        self.blanks();
        closed.then_some(Tree::Node {
            negated,
            all,
            branches,
        })
    }

    fn condition(&mut self) -> Option<Condition> {
        let field = self.field()?;
        if !self.eat(".") {
            return None;
        }
        self.operation(&field, Value::OfTree)
    }

    fn operation(&mut self, field: &Field, value: Value) -> Option<Condition> {
        let negated = self.eat("not.");
        let (operator, quantifier, value) = self.comparison(value)?;
        Some(Condition {
            column: field.name.clone(),
            field: format!("{}\"{}", field.name, field.path),
            operator,
            quantifier,
            value,
            negated,
        })
    }

    /// Operator, quantifier and value.
    fn comparison(&mut self, value: Value) -> Option<(&'static str, Option<&'static str>, String)> {
        if self.eat("in.") {
            return Some(("in", None, self.list()?));
        }
        if self.eat("is.") {
            let known = ["null", "not_null", "true", "false", "unknown"];
            let begins = |word: &str| {
                self.0
                    .get(..word.len())
                    .is_some_and(|text| text.eq_ignore_ascii_case(word))
            };
            let word = known.into_iter().find(|word| begins(word))?;
            self.0 = self.0.get(word.len()..).unwrap_or_default();
            return Some(("is", None, word.to_owned()));
        }
        let plain = [
            "isdistinct",
            "neq",
            "cs",
            "cd",
            "ov",
            "sl",
            "sr",
            "nxr",
            "nxl",
            "adj",
        ];
        let ordering = [
            "eq", "gte", "gt", "lte", "lt", "like", "ilike", "match", "imatch",
        ];
        let searching = ["fts", "plfts", "phfts", "wfts"];
        let mut quantifier = None;
        let operator = self.attempt(|reader| {
            let operator = reader.eat_any(&plain)?;
            reader.eat(".").then_some(operator)
        });
        let operator = operator.or_else(|| {
            self.attempt(|reader| {
                reader.eat_any(&searching)?;
                let language = |reader: &mut Self| {
                    let opens = reader.eat("(");
                    reader.identifier()?;
                    (opens && reader.eat(")")).then_some(())
                };
                reader.attempt(language);
                reader.eat(".").then_some("fts")
            })
        });
        let operator = operator.or_else(|| {
            self.attempt(|reader| {
                let operator = reader.eat_any(&ordering)?;
                quantifier = reader.eat_any(&["(any)", "(all)"]);
                reader.eat(".").then_some(operator)
            })
        })?;
        Some((operator, quantifier, self.value(value)))
    }

    /// The elements of a list in parentheses, as written.
    fn list(&mut self) -> Option<String> {
        self.blanks();
        if !self.eat("(") {
            return None;
        }
        self.blanks();
        let elements = self.written(|reader| {
            loop {
                reader.element();
                if !reader.eat(",") {
                    return Some(());
                }
            }
        });
        let elements = elements?.to_owned();
        let closed = self.eat(")");
        self.blanks();
        closed.then_some(elements)
    }

    /// A quoted element, if a comma or parenthesis follows it.
    fn quoted_element(&mut self) -> Option<String> {
        let text = self.quoted()?;
        self.ends_item().then_some(text)
    }

    fn element(&mut self) -> String {
        let quoted = self.attempt(Self::quoted_element);
        quoted.unwrap_or_else(|| self.eat_while(|c| c != ',' && c != ')').to_owned())
    }

    fn value(&mut self, kind: Value) -> String {
        if kind == Value::Whole {
            return std::mem::take(&mut self.0).to_owned();
        }
        let braced = |reader: &mut Self| {
            reader.written(|reader| {
                // First: each value of a long tree would look for a brace in the rest of it.
                reader.eat("{").then_some(())?;
                reader.eat_while(|c| c != '{' && c != '}');
                reader.eat("}").then_some(())
            })
        };
        match self.attempt(braced) {
            Some(array) => array.to_owned(),
            None => self.element(),
        }
    }
}
