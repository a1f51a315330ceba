//! `GrowthBook`'s hash and ranges, as `experiments.hash` and `private.variant_of` have them in SQL: which variant a unit gets of each
//! running experiment, said without the database. Nothing is stored by it; a unit that was assigned otherwise before (by hand, or
//! while more traffic was let in) is told the hash's word until the database is back.

use serde_json::{Value, json};

use crate::rooms::json as body;
use crate::route::{Fallback, Incoming};
use crate::verify::is_uuid;

/// For `POST /v1/experiments/assign`.
pub const FALLBACK: Fallback = Fallback {
    function: "running_experiments",
    result,
};

/// FNV-1a of 32 bits over UTF-8.
fn fnv1a32(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Where a unit lies, in thousandths (version 1) or ten-thousandths (version 2); none of an unknown version.
fn hash(seed: &str, value: &str, version: u64) -> Option<u32> {
    match version {
        1 => Some(fnv1a32(&format!("{value}{seed}")) % 1000),
        2 => {
            let first = fnv1a32(&format!("{seed}{value}"));
            Some(fnv1a32(&first.to_string()) % 10_000)
        }
        _ => None,
    }
}

/// The variant of a unit, of a running experiment as `edge.running_experiments` gives it; none where namespace, rules or coverage
/// leave it out. Ranges are of steps of a hash, from the first to before the last: the database has worked weights and coverage
/// into them.
fn variant<'a>(experiment: &'a Value, unit: &str, country: Option<&str>) -> Option<&'a str> {
    let has = |range: &Value, step: u32| {
        let bound = |name: &str| range.get(name)?.as_u64();
        let step = u64::from(step);
        bound("from").is_some_and(|from| from <= step) && bound("to").is_some_and(|to| step < to)
    };
    if let Some(range) = experiment
        .get("namespace")
        .filter(|range| range.is_object())
    {
        let step = hash(&format!("__{}", text(range, "id")?), unit, 1)?;
        if !has(range, step) {
            return None;
        }
    }
    let listed = |name: &str| {
        let codes = experiment.get(name)?.as_array()?;
        Some(
            codes
                .iter()
                .any(|code| country.is_some() && code.as_str() == country),
        )
    };
    if listed("countries") == Some(false) || listed("exclude_countries") == Some(true) {
        return None;
    }
    let version = experiment.get("hash_version")?.as_u64()?;
    let step = hash(text(experiment, "hash_seed")?, unit, version)?;
    let variants = experiment.get("variants")?.as_array()?;
    text(variants.iter().find(|range| has(range, step))?, "id")
}

fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// What `experiments.auto_assign_experiments` would say to somebody of whom nothing is stored.
fn result(incoming: &Incoming, running: &Value) -> Option<Value> {
    let asked = body::body(incoming).ok()?;
    let said = |name: &str| match asked.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(text)) if text.is_empty() => Some(None),
        Some(Value::String(text)) if is_unit(text) => Some(Some(text.clone())),
        Some(_) => None,
    };
    let user = incoming.user.clone().or(said("user_id")?);
    // One spelling, one unit.
    let user = user.map(|user| {
        if is_uuid(&user) {
            user.to_ascii_lowercase()
        } else {
            user
        }
    });
    let session = said("session_id")?;
    if user.is_none() && session.is_none() {
        return None;
    }
    let country = incoming.place.country.clone();
    let country = country.or(said("country")?.map(|code| code.to_ascii_uppercase()));
    let assignments: Vec<Value> = running
        .as_array()?
        .iter()
        .filter_map(|experiment| {
            let unit = match text(experiment, "unit")? {
                "user_id" => user.as_deref()?,
                _ => session.as_deref()?,
            };
            let variant = variant(experiment, unit, country.as_deref())?;
            Some(json!({
                "experiment_id": experiment.get("id"),
                "name": experiment.get("name"),
                "variant_id": variant,
                "bucket_version": experiment.get("bucket_version"),
                "is_control": text(experiment, "control") == Some(variant),
                "source": "hash",
            }))
        })
        .collect();
    Some(json!({ "assignments": assignments }))
}

/// Whether a text can name a unit: 1 to 200 characters, none of them a control character.
fn is_unit(text: &str) -> bool {
    (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_growthbook_hold() {
        for (seed, value, version, wanted) in [
            ("", "a", 1, 220),
            ("seed", "a", 2, 505),
            ("foo", "def", 2, 2019),
        ] {
            assert_eq!(hash(seed, value, version), Some(wanted));
        }
        assert_eq!(hash("", "a", 3), None);
    }
}
