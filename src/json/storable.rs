//! Rewrites JSON so that PostgreSQL can store it and every reader gets the same values: a value that would be refused
//! or changed on the way becomes a string with the text that was sent. Text that is not JSON does not become JSON:
//! parse before or after.

use std::borrow::Cow;

/// The deepest nesting of objects and arrays. PostgreSQL's parser gives up at a few thousand levels, serde's at 128.
const MAX_DEPTH: usize = 100;
/// The most characters of a number.
const MAX_NUMBER_LENGTH: usize = 40;
/// The largest power of ten of a number's first digit, in either direction. PostgreSQL writes every zero: one byte of
/// an exponent would become thousands.
const MAX_MAGNITUDE: i32 = 20;
/// A 64-bit float represents every number of up to so many digits exactly.
const SAFE_DIGITS: usize = 15;
/// Stands in for an escape that cannot be stored.
const REPLACEMENT: &str = "\\ufffd";

/// Makes a string of each number that would change as a 64-bit float, which is what JavaScript reads.
#[must_use]
pub fn exact_numbers(json: &str) -> Cow<'_, str> {
    Rewriter::new(json, false).run()
}

/// The same. Also replaces every escape that PostgreSQL cannot store (a NUL, a lone surrogate) by the replacement
/// character, and makes a string of every value that is nested too deeply.
#[must_use]
pub fn storable(json: &str) -> Cow<'_, str> {
    Rewriter::new(json, true).run()
}

/// The numbers of a JSON text, as they were sent.
pub fn numbers(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = json;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit())?;
            rest = rest.get(start..)?;
            let Some(text) = rest.strip_prefix('"') else {
                let end = rest.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c)));
                let (number, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
                rest = after;
                return Some(number);
            };
            rest = after_string(text);
        }
    })
}

/// What follows a string whose opening quote has been read.
fn after_string(text: &str) -> &str {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.and_then(|end| text.get(end + 1..)).unwrap_or_default()
}

struct Rewriter<'a> {
    json: &'a str,
    made: String,
    /// The start of the text that has not been copied yet.
    rest: usize,
    everything: bool,
}

impl<'a> Rewriter<'a> {
    fn new(json: &'a str, everything: bool) -> Self {
        Self {
            json,
            made: String::new(),
            rest: 0,
            everything,
        }
    }

    fn run(mut self) -> Cow<'a, str> {
        let mut depth = 0_usize;
        let mut at = 0;
        while let Some(byte) = self.byte(at) {
            let end = match byte {
                b'"' => self.string(at),
                b'-' | b'0'..=b'9' => self.number(at),
                b'[' | b'{' if self.everything && depth == MAX_DEPTH => self.too_deep(at),
                b'[' | b'{' => {
                    depth += 1;
                    at + 1
                }
                b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    at + 1
                }
                _ => at + 1,
            };
            at = end;
        }
        if self.rest == 0 {
            return Cow::Borrowed(self.json);
        }
        self.made
            .push_str(self.json.get(self.rest..).unwrap_or_default());
        Cow::Owned(self.made)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.json.as_bytes().get(at).copied()
    }

    fn replace(&mut self, start: usize, end: usize, by: &str) {
        let before = self.json.get(self.rest..start).unwrap_or_default();
        self.made.push_str(before);
        self.made.push_str(by);
        self.rest = end;
    }

    /// The end of the string that begins at `start`.
    fn string(&mut self, start: usize) -> usize {
        let bytes = self.json.as_bytes();
        let mut at = start + 1;
        while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
            at += found;
            match self.byte(at) {
                Some(b'\\') => at = self.escape(at),
                _ => return at + 1,
            }
        }
        bytes.len()
    }

    fn escape(&mut self, at: usize) -> usize {
        let unit = |at: usize| {
            let digits = self.json.get(at..at + 6)?.strip_prefix("\\u")?;
            u16::from_str_radix(digits, 16).ok()
        };
        match (unit(at), unit(at + 6)) {
            (None, _) => at + 2,
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at + 12,
            (Some(0 | 0xd800..=0xdfff), _) if self.everything => {
                self.replace(at, at + 6, REPLACEMENT);
                at + 6
            }
            (Some(_), _) => at + 6,
        }
    }

    fn number(&mut self, start: usize) -> usize {
        let mut end = start;
        while matches!(
            self.byte(end),
            Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
        ) {
            end += 1;
        }
        let number = self.json.get(start..end).unwrap_or_default();
        if !is_exact(number) {
            self.replace(start, end, &format!("\"{number}\""));
        }
        end
    }

    /// Makes a string of the value that begins at `start`.
    fn too_deep(&mut self, start: usize) -> usize {
        let mut depth = 0_usize;
        let mut in_string = false;
        let mut at = start;
        while let Some(byte) = self.byte(at) {
            at += 1;
            match byte {
                b'\\' if in_string => at += 1,
                b'"' => in_string = !in_string,
                b'[' | b'{' if !in_string => depth += 1,
                b']' | b'}' if !in_string => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        let value = self.json.get(start..at).unwrap_or_default();
        let text = serde_json::Value::from(value).to_string();
        self.replace(start, at, &text);
        at
    }
}

/// Whether a number survives as a 64-bit float, and in about as many characters.
fn is_exact(number: &str) -> bool {
    if number.len() <= SAFE_DIGITS && !number.contains(['e', 'E']) {
        return true;
    }
    if number.len() > MAX_NUMBER_LENGTH {
        return false;
    }
    let Some((digits, magnitude)) = decimal(number) else {
        // Not a number, or its exponent is out of range.
        return false;
    };
    if magnitude.abs() > MAX_MAGNITUDE {
        return false;
    }
    digits.len() <= SAFE_DIGITS
        || number
            .parse::<f64>()
            .is_ok_and(|float| decimal(&format!("{float:e}")) == Some((digits, magnitude)))
}

/// The digits of a number without leading and trailing zeros, and the power of ten of the first digit.
fn decimal(number: &str) -> Option<(String, i32)> {
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let mantissa = mantissa.trim_start_matches('-');
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let zeros = all.len() - all.trim_start_matches('0').len();
    let digits = all.trim_matches('0').to_owned();
    let places = i32::try_from(whole.len()).ok()? - 1 - i32::try_from(zeros).ok()?;
    let magnitude = if digits.is_empty() {
        exponent
    } else {
        places.checked_add(exponent)?
    };
    Some((digits, magnitude))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_a_float_would_change_become_strings() {
        let same = [
            "0",
            "-0",
            "0.0",
            "7",
            "-1.5e3",
            "1751247548",
            "123456789012345",
            "0.30000000000000004",
            "9007199254740992",
            "100000000000000000000",
            "1.2e-7",
            "5e-20",
            "-16505551234.25",
        ];
        let texts = [
            "9007199254740993",
            "12345678901234567",
            "16505550123165055501231",
            "0.1000000000000000055511151231257827",
            "1e21",
            "1e400",
            "1e131072",
            "1e99999999999999999999",
            "0e99999999",
            "-1e-400",
            &"9".repeat(200_000),
            &format!("0.{}1", "0".repeat(20_000)),
            &format!("0.{}", "0".repeat(20_000)),
        ];
        for number in same {
            assert_eq!(exact_numbers(number), number);
        }
        for number in texts {
            let json = format!("{{\"a\":[{number}, {number}],\"b\" : {number}}}");
            let wanted = format!("{{\"a\":[\"{number}\", \"{number}\"],\"b\" : \"{number}\"}}");
            assert_eq!(exact_numbers(&json), wanted);
            assert_eq!(storable(&json), wanted);
        }
    }

    #[test]
    fn every_number_that_a_float_prints_stays_a_number() {
        let mut seed = 13_u64;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let float = f64::from_bits(seed);
            let written = format!("{float:?}");
            if float.is_finite() && (1e-19..1e20).contains(&float.abs()) {
                assert!(is_exact(&written), "{written}");
            }
            let whole = seed >> 11;
            assert!(is_exact(&whole.to_string()), "{whole}");
        }
    }

    #[test]
    fn strings_and_text_that_is_not_json_stay_unchanged() {
        for json in [
            r#"{"12345678901234567890":"12345678901234567890 \" 1e999"}"#,
            r#""\\\"12345678901234567890""#,
            r#"["é 12345678901234567890"]"#,
            "\"",
            "\"\\",
            "\"\\u12",
            "",
        ] {
            assert_eq!(exact_numbers(json), json);
            assert_eq!(storable(json), json);
        }
    }

    #[test]
    fn only_escapes_that_cannot_be_stored_are_replaced() {
        let cases = [
            (r#"{"a":"x\u0000y"}"#, r#"{"a":"x\ufffdy"}"#),
            (r#"{"a":"\\u0000"}"#, r#"{"a":"\\u0000"}"#),
            (r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"\ud83d\ude00"}"#),
            (r#"{"a":"\ud83dx"}"#, r#"{"a":"\ufffdx"}"#),
            (
                r#"{"a":"\ud83d\ud83d\ude00"}"#,
                r#"{"a":"\ufffd\ud83d\ude00"}"#,
            ),
            (r#"{"a":"\ude00é\n\""}"#, r#"{"a":"\ufffdé\n\""}"#),
        ];
        for (sent, wanted) in cases {
            assert_eq!(storable(sent), wanted);
            assert_eq!(exact_numbers(sent), sent);
        }
    }

    #[test]
    fn a_value_that_is_nested_too_deeply_becomes_a_string() {
        let nested = |depth: usize, inner: &str| {
            format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth))
        };
        let fits = nested(MAX_DEPTH, "1");
        assert_eq!(storable(&fits), fits);
        let deep = nested(MAX_DEPTH, r#"[{"a":"]\"\u0000"}],[2]"#);
        let wanted = nested(MAX_DEPTH, r#""[{\"a\":\"]\\\"\\u0000\"}]","[2]""#);
        assert_eq!(storable(&deep), wanted);
        let bottomless = nested(1_000_000, "");
        let stored = storable(&bottomless);
        assert!(serde_json::from_str::<serde_json::Value>(&stored).is_ok());
        assert_eq!(stored.len(), bottomless.len() + 2);
        assert_eq!(storable(&"[".repeat(1000)).len(), 1002);
    }
}
