//! The words with which forms say yes. The database decides about consent, with the same list; this file keeps a ticked
//! box ticked when a form is shown again.

/// The words, in lower case.
const YES: [&str; 40] = [
    "on",
    "yes",
    "y",
    "true",
    "t",
    "1",
    "checked",
    "selected",
    "agree",
    "agreed",
    "i agree",
    "accept",
    "accepted",
    "i accept",
    "consent",
    "i consent",
    "ok",
    "okay",
    "opt-in",
    "optin",
    "granted",
    "subscribe",
    "ja",
    "einverstanden",
    "zugestimmt",
    "ich stimme zu",
    "oui",
    "j'accepte",
    "accepté",
    "d'accord",
    "si",
    "sí",
    "sì",
    "acepto",
    "aceptado",
    "accetto",
    "sim",
    "aceito",
    "akkoord",
    "tak",
];

/// Whether an answer is a yes.
pub fn is_yes(answer: &str) -> bool {
    let answer = answer.trim_matches([' ', '\t', '\r', '\n', '.', '!']);
    YES.contains(&answer.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_and_the_docs_have_the_same_list() {
        let sql = include_str!("../../../migrations/0112_lead_fields.sql");
        let (_, list) = sql.split_once("yes constant text[] := array[").unwrap();
        let (list, _) = list.split_once("];").unwrap();
        let list: Vec<String> = list
            .split(", ")
            .flat_map(|line| line.split(",\n"))
            .map(|word| word.trim().trim_matches('\'').replace("''", "'"))
            .collect();
        assert_eq!(list, YES);
        let docs = include_str!("../../../docs/forms.md");
        assert!(docs.contains(&format!("`{}`", YES.join("`, `"))));
    }

    #[test]
    fn only_the_listed_words_mean_yes() {
        for yes in ["on", "YES", " Ja! ", "I agree."] {
            assert!(is_yes(yes), "{yes}");
        }
        for no in ["", "no", "off", "0", "yes or no", "nein"] {
            assert!(!is_yes(no), "{no}");
        }
    }
}
