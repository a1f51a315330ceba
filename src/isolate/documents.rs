//! The description of the data API, as the callers of each role get it.

use std::rc::Rc;

/// Milliseconds for which it is kept.
const KEPT_MS: u64 = 60_000;

/// The description of each role, and until when it is kept.
#[derive(Default)]
pub struct Documents {
    of_users: Option<Kept>,
    of_servers: Option<Kept>,
}

type Kept = (u64, Rc<Joined>);

/// A document with what a function has added to it for a role.
pub struct Joined {
    /// Its `ETag`.
    pub etag: String,
    /// All of it.
    pub text: String,
}

impl Documents {
    /// What users get, or servers, if it was made lately.
    #[must_use]
    pub fn find(&self, is_user: bool, now_ms: u64) -> Option<Rc<Joined>> {
        let kept = if is_user {
            &self.of_users
        } else {
            &self.of_servers
        };
        let (until_ms, joined) = kept.as_ref()?;
        (now_ms < *until_ms).then(|| joined.clone())
    }

    /// Keeps what users get, or servers.
    pub fn keep(&mut self, is_user: bool, joined: Rc<Joined>, now_ms: u64) {
        let kept = if is_user {
            &mut self.of_users
        } else {
            &mut self.of_servers
        };
        *kept = Some((now_ms + KEPT_MS, joined));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_kept_for_a_minute_for_its_role() {
        let mut documents = Documents::default();
        let joined = |etag: &str| {
            let (etag, text) = (etag.to_owned(), String::new());
            Rc::new(Joined { etag, text })
        };
        documents.keep(true, joined("users"), 1000);
        assert!(documents.find(false, 1000).is_none());
        documents.keep(false, joined("servers"), 2000);
        let etag = |is_user, now_ms| Some(documents.find(is_user, now_ms)?.etag.clone());
        assert_eq!(etag(true, 60_999).as_deref(), Some("users"));
        assert_eq!(etag(false, 60_999).as_deref(), Some("servers"));
        assert_eq!(etag(true, 61_000), None);
        assert_eq!(etag(false, 61_999).as_deref(), Some("servers"));
    }
}
