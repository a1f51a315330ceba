//! Text as people see it: which characters are invisible.

/// Invisible characters: Unicode's `Default_Ignorable_Code_Point` and category Cf, the Braille blank and the musical
/// null notehead. The database has the same list in `private.invisible()`.
const INVISIBLE: [(char, char); 27] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d159}', '\u{1d159}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Whether a character is invisible.
#[must_use]
pub fn is_invisible(character: char) -> bool {
    INVISIBLE
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&character))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The characters between `[` and `]` of the SQL function.
    fn of_the_database() -> Vec<(char, char)> {
        let sql = include_str!("../migrations/0016_identity.sql");
        let (_, body) = sql.split_once("return '[").unwrap();
        let (body, _) = body.split_once("]'").unwrap();
        let class: String = body.split(['\'', '\n', ' ']).collect();
        let ranges = class.replace("\\U000", "\\u").replace("-\\u", "-");
        let character = |hex: &str| char::from_u32(u32::from_str_radix(hex, 16).unwrap()).unwrap();
        ranges
            .split("\\u")
            .filter(|range| !range.is_empty())
            .map(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                (character(first), character(last))
            })
            .collect()
    }

    #[test]
    fn the_database_has_the_same_list() {
        let here = INVISIBLE
            .iter()
            .flat_map(|(first, last)| *first..=*last)
            .collect::<Vec<char>>();
        let there = of_the_database()
            .into_iter()
            .flat_map(|(first, last)| first..=last)
            .collect::<Vec<char>>();
        assert_eq!(here, there);
        assert!(here.into_iter().all(is_invisible));
        assert!(
            !['a', ' ', 'é', '用', '👍', '\u{301}']
                .into_iter()
                .any(is_invisible)
        );
    }
}
