//! The headers of a message.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header with a request's id.
pub static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The headers of a message: a value for each name, as the runtime has them; several values of a name are one list. A message has
/// about ten headers: such a list is searched faster than a table is hashed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Header {
    /// The mark of its name.
    mark: u32,
    pair: (HeaderName, HeaderValue),
}

/// Length, first and last byte of a name: other names have other marks but for a few. Marks are compared faster than names.
fn mark(name: &str) -> u32 {
    let byte = |byte: Option<&u8>| u32::from(byte.copied().unwrap_or_default());
    let bytes = name.as_bytes();
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    (length << 16) ^ (byte(bytes.first()) << 8) ^ byte(bytes.last())
}

/// A name in the form that a header is set by: one that is written out must be in lower case.
pub trait IntoName {
    /// The name.
    fn into_name(self) -> HeaderName;
}

impl IntoName for HeaderName {
    fn into_name(self) -> HeaderName {
        self
    }
}

impl IntoName for &HeaderName {
    fn into_name(self) -> HeaderName {
        self.clone()
    }
}

impl IntoName for &'static str {
    fn into_name(self) -> HeaderName {
        HeaderName::from_static(self)
    }
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        let mut headers = Self::with_capacity(map.len());
        for (name, value) in &map {
            headers.append(name, value.clone());
        }
        headers
    }
}

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// No headers, with room for some.
    #[must_use]
    pub fn with_capacity(headers: usize) -> Self {
        Self(Vec::with_capacity(headers))
    }

    fn position(&self, mark: u32, name: &str) -> Option<usize> {
        let mut headers = self.0.iter();
        headers.position(|known| known.mark == mark && known.pair.0.as_str() == name)
    }

    /// The value of a name, which is in lower case.
    pub fn get(&self, name: impl AsRef<str>) -> Option<&HeaderValue> {
        let name = name.as_ref();
        let place = self.position(mark(name), name)?;
        self.0.get(place).map(|header| &header.pair.1)
    }

    /// Whether a name has a value. It is in lower case.
    pub fn contains_key(&self, name: impl AsRef<str>) -> bool {
        self.get(name).is_some()
    }

    /// The value of a name, or where to put it.
    fn entry(&mut self, name: HeaderName) -> Result<&mut HeaderValue, (u32, HeaderName)> {
        let mark = mark(name.as_str());
        let place = self.position(mark, name.as_str());
        match place.and_then(|place| self.0.get_mut(place)) {
            Some(header) => Ok(&mut header.pair.1),
            None => Err((mark, name)),
        }
    }

    fn push(&mut self, (mark, name): (u32, HeaderName), value: HeaderValue) {
        self.0.push(Header {
            mark,
            pair: (name, value),
        });
    }

    /// Sets the value of a name.
    pub fn insert(&mut self, name: impl IntoName, value: HeaderValue) {
        match self.entry(name.into_name()) {
            Ok(old) => *old = value,
            Err(new) => self.push(new, value),
        }
    }

    /// Adds a value to the list of a name's values.
    pub fn append(&mut self, name: impl IntoName, value: HeaderValue) {
        match self.entry(name.into_name()) {
            Err(new) => self.push(new, value),
            Ok(list) => {
                let joined = [list.as_bytes(), b", ", value.as_bytes()].concat();
                // Both parts are valid in a header.
                if let Ok(joined) = HeaderValue::from_bytes(&joined) {
                    *list = joined;
                }
            }
        }
    }

    /// Keeps the headers of these names alone.
    pub fn keep(&mut self, names: &[HeaderName]) {
        self.0.retain(|header| names.contains(&header.pair.0));
    }

    /// Takes out a name, which is in lower case, and gives its value.
    pub fn remove(&mut self, name: impl AsRef<str>) -> Option<HeaderValue> {
        let name = name.as_ref();
        let place = self.position(mark(name), name)?;
        Some(self.0.remove(place).pair.1)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter().map(|header| &header.pair)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::Headers;

    #[test]
    fn a_value_that_is_added_joins_the_others() {
        let value = HeaderValue::from_static;
        let mut headers = Headers::new();
        headers.insert("vary", value("a"));
        headers.append("vary", value("b"));
        headers.append("etag", value("c"));
        assert_eq!(headers.get("vary"), Some(&value("a, b")));
        headers.insert("vary", value("d"));
        assert_eq!(headers.remove("vary"), Some(value("d")));
        assert!(!headers.contains_key("vary"));
        assert_eq!(headers.get("etag"), Some(&value("c")));
    }
}
