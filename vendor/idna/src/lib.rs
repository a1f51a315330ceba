//! In place of the crate of this name, for the url crate: host names in ASCII only, which is all that configured addresses and the
//! origins of browsers are. The real one is a twentieth of the bundle. A name in Punycode passes as it is; others are refused.

use std::borrow::Cow;

/// What a host name may not hold; there is one list.
pub struct AsciiDenyList;

impl AsciiDenyList {
    /// The forbidden domain code points of the URL standard.
    pub const URL: Self = Self;
}

/// It is no host name in ASCII.
#[derive(Debug)]
pub struct Errors;

/// The name in lower case.
///
/// # Errors
/// [`Errors`] for whatever is not ASCII, for controls, spaces and the forbidden code points.
#[expect(clippy::needless_pass_by_value, reason = "the other crate's signature")]
pub fn domain_to_ascii_from_cow(
    domain: Cow<'_, [u8]>,
    _: AsciiDenyList,
) -> Result<Cow<'_, str>, Errors> {
    let denied = |byte: &u8| !byte.is_ascii_graphic() || b"%#/:<>?@[\\]^|".contains(byte);
    if domain.iter().any(denied) {
        return Err(Errors);
    }
    let lower = domain.to_ascii_lowercase();
    String::from_utf8(lower).map(Cow::Owned).map_err(|_| Errors)
}

/// The name as it is: Punycode is not taken apart.
#[must_use]
pub fn domain_to_unicode(domain: &str) -> (String, Result<(), Errors>) {
    (domain.to_owned(), Ok(()))
}
