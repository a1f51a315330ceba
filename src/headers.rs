//! The headers of a message.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The headers of a message: a value for each name, as the runtime has them; several values of a name are one list. A message has
/// about ten headers: such a list is searched faster than a table is hashed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(HeaderName, HeaderValue)>);

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

    fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(known, _)| known.as_str() == name)
    }

    /// The value of a name, which is in lower case.
    pub fn get(&self, name: impl AsRef<str>) -> Option<&HeaderValue> {
        let place = self.position(name.as_ref())?;
        self.0.get(place).map(|(_, value)| value)
    }

    /// Whether a name has a value. It is in lower case.
    pub fn contains_key(&self, name: impl AsRef<str>) -> bool {
        self.position(name.as_ref()).is_some()
    }

    /// Sets the value of a name.
    pub fn insert(&mut self, name: impl IntoName, value: HeaderValue) {
        let name = name.into_name();
        let place = self.position(name.as_str());
        match place.and_then(|place| self.0.get_mut(place)) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Adds a value to the list of a name's values.
    pub fn append(&mut self, name: impl IntoName, value: HeaderValue) {
        let name = name.into_name();
        let place = self.position(name.as_str());
        match place.and_then(|place| self.0.get_mut(place)) {
            None => self.0.push((name, value)),
            Some((_, list)) => {
                let joined = [list.as_bytes(), b", ", value.as_bytes()].concat();
                // Both parts are valid in a header.
                if let Ok(joined) = HeaderValue::from_bytes(&joined) {
                    *list = joined;
                }
            }
        }
    }

    /// Takes out a name, which is in lower case, and gives its value.
    pub fn remove(&mut self, name: impl AsRef<str>) -> Option<HeaderValue> {
        let place = self.position(name.as_ref())?;
        Some(self.0.remove(place).1)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter()
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
