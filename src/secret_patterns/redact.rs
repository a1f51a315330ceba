//! Takes secrets out of a text. `private.redact_secrets` does the same in SQL; tests/core/support/secrets.json has cases for both.
//!
//! The text may be JSON: escapes of JSON before and in a secret are understood, and JSON stays JSON.

use super::{Charset, PATTERNS, Pattern};

/// A text without the secrets that were in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Redacted {
    /// The text. `[redacted:<provider>]` stands in the place of each secret.
    pub text: String,
    /// How many secrets of each provider there were.
    pub counts: Vec<(&'static str, u32)>,
}

/// Takes secrets out of a text; none if it has none.
///
/// Escapes of ASCII characters, such as `\u0067hp_` for `ghp_`, hide no secret. If one does, the text comes back with all of them decoded;
/// otherwise they stay.
#[must_use]
pub fn redact(text: &str) -> Option<Redacted> {
    let written = redact_as_written(text);
    let Some(decoded) = without_escapes(text) else {
        return written;
    };
    let Some(found) = redact_as_written(&decoded) else {
        return written;
    };
    let left = written.as_ref().map_or(text, |redacted| &redacted.text);
    if without_escapes(left).is_some_and(|left| left == found.text) {
        written
    } else {
        Some(found)
    }
}

/// How many times secrets are looked for by the names beside them: what is out can be beside another one, or have been in it.
const MAX_PASSES: usize = 4;

fn redact_as_written(text: &str) -> Option<Redacted> {
    let mut counts = Vec::new();
    let kinds = STARTS.kinds(text.as_bytes());
    let mut clean = None;
    // What has a shape of its own is out first: the rest of a private key could not be told from it.
    if kinds & SHAPES != 0 {
        clean = pass(text, SHAPES, find_shape, &mut counts);
    }
    if kinds & NAMES == 0 && clean.is_none() {
        return None;
    }
    for _ in 0..MAX_PASSES {
        let next = pass(
            clean.as_deref().unwrap_or(text),
            NAMES,
            find_named,
            &mut counts,
        );
        if next.is_none() {
            break;
        }
        clean = next;
    }
    Some(Redacted {
        text: clean?,
        counts,
    })
}

/// How many times escapes are decoded: an escaped backslash may begin another escape.
const MAX_DECODINGS: usize = 4;

/// A text with its escapes of printable ASCII characters (`\u0067`) decoded, at each level of JSON in JSON; none if it has none. JSON stays
/// JSON: quotes and backslashes get the escape that is usual at their level.
fn without_escapes(text: &str) -> Option<String> {
    let mut decoded = decode_escapes(text)?;
    for _ in 1..MAX_DECODINGS {
        match decode_escapes(&decoded) {
            Some(further) => decoded = further,
            None => break,
        }
    }
    Some(decoded)
}

fn decode_escapes(text: &str) -> Option<String> {
    let mut decoded = String::new();
    let mut done = 0;
    for (at, _) in text.match_indices("\\u00") {
        let digits = text.get(at + 4..at + 6).unwrap_or_default();
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let code = u8::from_str_radix(digits, 16).unwrap_or_default();
        if !is_hex || !(0x20..0x80).contains(&code) {
            continue;
        }
        let before = text.get(done..=at).unwrap_or_default();
        let slashes = before.bytes().rev().take_while(|b| *b == b'\\').count();
        // An escape at the nth level of JSON in JSON has 2^n backslashes. Further ones before it are backslashes of the text.
        let own = slashes & slashes.wrapping_neg();
        decoded.push_str(before.get(..before.len() - own).unwrap_or_default());
        if matches!(code, b'"' | b'\\') {
            decoded.extend(std::iter::repeat_n('\\', 2 * own - 1));
        }
        decoded.push(char::from(code));
        done = at + 6;
    }
    if done == 0 {
        return None;
    }
    decoded.push_str(text.get(done..).unwrap_or_default());
    Some(decoded)
}

/// Where a secret stands in a text, and whose it is.
struct Found {
    start: usize,
    end: usize,
    provider: &'static str,
}

impl Found {
    fn new((start, end): (usize, usize), provider: &'static str) -> Self {
        Self {
            start,
            end,
            provider,
        }
    }
}

/// Finds a secret, or its name, at a position of a text.
type Find = fn(&[u8], usize, &mut State) -> Option<Found>;

#[derive(Default)]
struct State {
    /// Where the last secret ended.
    done: usize,
    /// Before this position no JSON Web Token begins. Without it a text of nothing but their first characters would be read again for
    /// each of them.
    no_jwt_before: usize,
}

fn pass(
    text: &str,
    kind: u64,
    find: Find,
    counts: &mut Vec<(&'static str, u32)>,
) -> Option<String> {
    let bytes = text.as_bytes();
    let mut clean = String::new();
    let mut state = State::default();
    let mut at = 0;
    while let Some(next) = STARTS.next(bytes, at, kind) {
        at = next + 1;
        let Some(found) = find(bytes, next, &mut state) else {
            continue;
        };
        clean.push_str(text.get(state.done..found.start).unwrap_or_default());
        clean.push_str("[redacted:");
        clean.push_str(found.provider);
        clean.push(']');
        state.done = found.end;
        at = found.end;
        match counts
            .iter_mut()
            .find(|(known, _)| *known == found.provider)
        {
            Some((_, count)) => *count += 1,
            None => counts.push((found.provider, 1)),
        }
    }
    if state.done == 0 {
        return None;
    }
    clean.push_str(text.get(state.done..).unwrap_or_default());
    Some(clean)
}

/// The first three bytes of what is looked for, in either case: a bit for each text, in the rows of its bytes. Texts that share a bit cost
/// a look in vain.
struct Starts([[u64; 256]; 3]);

/// The bits of texts with a shape of their own, and of names.
const SHAPES: u64 = 0xFFFF_FFFF;
const NAMES: u64 = !SHAPES;

impl Starts {
    #[expect(clippy::indexing_slicing, reason = "it runs when the code is compiled")]
    const fn with(mut self, text: &str, place: usize) -> Self {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < 3 {
            self.0[at][bytes[at].to_ascii_lowercase() as usize] |= 1 << place;
            self.0[at][bytes[at].to_ascii_uppercase() as usize] |= 1 << place;
            at += 1;
        }
        self
    }

    /// Where the next text with one of these bits begins, from a position on. A plain loop: in a bundle that is optimised for size, windows
    /// take twice as long.
    #[expect(
        clippy::indexing_slicing,
        reason = "each row has a place for each byte"
    )]
    fn next(&self, bytes: &[u8], at: usize, bits: u64) -> Option<usize> {
        let Self([first, second, third]) = self;
        let (mut one, mut two) = (0, 0);
        for (passed, byte) in bytes.get(at..)?.iter().enumerate() {
            let byte = usize::from(*byte);
            if two & third[byte] & bits != 0 {
                return Some(at + passed - 2);
            }
            two = one & second[byte];
            one = first[byte];
        }
        None
    }

    /// The bits of what begins in a text, read until both kinds are among them.
    #[expect(
        clippy::indexing_slicing,
        reason = "each row has a place for each byte"
    )]
    fn kinds(&self, bytes: &[u8]) -> u64 {
        let Self([first, second, third]) = self;
        let (mut one, mut two, mut all) = (0, 0, 0);
        for byte in bytes {
            let byte = usize::from(*byte);
            let found = two & third[byte];
            if found != 0 {
                all |= found;
                if all & SHAPES != 0 && all & NAMES != 0 {
                    break;
                }
            }
            two = one & second[byte];
            one = first[byte];
        }
        all
    }
}

const JWT: &str = "eyJ";
const PEM: &str = "-----BEGIN ";
const PEM_END: &str = "-----END ";

#[expect(clippy::indexing_slicing, reason = "it runs when the code is compiled")]
static STARTS: Starts = {
    let mut starts = Starts([[0; 256]; 3]).with(JWT, 31);
    let mut place = 0;
    while place < PATTERNS.len() {
        starts = starts.with(PATTERNS[place].prefix, place % 32);
        place += 1;
    }
    // What stands between the scheme and the user of an address, with backslashes as in JSON.
    starts = starts
        .with(PEM, 32 + 27)
        .with("://", 32 + 28)
        .with(":/\\", 32 + 29)
        .with(":\\/", 32 + 30)
        .with(":\\\\", 32 + 31);
    place = 0;
    while place < NAMED.len() {
        starts = starts.with(NAMED[place].name, 32 + place % 32);
        place += 1;
    }
    starts
};

/// Keys of `DeepSeek`, older ones of `OpenAI`, and those of many services that copy its API.
const ANYBODYS: Pattern = super::pattern("secret", "sk-", Charset::Alphanumeric, (32, 32));

/// A secret that its own shape tells.
fn find_shape(bytes: &[u8], at: usize, state: &mut State) -> Option<Found> {
    let rest = bytes.get(at..)?;
    if rest.starts_with(JWT.as_bytes()) {
        return Some(Found::new((at, jwt_end(bytes, at, state)?), "jwt"));
    }
    if !begins_word(bytes, at, state.done) {
        return None;
    }
    PATTERNS.iter().chain([&ANYBODYS]).find_map(|pattern| {
        if !rest.starts_with(pattern.prefix.as_bytes()) {
            return None;
        }
        let (pieces, end) = run(
            bytes,
            at + pattern.prefix.len(),
            pattern.charset,
            usize::MAX,
        );
        let enough = (pattern.usual.0 * 3 / 4).clamp(10, 255);
        if pieces < enough {
            return None;
        }
        Some(Found::new((at, end), pattern.provider))
    })
}

/// Whether a word can begin at a position: before it stands no letter or digit, but for an escape of JSON, of an address or of a
/// terminal's colour.
fn begins_word(bytes: &[u8], at: usize, done: usize) -> bool {
    let before = bytes.get(..at).unwrap_or_default();
    let Some(last) = before.last().filter(|_| at != done) else {
        return true;
    };
    if !last.is_ascii_alphanumeric() {
        return true;
    }
    let is_hex = |digits: &[&u8]| digits.iter().all(|digit| digit.is_ascii_hexdigit());
    match before {
        [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f'] => true,
        [.., b'%', a, b] if is_hex(&[a, b]) => true,
        [.., b'\\', b'u', a, b, c, d] if is_hex(&[a, b, c, d]) => true,
        [before @ .., b'm'] => {
            let is_code = |byte: &u8| byte.is_ascii_digit() || *byte == b';';
            before.iter().rev().find(|byte| !is_code(byte)) == Some(&b'[')
        }
        _ => false,
    }
}

/// How many characters of a set, at most so many, follow one another from a position on, and where they end.
fn run(bytes: &[u8], at: usize, charset: Charset, most: usize) -> (usize, usize) {
    let mut pieces = 0;
    let mut end = at;
    while pieces < most
        && let Some(length) = piece(bytes.get(end..).unwrap_or_default(), charset)
    {
        pieces += 1;
        end += length;
    }
    (pieces, end)
}

/// The bytes of the first character, if it belongs to the set. Signs of base64 may be escaped, as in addresses or in JSON.
fn piece(rest: &[u8], charset: Charset) -> Option<usize> {
    let first = *rest.first()?;
    if charset.has(first) {
        return Some(1);
    }
    if !matches!(charset, Charset::Base64 | Charset::Encoded) {
        return None;
    }
    let sign = |high: u8, low: u8| {
        high == b'2' && matches!(low, b'b' | b'B' | b'f' | b'F')
            || high == b'3' && matches!(low, b'd' | b'D')
    };
    match rest {
        [b'%', high, low, ..] if sign(*high, *low) => Some(3),
        [b'\\', ..] => {
            let slashes = backslashes(rest);
            match rest.get(slashes..)? {
                [b'/', ..] => Some(slashes + 1),
                [b'u', b'0', b'0', high, low, ..] if sign(*high, *low) => Some(slashes + 5),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The backslashes with which bytes begin.
fn backslashes(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| **byte == b'\\').count()
}

/// The end of a JSON Web Token: three parts, of which the first two are JSON.
fn jwt_end(bytes: &[u8], at: usize, state: &mut State) -> Option<usize> {
    let part = |at: usize, begin: &str| {
        let rest = bytes.get(at..)?;
        if !rest.starts_with(begin.as_bytes()) {
            return None;
        }
        let (pieces, end) = run(bytes, at + begin.len(), Charset::Url, usize::MAX);
        (pieces >= 8).then_some(end)
    };
    if at < state.no_jwt_before {
        return None;
    }
    let header = part(at, JWT)?;
    let end = part(header, ".eyJ").and_then(|claims| part(claims, "."));
    if end.is_none() {
        state.no_jwt_before = header;
    }
    end
}

/// The end of a private key: that of its last line or, without one, where it cannot go on. No end of a JSON string is passed over.
fn pem_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = label_end(bytes, after_word(bytes, at, PEM)?)?;
    // Where the text cannot be one of a key any more.
    let mut broken = None;
    while let Some(byte) = bytes.get(at).copied() {
        let rest = bytes.get(at..).unwrap_or_default();
        let is_of_key = match byte {
            b'"' => break,
            b'\\' => {
                let slashes = backslashes(rest);
                if rest.get(slashes) == Some(&b'"') {
                    break;
                }
                at += slashes;
                continue;
            }
            b'-' if rest.starts_with(PEM_END.as_bytes()) => {
                match label_end(bytes, at + PEM_END.len()) {
                    Some(end) => return Some(end),
                    None => break,
                }
            }
            b'-' if rest.starts_with(PEM.as_bytes()) => break,
            // Another key, its beginning in lower case: each of many would otherwise read all that follow.
            b'-' if after_word(bytes, at, PEM)
                .and_then(|end| label_end(bytes, end))
                .is_some() =>
            {
                break;
            }
            b'-' => rest.get(1) != Some(&b'-'),
            b'+' | b'/' | b'=' | b':' | b',' => true,
            byte => byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || byte == 0x0b,
        };
        if !is_of_key && broken.is_none() {
            broken = Some(at);
        }
        at += 1;
    }
    Some(broken.unwrap_or(at))
}

/// The end of `RSA PRIVATE KEY-----`.
fn label_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let is_label =
        |byte: &&u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b' ';
    let length = rest.iter().take_while(is_label).count();
    let (label, after) = rest.split_at_checked(length)?;
    let is_private = label.ends_with(b"PRIVATE KEY") || label.ends_with(b"PRIVATE KEY BLOCK");
    (is_private && after.starts_with(b"-----")).then_some(at + length + 5)
}

/// A secret that only the name beside it tells.
struct Named {
    name: &'static str,
    provider: &'static str,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    /// The value of a parameter of an address.
    Parameter,
    /// So many characters, no more.
    Exactly(usize, Charset),
    /// At least 32 hexadecimal digits.
    Hex,
    /// The text of a field of JSON whose name ends with this one: any text without white space that is no placeholder.
    Password,
    /// The same, but no path: `pwd` also names a directory.
    PasswordOrDirectory,
    /// The same: a token, that is at least 16 letters, digits and signs, with both among them, and no UUID.
    Token,
}

const fn named(name: &'static str, provider: &'static str, form: Form) -> Named {
    Named {
        name,
        provider,
        form,
    }
}

/// In lower case; the case of a text's letters does not count.
const NAMED: [Named; 28] = {
    use Charset::{Alphanumeric, Base64};
    use Form::{Exactly, Hex, Parameter, Password, PasswordOrDirectory, Token};
    [
        named("password", "password", Parameter),
        named("passwd", "password", Parameter),
        named("pwd", "password", Parameter),
        named("token", "secret", Parameter),
        named("api_key", "secret", Parameter),
        named("api-key", "secret", Parameter),
        named("apikey", "secret", Parameter),
        named("secret", "secret", Parameter),
        named("mistral", "mistral", Exactly(32, Alphanumeric)),
        named("cohere", "cohere", Exactly(40, Alphanumeric)),
        named("secret_access_key", "aws", Exactly(40, Base64)),
        named("secretaccesskey", "aws", Exactly(40, Base64)),
        named("token", "secret", Hex),
        named("api_key", "secret", Hex),
        named("api-key", "secret", Hex),
        named("apikey", "secret", Hex),
        named("secret", "secret", Hex),
        named("password", "password", Password),
        named("passwd", "password", Password),
        named("passphrase", "password", Password),
        named("pwd", "password", PasswordOrDirectory),
        named("token", "secret", Token),
        named("secret", "secret", Token),
        named("secret_key", "secret", Token),
        named("secretkey", "secret", Token),
        named("api_key", "secret", Token),
        named("api-key", "secret", Token),
        named("apikey", "secret", Token),
    ]
};

/// Words between a name and the secret's separator.
const BETWEEN: [&str; 6] = ["api", "key", "token", "secret", "access", "ai"];

/// A private key, a secret after its name, or a password in an address.
fn find_named(bytes: &[u8], at: usize, _: &mut State) -> Option<Found> {
    match bytes.get(at)? {
        b'-' => return Some(Found::new((at, pem_end(bytes, at)?), "pem")),
        b':' => return Some(Found::new(userinfo(bytes, at)?, "password")),
        _ => {}
    }
    NAMED.iter().find_map(|named| {
        let end = after_word(bytes, at, named.name)?;
        let place = match named.form {
            Form::Parameter => parameter(bytes, at, end),
            Form::Exactly(length, charset) => value(bytes, end, |start, gap| {
                // A sign of base64 before the first letter or digit is the secret's.
                let is_sign = |byte: &&u8| **byte == b'+' || **byte == b'/';
                let before = gap.iter().skip(1).rev().take_while(is_sign).count();
                let start = start
                    - if charset == Charset::Base64 {
                        before
                    } else {
                        0
                    };
                // One more tells that it is too long. A name and its separator can be of the set, too: without a limit each of many
                // names would read all that follow.
                let (pieces, end) = run(bytes, start, charset, length + 1);
                (pieces == length && ends_word(bytes, end)).then_some((start, end))
            }),
            Form::Hex => value(bytes, end, |start, _| {
                let rest = bytes.get(start..)?;
                let length = rest.iter().take_while(|b| b.is_ascii_hexdigit()).count();
                let end = start + length;
                (length >= 32 && ends_word(bytes, end)).then_some((start, end))
            }),
            Form::Password => field(bytes, end, is_password),
            Form::PasswordOrDirectory => field(bytes, end, |text| {
                !text.iter().any(|byte| b"/\\".contains(byte)) && is_password(text)
            }),
            Form::Token => field(bytes, end, is_token),
        }?;
        Some(Found::new(place, named.provider))
    })
}

fn ends_word(bytes: &[u8], at: usize) -> bool {
    !bytes.get(at).is_some_and(u8::is_ascii_alphanumeric)
}

/// The end of a word at a position; none if another one stands there.
fn after_word(bytes: &[u8], at: usize, word: &str) -> Option<usize> {
    let end = at + word.len();
    let found = bytes.get(at..end)?;
    found.eq_ignore_ascii_case(word.as_bytes()).then_some(end)
}

/// The value after a name, if one fits that begins at the first letter or digit after a separator. `fits` gets that place, and the
/// separator.
fn value(
    bytes: &[u8],
    mut at: usize,
    fits: impl Fn(usize, &[u8]) -> Option<(usize, usize)>,
) -> Option<(usize, usize)> {
    for _ in 0..6 {
        let rest = bytes.get(at..)?;
        let gap = rest
            .iter()
            .take_while(|b| !b.is_ascii_alphanumeric())
            .count();
        let start = at + gap;
        let gap = rest.get(..gap)?;
        // JSON in JSON doubles its backslashes with each level.
        let signs = gap.iter().filter(|byte| **byte != b'\\').count();
        if (1..=12).contains(&signs)
            && let Some(found) = fits(start, gap)
        {
            return Some(found);
        }
        let mut words = BETWEEN.iter();
        at = words.find_map(|word| after_word(bytes, start, word).filter(|_| signs <= 12))?;
    }
    None
}

/// The text of a field of JSON whose name ends at a position, if it fits. In JSON that is a text of JSON, the quotes of both have the same
/// number of backslashes.
fn field(bytes: &[u8], at: usize, fits: fn(&[u8]) -> bool) -> Option<(usize, usize)> {
    let level = backslashes(bytes.get(at..)?);
    let blank = |at: usize| {
        let rest = bytes.get(at..).unwrap_or_default();
        let length = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
        at + length
    };
    let quote = |at: usize| {
        let rest = bytes.get(at..)?;
        let is_quote = backslashes(rest) == level && rest.get(level) == Some(&b'"');
        is_quote.then_some(at + level + 1)
    };
    let colon = blank(quote(at)?);
    bytes.get(colon).filter(|byte| **byte == b':')?;
    let start = quote(blank(colon + 1))?;
    let mut end = start;
    loop {
        match *bytes.get(end)? {
            b'"' => break,
            b'\\' => {
                let slashes = backslashes(bytes.get(end..)?);
                // As many stand for one backslash of the text, and one less before a quote of the text.
                let escaped = 2 * level + 2;
                if bytes.get(end + slashes) != Some(&b'"') {
                    end += slashes;
                } else if slashes % escaped == escaped - 1 {
                    end += slashes + 1;
                } else {
                    end += slashes - slashes % escaped;
                    break;
                }
            }
            byte if byte.is_ascii_whitespace() || byte == 0x0b => return None,
            _ => end += 1,
        }
    }
    let text = bytes.get(start..end)?;
    fits(text).then_some((start, end))
}

/// Whether the text of a field that is called so can be a password: not what stands in forms, in types, or for a variable.
fn is_password(text: &[u8]) -> bool {
    let words: [&[u8]; 4] = [b"string", b"password", b"required", b"optional"];
    let is_placeholder = text.first().is_some_and(|byte| b"$<{%*[(".contains(byte))
        || words.iter().any(|word| text.eq_ignore_ascii_case(word));
    // Without those of escapes, of which deeper JSON has more.
    let signs = text.iter().filter(|byte| **byte != b'\\').count();
    signs >= 4 && !is_placeholder
}

/// Whether the text of a field that is called so can be a token.
fn is_token(text: &[u8]) -> bool {
    let is_sign = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.+/=~-".contains(byte);
    text.len() >= 16
        && text.iter().all(is_sign)
        && text.iter().any(u8::is_ascii_digit)
        && text.iter().any(u8::is_ascii_alphabetic)
        && !std::str::from_utf8(text).is_ok_and(crate::id::is_uuid)
}

/// Whether a byte ends a value in an address, also where the address stands in code or in a text.
fn ends_value(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b || b"\"'`<>\\()[]{}#?".contains(&byte)
}

/// The value of a parameter whose name ends with a word from `at` to `end`.
fn parameter(bytes: &[u8], at: usize, end: usize) -> Option<(usize, usize)> {
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    let before = bytes.get(..at)?;
    let name = before
        .iter()
        .rev()
        .take(40)
        .take_while(|b| is_of_name(b))
        .count();
    let (before, name) = before.split_at_checked(at - name)?;
    let is_parameter = match before {
        [.., b'&', b'&'] => false,
        [.., b'?' | b'&'] | [.., b'&', b'a', b'm', b'p', b';'] => true,
        // An ampersand as some writers of JSON escape it.
        [.., b'\\'] => name.starts_with(b"u0026"),
        _ => false,
    };
    if !is_parameter || bytes.get(end) != Some(&b'=') {
        return None;
    }
    let start = end + 1;
    let rest = bytes.get(start..)?;
    let ends = |byte: u8| ends_value(byte) || b"&$|;".contains(&byte);
    let length = rest.iter().take_while(|byte| !ends(**byte)).count();
    (length >= 4).then_some((start, start + length))
}

/// The password in `scheme://user:password@host`, from the first colon on.
fn userinfo(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let is_of_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+.-".contains(byte);
    bytes.get(..at)?.last().filter(|byte| is_of_scheme(byte))?;
    let mut at = at + 1;
    for _ in 0..2 {
        at += backslashes(bytes.get(at..)?);
        bytes.get(at).filter(|byte| **byte == b'/')?;
        at += 1;
    }
    // A user that was a secret itself.
    if bytes.get(at..)?.starts_with(b"[redacted:") {
        at += 1 + bytes.get(at..)?.iter().take(40).position(|b| *b == b']')?;
    }
    let part = |at: usize, most: usize, end: u8| {
        let rest = bytes.get(at..)?;
        let ends = |byte: u8| ends_value(byte) || b"/@".contains(&byte) || byte == end;
        let length = rest
            .iter()
            .take(most)
            .take_while(|byte| !ends(**byte))
            .count();
        (rest.get(length) == Some(&end)).then_some(at + length)
    };
    let start = part(at, 100, b':')? + 1;
    let end = part(start, 200, b'@')?;
    let password = bytes.get(start..end)?;
    let is_variable = password
        .strip_prefix(b"$")
        .is_some_and(|name| name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_'));
    (end > start && !is_variable).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::{Value, json};

    #[derive(Deserialize)]
    struct Cases {
        contexts: Vec<(String, String)>,
        shapes: Vec<Shape>,
        named: Vec<InPlace>,
        kept: Vec<String>,
    }

    #[derive(Deserialize)]
    struct Shape {
        provider: String,
        secret: String,
    }

    #[derive(Deserialize)]
    struct InPlace {
        provider: String,
        before: String,
        secret: String,
        after: String,
    }

    fn cases() -> Cases {
        serde_json::from_str(include_str!("../../tests/core/support/secrets.json")).unwrap()
    }

    fn clean(text: &str) -> String {
        redact(text).map_or_else(|| text.to_owned(), |redacted| redacted.text)
    }

    /// A text, and the text as JSON in JSON in JSON, at each level.
    fn nested(text: &str) -> [String; 4] {
        let once = json!({ "text": text }).to_string();
        let twice = json!({ "json": once }).to_string();
        let thrice = json!({ "more": [twice] }).to_string();
        [text.to_owned(), once, twice, thrice]
    }

    fn assert_redacted(text: &str, wanted: &str, provider: &str) {
        for (text, wanted) in nested(text).iter().zip(nested(wanted)) {
            let redacted = redact(text).unwrap_or_else(|| panic!("{provider} stays in {text}"));
            assert_eq!(redacted.text, wanted, "{provider} in {text}");
            assert_eq!(redacted.counts.len(), 1, "{text}");
            assert_eq!(redacted.counts[0].0, provider, "{text}");
            assert_eq!(redacted.counts[0].1, 1, "{text}");
        }
    }

    #[test]
    fn each_shape_is_taken_out_wherever_it_stands() {
        let cases = cases();
        for Shape { provider, secret } in &cases.shapes {
            for (before, after) in &cases.contexts {
                let text = [before, secret, after].map(String::as_str).concat();
                let wanted = format!("{before}[redacted:{provider}]{after}");
                assert_redacted(&text, &wanted, provider);
            }
        }
        let listed = PATTERNS.iter().map(|pattern| pattern.prefix);
        for prefix in listed {
            let known = |shape: &Shape| shape.secret.starts_with(prefix);
            assert!(cases.shapes.iter().any(known), "{prefix} has no case");
        }
    }

    #[test]
    fn a_secret_without_a_shape_is_told_by_what_stands_beside_it() {
        for InPlace {
            provider,
            before,
            secret,
            after,
        } in cases().named
        {
            let text = [&*before, &*secret, &*after].concat();
            let wanted = format!("{before}[redacted:{provider}]{after}");
            assert_redacted(&text, &wanted, &provider);
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in cases().kept {
            for text in nested(&text) {
                assert_eq!(redact(&text), None, "{text}");
            }
        }
    }

    #[test]
    fn a_field_of_json_names_a_password_at_any_depth() {
        for (password, left) in [
            ("hunter2", "[redacted:password]"),
            ("a\"b\\c", "[redacted:password]"),
            ("a\\", "a\\"),
            ("ends\\", "[redacted:password]"),
            ("\\\"quoted\"", "[redacted:password]"),
        ] {
            let within = |text: &str| {
                let mut value = json!({ "password": text, "b": "\"c\\" });
                for _ in 0..5 {
                    value = json!({ "env": { "a": [value] } });
                }
                value.to_string()
            };
            let (given, wanted) = (within(password), within(left));
            for (text, wanted) in nested(&given).iter().zip(nested(&wanted)) {
                assert_eq!(clean(text), wanted);
            }
        }
    }

    #[test]
    fn secrets_are_counted_by_provider() {
        let Cases { shapes, .. } = cases();
        let of = |provider: &str| {
            let found = shapes.iter().find(|shape| shape.provider == provider);
            found.unwrap().secret.clone()
        };
        let (github, stripe) = (of("github"), of("stripe"));
        let text = format!("{github} {stripe} {github}\nhttps://{github}:hunter2@host {github}");
        let redacted = redact(&text).unwrap();
        assert_eq!(
            redacted.text,
            "[redacted:github] [redacted:stripe] [redacted:github]\nhttps://[redacted:github]:[redacted:password]@host [redacted:github]"
        );
        assert_eq!(
            redacted.counts,
            [("github", 4), ("stripe", 1), ("password", 1)]
        );
    }

    #[test]
    fn an_escape_hides_no_secret_at_any_level() {
        let key = format!("ghp_{}", "a1B2".repeat(9));
        let escape = |text: &str, slashes: usize, every: usize| -> String {
            let place = |(at, one): (usize, char)| {
                if at % every == 0 {
                    format!("{}u{:04X}", "\\".repeat(slashes), u32::from(one))
                } else {
                    one.to_string()
                }
            };
            text.chars().enumerate().map(place).collect()
        };
        for slashes in [1, 2, 4] {
            for every in [1, 3, 50] {
                let written = escape(&key, slashes, every);
                let text = format!("{{\"a\": 1.50, \"b\": \"x {written} y\"}}");
                let redacted = redact(&text).unwrap();
                assert_eq!(
                    redacted.text,
                    "{\"a\": 1.50, \"b\": \"x [redacted:github] y\"}"
                );
                assert_eq!(redacted.counts, [("github", 1)]);
            }
        }
        // As some writers write the quotes of JSON in JSON.
        let field = r#"{"a":"{\u0022password\u0022:\u0022hunter2\u0022}"}"#;
        assert_eq!(
            clean(field),
            r#"{"a":"{\"password\":\"[redacted:password]\"}"}"#
        );
        let backslash = r#"{"a":"\u005cu0067hp_0123456789abcdefghijABCDEFGHIJ012345"}"#;
        assert_eq!(clean(backslash), r#"{"a":"[redacted:github]"}"#);
    }

    #[test]
    fn escapes_that_hide_nothing_stay() {
        let key = format!("ghp_{}", "a1B2".repeat(9));
        for text in [
            "{\"a\":\"\\u003cb\\u003e \\u00e9 \\\\u0067 \\u0000\"}",
            "\\u00",
            "\\u006",
            "\\u00+6",
            "u0067",
        ] {
            assert_eq!(redact(text), None, "{text}");
            let with = format!("{text} {key}");
            assert_eq!(clean(&with), format!("{text} [redacted:github]"));
        }
    }

    #[test]
    fn one_secret_may_follow_another() {
        let aws = "AKIAABCDEFGHIJKLMNOP";
        let github = cases()
            .shapes
            .into_iter()
            .find(|shape| shape.secret.starts_with("ghp_"));
        let text = format!("{aws}{}", github.unwrap().secret);
        assert_eq!(clean(&text), "[redacted:aws][redacted:github]");
    }

    #[test]
    fn a_hostile_text_takes_no_longer_than_its_length_allows() {
        let pem = "-----BEGIN PRIVATE KEY-----";
        for part in [
            "eyJ",
            "-eyJ",
            "eyJaaaaaaaa.",
            "eyJaaaaaaaa.eyJaaaaaaaa.",
            pem,
            "\\",
            "whsec_\\",
            "xoxb-",
            "[0;m",
            "0;msk-",
            "token",
            "token ",
            "secret api key ",
            "password\":\"",
            "password\\\":\\\"",
            "\"token\":\"a1",
            "token\\",
            "?token=",
            "a://",
            "a://[redacted:",
            "a://b:",
            "mistral",
            "-----END ",
            "-----BEGIN ",
            "-----begin PRIVATE KEY-----!",
            "secretaccesskey/",
        ] {
            // A second for all of them; read again from each place it would be hours.
            let text = part.repeat(1_000_000 / part.len());
            let _ = redact(&text);
            let _ = redact(&format!("{pem}{text}"));
        }
    }

    /// Pieces of texts among which a secret is hard to see, or JSON is easily broken.
    fn fragment() -> impl Strategy<Value = String> {
        let Cases { shapes, .. } = cases();
        let secrets: Vec<String> = shapes.into_iter().map(|shape| shape.secret).collect();
        let words: Vec<String> = [
            "\\",
            "\"",
            "/",
            "\n",
            "\u{e9}",
            "\u{1b}[0m",
            " ",
            "=",
            "-",
            "--",
            "-----",
            "-----BEGIN PRIVATE KEY-----",
            "-----END PRIVATE KEY-----",
            "eyJ",
            ".",
            "sk-",
            "whsec_",
            "token",
            "?token=",
            "&",
            "a://b:c",
            "@",
            ":",
            "api_key",
            "password",
            "\":\"",
            "\\\":\\\"",
            "mistral",
            "0123456789abcdef",
            "u0026",
            "\\u0026",
            "\\u0067hp_",
            "\\u0022",
            "\\u005c",
            "\\n",
            "{",
            "}",
            "[",
            "]",
            ",",
            "$",
        ]
        .map(str::to_owned)
        .to_vec();
        prop_oneof![
            1 => prop::sample::select(secrets),
            6 => prop::sample::select(words),
            1 => "[ -~]{0,6}",
        ]
    }

    proptest! {
        #[test]
        fn json_stays_json_and_a_clean_text_stays_as_it_is(fragments in prop::collection::vec(fragment(), 0..12)) {
            let text = fragments.concat();
            for text in &nested(&text)[1..] {
                let once = clean(text);
                prop_assert!(serde_json::from_str::<Value>(&once).is_ok(), "{} became {}", text, once);
            }
            for text in nested(&text) {
                let once = clean(&text);
                prop_assert_eq!(&clean(&once), &once);
            }
        }

        #[test]
        fn no_secret_survives_between_other_texts(before in fragment(), at in 0..72usize, after in "[ \"'<>,;\n\\\\]?[ -~]{0,9}") {
            let Cases { shapes, .. } = cases();
            let Some(Shape { secret, .. }) = shapes.get(at) else { return Ok(()) };
            let text = format!("{before} {secret}{after}");
            for text in nested(&text) {
                let body = secret.get(secret.len() / 2..secret.len() / 2 + 8).unwrap_or_default();
                prop_assume!(!before.contains(body) && !after.contains(body));
                prop_assert!(!clean(&text).contains(body), "{}", text);
            }
        }
    }
}
