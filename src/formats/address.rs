//! E-mail addresses: converts the domain to ASCII by IDNA, which SQL cannot do. The database decides everything else
//! about an address, and refuses a domain that is not in ASCII.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use crate::text::is_invisible;

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
    let ascii = Uts46::new().to_ascii(
        domain.as_bytes(),
        AsciiDenyList::STD3,
        Hyphens::CheckFirstLast,
        DnsLength::Verify,
    );
    Some(format!("{local}@{}", ascii.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_domain_is_converted_to_ascii() {
        let cases = [
            ("zoë@müller.example", Some("zoë@xn--mller-kva.example")),
            (" zoë@MÜLLER.example\r\n", Some("zoë@xn--mller-kva.example")),
            (
                "zoë@mu\u{308}ller.example",
                Some("zoë@xn--mller-kva.example"),
            ),
            ("a@例え.テスト", Some("a@xn--r8jz45g.xn--zckzah")),
            // IDNA of 2003 made other domains of these.
            ("a@straße.example", Some("a@xn--strae-oqa.example")),
            ("a@example。org", Some("a@example.org")),
            ("x@gmaİl.com", Some("x@xn--gmail-bgd.com")),
            ("x@ＧＭＡＩＬ.com", Some("x@gmail.com")),
            // The database judges a domain that is in ASCII.
            ("Zoë@Example.org", None),
            ("a@xn--mller-kva.example", None),
            ("a@b c.example", None),
            // An invalid domain stays unchanged, and is refused.
            ("a@mü ller.example", None),
            ("a@mü_ller.example", None),
            ("a@m\u{ad}üller.example", None),
            ("a@m\u{200d}üller.example", None),
            ("a@-ü.example", None),
            ("a@ü..example", None),
            ("a@\u{301}.example", None),
            ("müller.example", None),
            ("", None),
        ];
        for (typed, wanted) in cases {
            assert_eq!(with_ascii_domain(typed).as_deref(), wanted, "{typed:?}");
        }
    }

    proptest! {
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
