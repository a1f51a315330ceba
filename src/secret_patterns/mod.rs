//! The shapes of secrets that providers issue: whose a value is, so that a user who stores a key under the wrong service
//! learns so at once; and what to take out of texts ([`redact`]).
//!
//! This is the one list. `migrations/0026_secret_patterns.sql` has the same shapes for redaction; the tests compare them.

mod redact;

pub use redact::{Redacted, redact};

/// The characters of a secret after its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// Letters and digits.
    Alphanumeric,
    /// Letters, digits, `_` and `-`.
    Url,
    /// The same and `.`.
    Dotted,
    /// Letters, digits, `+`, `/` and `=`.
    Base64,
    /// Letters, digits and what addresses have: `_`, `-`, `.`, `%`, `+`, `/` and `=`.
    Encoded,
    /// Digits and `a` to `f`.
    Hex,
    /// `A` to `Z` and `2` to `7`.
    Base32,
}

impl Charset {
    fn has(self, byte: u8) -> bool {
        let more: &[u8] = match self {
            Self::Alphanumeric => b"",
            Self::Url => b"_-",
            Self::Dotted => b"_-.",
            Self::Base64 => b"+/=",
            Self::Encoded => b"_-.%+/=",
            Self::Hex => return matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Base32 => return matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
        };
        byte.is_ascii_alphanumeric() || more.contains(&byte)
    }
}

/// A kind of secret.
struct Pattern {
    provider: &'static str,
    prefix: &'static str,
    charset: Charset,
    /// The usual numbers of characters after the prefix. Providers change them, so another one is no fault.
    usual: (usize, usize),
    /// What stands somewhere after the prefix; empty if nothing has to.
    mark: &'static str,
}

const fn pattern(
    provider: &'static str,
    prefix: &'static str,
    charset: Charset,
    usual: (usize, usize),
) -> Pattern {
    Pattern {
        provider,
        prefix,
        charset,
        usual,
        mark: "",
    }
}

/// The first one that fits counts, so a longer prefix stands before a shorter one.
const PATTERNS: [Pattern; 53] = {
    use Charset::{Alphanumeric, Base32, Base64, Dotted, Encoded, Hex, Url};
    [
        pattern("openai", "sk-proj-", Url, (40, 200)),
        pattern("openai", "sk-svcacct-", Url, (40, 200)),
        pattern("openai", "sk-admin-", Url, (40, 200)),
        pattern("anthropic", "sk-ant-api03-", Url, (95, 95)),
        pattern("anthropic", "sk-ant-admin01-", Url, (95, 95)),
        pattern("anthropic", "sk-ant-", Url, (80, 120)),
        pattern("openrouter", "sk-or-v1-", Hex, (64, 64)),
        Pattern {
            mark: "T3BlbkFJ",
            ..pattern("openai", "sk-", Alphanumeric, (48, 48))
        },
        pattern("google", "AIza", Url, (35, 35)),
        pattern("google", "AQ.Ab8RN6", Dotted, (44, 44)),
        pattern("groq", "gsk_", Alphanumeric, (52, 52)),
        pattern("xai", "xai-", Alphanumeric, (70, 120)),
        pattern("perplexity", "pplx-", Alphanumeric, (48, 48)),
        pattern("cerebras", "csk-", Alphanumeric, (48, 48)),
        pattern("together", "tgp_v1_", Url, (43, 43)),
        pattern("replicate", "r8_", Alphanumeric, (37, 37)),
        pattern("huggingface", "hf_", Alphanumeric, (34, 34)),
        pattern("github", "github_pat_", Url, (82, 82)),
        pattern("github", "ghp_", Alphanumeric, (36, 36)),
        pattern("github", "gho_", Alphanumeric, (36, 36)),
        pattern("github", "ghu_", Alphanumeric, (36, 36)),
        pattern("github", "ghr_", Alphanumeric, (36, 76)),
        pattern("github", "ghs_", Dotted, (36, 600)),
        pattern("gitlab", "glpat-", Dotted, (20, 60)),
        pattern("npm", "npm_", Alphanumeric, (36, 36)),
        pattern("pypi", "pypi-AgEI", Url, (150, 250)),
        pattern("digitalocean", "dop_v1_", Hex, (64, 64)),
        // This edge's own.
        pattern("rowgate", "rgt_", Url, (50, 50)),
        pattern("stripe", "sk_live_", Alphanumeric, (10, 247)),
        pattern("stripe", "sk_test_", Alphanumeric, (10, 247)),
        pattern("stripe", "rk_live_", Alphanumeric, (10, 247)),
        pattern("stripe", "rk_test_", Alphanumeric, (10, 247)),
        // Stripe's, and those of all services that sign webhooks as Svix does.
        pattern("webhook", "whsec_", Base64, (24, 88)),
        pattern("aws", "AKIA", Base32, (16, 16)),
        pattern("aws", "ASIA", Base32, (16, 16)),
        pattern("aws", "ABIA", Base32, (16, 16)),
        pattern("aws", "ACCA", Base32, (16, 16)),
        pattern("bedrock", "ABSK", Base64, (100, 280)),
        pattern("slack", "xoxb-", Encoded, (20, 400)),
        pattern("slack", "xoxp-", Encoded, (20, 400)),
        pattern("slack", "xoxc-", Encoded, (20, 400)),
        pattern("slack", "xoxd-", Encoded, (20, 400)),
        pattern("slack", "xoxe-", Encoded, (20, 400)),
        pattern("slack", "xoxr-", Encoded, (20, 400)),
        pattern("slack", "xoxa-", Encoded, (20, 400)),
        pattern("slack", "xoxs-", Encoded, (20, 400)),
        pattern("slack", "xapp-", Encoded, (20, 400)),
        pattern("supabase", "sb_secret_", Url, (31, 31)),
        pattern("supabase", "sbp_", Hex, (40, 40)),
        pattern("vercel", "vck_", Alphanumeric, (56, 56)),
        pattern("vercel", "vcp_", Alphanumeric, (56, 56)),
        pattern("1password", "ops_", Base64, (100, 2000)),
        pattern("age", "AGE-SECRET-KEY-1", Alphanumeric, (58, 58)),
    ]
};

/// What the shape of a secret says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Whose it is.
    pub provider: &'static str,
    /// `characters` or `length` if that is not usual for the provider.
    pub warning: Option<&'static str>,
}

/// The shape of a secret; none if it could be anybody's. A value that begins as a provider's keys do is that provider's,
/// whatever follows.
#[must_use]
pub fn shape_of(secret: &str) -> Option<Shape> {
    PATTERNS.iter().find_map(|pattern| {
        let rest = secret.strip_prefix(pattern.prefix)?;
        if !rest.contains(pattern.mark) {
            return None;
        }
        let (min, max) = pattern.usual;
        let warning = if !rest.bytes().all(|byte| pattern.charset.has(byte)) {
            Some("characters")
        } else if (min..=max).contains(&rest.len()) {
            None
        } else {
            Some("length")
        };
        Some(Shape {
            provider: pattern.provider,
            warning,
        })
    })
}
