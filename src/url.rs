//! Web addresses, as the URL Standard reads them. The runtime's own `URL` reads them, so that an isolate compiles nothing for them.
//! Natively the crate `url` does, under the same names.

#[cfg(target_arch = "wasm32")]
pub use web_sys::Url;

#[cfg(not(target_arch = "wasm32"))]
pub use native::Url;

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use url::quirks;

    /// An address.
    pub struct Url(url::Url);

    impl Url {
        /// Reads an address.
        ///
        /// # Errors
        /// The text is not one, or a relative one.
        pub fn new(text: &str) -> Result<Self, url::ParseError> {
            url::Url::parse(text).map(Self)
        }

        /// The address as a text.
        #[must_use]
        pub fn href(&self) -> String {
            quirks::href(&self.0).to_owned()
        }

        /// The scheme with its colon.
        #[must_use]
        pub fn protocol(&self) -> String {
            quirks::protocol(&self.0).to_owned()
        }

        /// The user's name; empty if there is none.
        #[must_use]
        pub fn username(&self) -> String {
            quirks::username(&self.0).to_owned()
        }

        /// The user's password; empty if there is none.
        #[must_use]
        pub fn password(&self) -> String {
            quirks::password(&self.0).to_owned()
        }

        /// The host without its port; empty if there is none.
        #[must_use]
        pub fn hostname(&self) -> String {
            quirks::hostname(&self.0).to_owned()
        }

        /// The path.
        #[must_use]
        pub fn pathname(&self) -> String {
            quirks::pathname(&self.0).to_owned()
        }

        /// Scheme, host and port; `null` for a scheme without them.
        #[must_use]
        pub fn origin(&self) -> String {
            self.0.origin().ascii_serialization()
        }
    }
}
