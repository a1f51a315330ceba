//! The services behind the edge beside PostgREST: what a client of Supabase asks for at the same address. Each has an address of
//! its own, or all have the addresses that a Supabase project gives them.

use base64ct::{Base64UrlUnpadded, Encoding};
use http::HeaderValue;
use serde_json::Value;

use crate::error::{Error, SERVICE_NOT_CONFIGURED};

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Accounts and sessions: Supabase Auth.
    Auth,
    /// Channels over `WebSockets`: Supabase Realtime.
    Realtime,
    /// Files: Supabase Storage.
    Storage,
    /// Functions of the project: Supabase Edge Functions.
    Functions,
}

impl Service {
    /// All of them, in the order of [`Services`].
    pub const ALL: [Self; 4] = [Self::Auth, Self::Realtime, Self::Storage, Self::Functions];

    /// The variable with its address.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Auth => "AUTH_URL",
            Self::Realtime => "REALTIME_URL",
            Self::Storage => "STORAGE_URL",
            Self::Functions => "FUNCTIONS_URL",
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Realtime => "realtime",
            Self::Storage => "storage",
            Self::Functions => "functions",
        }
    }

    /// What its paths begin with, here and at a Supabase project.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Auth => "/auth/v1",
            Self::Realtime => "/realtime/v1",
            Self::Storage => "/storage/v1",
            Self::Functions => "/functions/v1",
        }
    }

    /// The service of a path.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let begins = |service: &Self| {
            let rest = path.strip_prefix(service.prefix());
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        Self::ALL.into_iter().find(begins)
    }
}

/// The services that are configured.
#[derive(Default)]
pub struct Services {
    /// Their addresses without a slash at the end, in the order of [`Service::ALL`].
    pub addresses: [Option<String>; 4],
    /// The publishable key of the Supabase project, which its gateway wants as `apikey`.
    pub key: Option<String>,
    /// The same, if that gateway also stands before PostgREST.
    pub data_key: Option<HeaderValue>,
}

impl Services {
    /// The address of a service.
    ///
    /// # Errors
    /// 404, which names the variable that is missing.
    pub fn address(&self, service: Service) -> Result<&str, Error> {
        let found = self.addresses.get(service as usize);
        let found = found.and_then(Option::as_deref);
        found.ok_or_else(|| {
            let missing = format!("{} is not set, nor is SUPABASE_URL", service.variable());
            Error::with(&SERVICE_NOT_CONFIGURED, missing)
        })
    }

    /// The `apikey` that PostgREST's gateway wants.
    #[must_use]
    pub fn data_key(&self) -> Option<&HeaderValue> {
        self.data_key.as_ref()
    }

    /// The key, if it is a token, which callers without a token of their own then have.
    #[must_use]
    pub fn key_token(&self) -> Option<&str> {
        self.key.as_deref().filter(|key| key.contains('.'))
    }
}

/// The role that a token says it has, whether or not it is good; none for a text that is no token.
#[must_use]
pub fn claimed_role(token: &str) -> Option<String> {
    let payload = token.split('.').nth(1)?.trim_end_matches('=');
    let payload = Base64UrlUnpadded::decode_vec(payload).ok()?;
    let payload: Value = serde_json::from_slice(&payload).ok()?;
    payload.get("role")?.as_str().map(str::to_owned)
}

/// Whether a key is a secret one of a Supabase project: an opaque one, or one that says it is a token of the role `service_role`.
#[must_use]
pub fn is_secret_key(key: &str) -> bool {
    key.starts_with("sb_secret_") || claimed_role(key).is_some_and(|role| role == "service_role")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_service_of_its_prefix() {
        assert_eq!(
            Service::of_path("/storage/v1/object/x"),
            Some(Service::Storage)
        );
        for other in ["/storage/v1", "/storage/v10/x", "/rest/v1/x", "/"] {
            assert_eq!(Service::of_path(other), None, "{other}");
        }
        let none = Services::default();
        for service in Service::ALL {
            let error = none.address(service).unwrap_err();
            assert_eq!(error.status(), 404);
            let details = error.body().details.unwrap().to_string();
            assert!(details.contains(service.variable()), "{details}");
        }
    }
}
