//! API tokens that the database has exchanged, for half a minute, and how many wrong ones came from an address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use serde_json::Value;

/// Milliseconds for which an exchange counts, also one that found nothing.
const FRESH_MS: u64 = 30_000;
/// Entries of each list. A full one starts anew.
const MAX_ENTRIES: usize = 4096;
/// Wrong tokens that one address may send at once, and the milliseconds until it may send one more.
const WRONG_AT_ONCE: u64 = 20;
const WRONG_REFILL_MS: u64 = 3000;

/// The SHA-256 of a token's text.
pub type TokenHash = [u8; 32];

/// What an API token opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: String,
    /// Its owner; none for a worker without a user.
    pub user: Option<String>,
    /// Its scope, as the database stores it.
    pub scopes: Value,
    /// What the owner's account says: claims of the token that goes upstream.
    pub account: Value,
    /// The second since 1970 at which it expires.
    pub expires_at: u64,
}

impl Grant {
    fn lists(&self, what: &str, name: &str) -> bool {
        let list = self.scopes.get(what).and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|one| one == name))
    }

    /// Whether it opens a system.
    #[must_use]
    pub fn opens_system(&self, name: &str) -> bool {
        self.lists("systems", name)
    }

    /// Whether it opens any system.
    #[must_use]
    pub fn opens_systems(&self) -> bool {
        let list = self.scopes.get("systems").and_then(Value::as_array);
        list.is_some_and(|list| !list.is_empty())
    }

    /// Whether it opens an endpoint by its method and path.
    #[must_use]
    pub fn opens_endpoint(&self, name: &str) -> bool {
        self.lists("endpoints", name)
    }

    /// Whether it may write.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.scopes.get("access").is_some_and(|own| own == "write")
    }
}

/// What is known of a token.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    /// It is live.
    Grant(Rc<Grant>),
    /// The database does not know it as a live one.
    Wrong,
    /// Another request is asking the database.
    InProgress,
    /// Nothing.
    Nothing,
}

/// The exchanges of an isolate.
#[derive(Default)]
pub struct ApiTokens {
    grants: HashMap<TokenHash, (Rc<Grant>, u64)>,
    /// Apart from the grants: a flood of wrong tokens evicts no right one.
    wrong: HashMap<TokenHash, u64>,
    /// The tokens that the database is being asked about, each until its request counts as lost.
    in_progress: HashMap<TokenHash, u64>,
    /// By address: when its bucket is full again (GCRA).
    due: HashMap<Option<IpAddr>, u64>,
}

/// Makes room for one more entry.
fn bound<K, V>(entries: &mut HashMap<K, V>) {
    if entries.len() >= MAX_ENTRIES {
        entries.clear();
    }
}

impl ApiTokens {
    /// What is known of a token.
    #[must_use]
    pub fn find(&self, hash: &TokenHash, now_ms: u64) -> Known {
        if let Some((grant, until_ms)) = self.grants.get(hash)
            && now_ms < *until_ms
            && now_ms / 1000 < grant.expires_at
        {
            return Known::Grant(grant.clone());
        }
        let is_in = |list: &HashMap<TokenHash, u64>| {
            let until_ms = list.get(hash);
            until_ms.is_some_and(|until_ms| now_ms < *until_ms)
        };
        if is_in(&self.wrong) {
            return Known::Wrong;
        }
        if is_in(&self.in_progress) {
            return Known::InProgress;
        }
        Known::Nothing
    }

    /// Whether the database has said that it is live when it was asked last, as far as is known.
    #[must_use]
    pub fn was_live(&self, hash: &TokenHash) -> bool {
        self.grants.contains_key(hash)
    }

    /// Counts a token of an address as wrong before the database has said so; false if the address has sent too many.
    #[must_use]
    pub fn suspect(&mut self, address: Option<IpAddr>, now_ms: u64) -> bool {
        let due = self.due.get(&address).copied().unwrap_or_default();
        let due = due.max(now_ms);
        if due - now_ms > WRONG_REFILL_MS * (WRONG_AT_ONCE - 1) {
            return false;
        }
        bound(&mut self.due);
        self.due.insert(address, due + WRONG_REFILL_MS);
        true
    }

    /// The token was right after all, or nobody knows.
    pub fn clear(&mut self, address: Option<IpAddr>) {
        if let Some(due) = self.due.get_mut(&address) {
            *due = due.saturating_sub(WRONG_REFILL_MS);
        }
    }

    /// About how many tokens the database is being asked.
    pub fn asking(&mut self, now_ms: u64) -> usize {
        self.in_progress.retain(|_, until_ms| now_ms < *until_ms);
        self.in_progress.len()
    }

    /// The database is asked about a token; if nothing else is heard, until some time: the runtime may drop a request without notice.
    pub fn begin(&mut self, hash: TokenHash, until_ms: u64) {
        self.in_progress.insert(hash, until_ms);
    }

    /// It is not asked any more.
    pub fn end(&mut self, hash: &TokenHash) {
        self.in_progress.remove(hash);
    }

    /// Keeps what the database says.
    pub fn store(&mut self, hash: TokenHash, grant: Option<Rc<Grant>>, now_ms: u64) {
        let until_ms = now_ms + FRESH_MS;
        if let Some(grant) = grant {
            bound(&mut self.grants);
            self.grants.insert(hash, (grant, until_ms));
        } else {
            self.grants.remove(&hash);
            bound(&mut self.wrong);
            self.wrong.insert(hash, until_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn grant() -> Rc<Grant> {
        Rc::new(Grant {
            id: "1".into(),
            user: None,
            scopes: json!({"systems": ["a"], "endpoints": ["GET /b"], "access": "read"}),
            account: json!({}),
            expires_at: 100,
        })
    }

    #[test]
    fn an_exchange_counts_for_half_a_minute_and_not_beyond_the_token() {
        let mut tokens = ApiTokens::default();
        let hash = [1; 32];
        assert_eq!(tokens.find(&hash, 0), Known::Nothing);
        tokens.begin(hash, 9);
        assert_eq!(tokens.find(&hash, 8), Known::InProgress);
        assert_eq!(tokens.asking(8), 1);
        assert_eq!(tokens.find(&hash, 9), Known::Nothing);
        assert_eq!(tokens.asking(9), 0);
        tokens.begin(hash, 9);
        tokens.store(hash, Some(grant()), 0);
        tokens.end(&hash);
        assert_eq!(tokens.find(&hash, FRESH_MS - 1), Known::Grant(grant()));
        assert_eq!(tokens.find(&hash, FRESH_MS), Known::Nothing);
        tokens.store(hash, Some(grant()), 90_000);
        assert_eq!(tokens.find(&hash, 99_999), Known::Grant(grant()));
        assert_eq!(tokens.find(&hash, 100_000), Known::Nothing);
        assert!(tokens.was_live(&hash) && !tokens.was_live(&[2; 32]));
        tokens.store(hash, None, 100_000);
        assert!(!tokens.was_live(&hash));
        assert_eq!(tokens.find(&hash, 100_001), Known::Wrong);
        assert_eq!(tokens.find(&hash, 100_000 + FRESH_MS), Known::Nothing);
    }

    #[test]
    fn wrong_tokens_are_bounded_by_address_and_evict_no_right_one() {
        let mut tokens = ApiTokens::default();
        tokens.store([255; 32], Some(grant()), 0);
        let address = "203.0.113.7".parse().ok();
        for _ in 0..WRONG_AT_ONCE {
            assert!(tokens.suspect(address, 0));
        }
        assert!(!tokens.suspect(address, 0));
        assert!(tokens.suspect(None, 0), "another address");
        tokens.clear(address);
        assert!(tokens.suspect(address, 0));
        assert!(!tokens.suspect(address, WRONG_REFILL_MS - 1));
        assert!(tokens.suspect(address, WRONG_REFILL_MS));
        for n in 0..3 * MAX_ENTRIES {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            tokens.store(hash, None, 0);
            let _ = tokens.suspect(Some(IpAddr::V4(u32::try_from(n).unwrap().into())), 0);
            assert!(tokens.wrong.len() <= MAX_ENTRIES && tokens.due.len() <= MAX_ENTRIES);
        }
        assert_eq!(tokens.find(&[255; 32], 1), Known::Grant(grant()));
    }

    #[test]
    fn a_grant_opens_what_its_scope_names() {
        let grant = grant();
        assert!(grant.opens_system("a") && !grant.opens_system("GET /b"));
        assert!(grant.opens_endpoint("GET /b") && !grant.opens_endpoint("a"));
        assert!(grant.opens_systems() && !grant.writes());
    }
}
