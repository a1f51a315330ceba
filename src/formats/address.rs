//! E-mail addresses: converts the domain to ASCII by IDNA, which SQL cannot do. The database decides everything else
//! about an address, and refuses a domain that is not in ASCII.

use std::borrow::Cow;

use idna::punycode;

use crate::text::is_invisible;
use crate::url::Url;

/// The most bytes of a domain that is converted: the time that a conversion takes grows with the square of its length. A domain in
/// ASCII has at most 253.
const MAX_BYTES: usize = 1000;

/// The address with its domain in ASCII, if it is not and can be: `zoë@müller.example` becomes
/// `zoë@xn--mller-kva.example`.
#[must_use]
pub fn with_ascii_domain(typed: &str) -> Option<String> {
    let (local, domain) = typed
        .trim_matches([' ', '\t', '\r', '\n'])
        .rsplit_once('@')?;
    // IDNA ignores invisible characters. In some scripts a joiner makes another domain, so IDNA decides where one may
    // stand.
    let is_joiner = |character: char| matches!(character, '\u{200c}' | '\u{200d}');
    let is_hidden = |character: char| is_invisible(character) && !is_joiner(character);
    if domain.is_ascii() || domain.contains(is_hidden) {
        return None;
    }
    Some(format!("{local}@{}", to_ascii(domain)?))
}

/// Converts a domain as the host of an address (UTS 46, without transitional mappings), and then checks it as a domain of mail: STD3
/// names, the lengths of DNS, and no label with a hyphen at an end.
fn to_ascii(domain: &str) -> Option<String> {
    // In an address other characters have a meaning: they end the host, or encode characters of it.
    let may_stand = |b: u8| !b.is_ascii() || b.is_ascii_alphanumeric() || b"-.".contains(&b);
    if domain.len() > MAX_BYTES || !domain.bytes().all(may_stand) {
        return None;
    }
    // An address whose host ends with a number has an IPv4 address, in any of its forms. The label behind it prevents that.
    let host = Url::new(&format!("http://{domain}.x/")).ok()?.hostname();
    let ascii = host.strip_suffix(".x")?;
    let labels = ascii.split('.').map(decoded).collect::<Option<Vec<_>>>()?;
    // RFC 5893 lets no label of a domain with right-to-left text begin with a digit. The runtime checks labels in ASCII for nothing
    // of it.
    let is_bidi = labels.iter().any(|label| label.contains(is_right_to_left));
    let is_allowed =
        |label: &Cow<'_, str>| !is_bidi || !label.starts_with(|c: char| c.is_ascii_digit());
    (ascii.len() <= 253 && labels.iter().all(is_allowed)).then(|| ascii.to_owned())
}

/// A label of a domain in ASCII as people see it; none if it is not such a label.
fn decoded(label: &str) -> Option<Cow<'_, str>> {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let shown = match label.strip_prefix("xn--") {
        Some(code) => punycode::decode_to_string(code).map(Cow::Owned),
        None => Some(label.into()),
    }?;
    let is_label = (1..=63).contains(&label.len())
        && label.bytes().all(is_plain)
        && !shown.starts_with('-')
        && !shown.ends_with('-')
        // A label that is encoded twice.
        && !shown.starts_with("xn--");
    is_label.then_some(shown)
}

/// Whether a character stands in a block of a script that is written from right to left.
fn is_right_to_left(character: char) -> bool {
    matches!(
        character,
        '\u{590}'..='\u{8ff}'
            | '\u{fb1d}'..='\u{fdff}'
            | '\u{fe70}'..='\u{fefc}'
            | '\u{10800}'..='\u{10fff}'
            | '\u{1e800}'..='\u{1efff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
    use proptest::prelude::*;

    #[test]
    fn a_domain_is_converted_to_ascii() {
        // tests/growth/e2e/leads.test.js sends the same ones to the edge, where the runtime reads addresses.
        let cases = include_str!("../../tests/support/domains.json");
        let cases: Vec<(String, Option<String>)> = serde_json::from_str(cases).unwrap();
        let made = |(typed, wanted): (String, Option<String>)| {
            let made = with_ascii_domain(&typed);
            (made != wanted).then_some((typed, wanted, made))
        };
        let wrong = cases.into_iter().filter_map(made).collect::<Vec<_>>();
        assert_eq!(wrong, []);
    }

    proptest! {
        #[test]
        fn a_domain_becomes_what_idna_makes_of_it(domain in "([a-zA-Zßöçäé0-9ａ．。\u{5d0}-\u{5d5}\u{627}-\u{62f}\u{301}\u{308}\u{200c}\u{200d}\u{94d}\u{915}例一-丂%_-]{1,7}\\.?){1,3}|[^@\\p{C}]{0,12}") {
            let ascii = Uts46::new().to_ascii(
                domain.as_bytes(),
                AsciiDenyList::STD3,
                Hyphens::CheckFirstLast,
                DnsLength::Verify,
            );
            prop_assert_eq!(to_ascii(&domain), ascii.ok().map(Cow::into_owned), "{:?}", domain);
        }

        #[test]
        fn only_the_domain_changes_and_becomes_ascii(local in "[^@]{0,10}", domain in "[^@\\p{C}]{0,12}") {
            if let Some(address) = with_ascii_domain(&format!("{local}@{domain}")) {
                let (same, domain) = address.rsplit_once('@').unwrap();
                prop_assert_eq!(same, local.trim_start_matches([' ', '\t', '\r', '\n']));
                prop_assert!(domain.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b)), "{}", domain);
            }
        }
    }
}
