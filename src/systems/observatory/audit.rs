//! The heads of the audit chains. The database makes a head every day, and the edge seals its digest and the time under `KEK_<n>`: the
//! database does not have that key, so write access to every table is not enough to forge a head, nor to put one on a day that has passed.

use serde_json::{Value, json};

use crate::error::Error;
use crate::hooks::{Binding, Sealed, Services};

/// What the seals are bound to, beside the head's id.
const COLUMN: &str = "private.audit_heads.digest";
/// A head has no owner.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn binding(head: &Value) -> Binding<'_> {
    Binding {
        column: COLUMN,
        row: text(head, "id"),
        owner: NOBODY,
    }
}

/// Seals the heads that have no seal, and writes their digests to the log, which the database does not have either.
///
/// # Errors
/// [`Error::NotConfigured`] if there is no key to seal with; the database's.
pub async fn seal_heads(services: Services<'_>) -> Result<Value, Error> {
    let found = services.call("audit_head", &json!({})).await?;
    let heads = found.get("heads").and_then(Value::as_array);
    let heads = heads.map(Vec::as_slice).unwrap_or_default();
    for head in heads {
        let (id, digest) = (text(head, "id"), text(head, "digest"));
        let secret = format!("{digest} {}", services.now_ms());
        let sealed = services.seal(&secret, &binding(head)).await?;
        let stored = json!({ "id": id, "sealed": sealed.text, "key_version": sealed.key_version });
        services.call("audit_head_sealed", &stored).await?;
        services.log(&format!("sealed the audit head {id}: {digest}"));
    }
    Ok(json!({ "sealed": heads.len() }))
}

/// What is wrong with a head and, if its seal opens, the day on which it was sealed, counted from 1970.
struct Checked<'a> {
    fault: Option<&'a str>,
    day: Option<u64>,
}

async fn check<'a>(head: &'a Value, services: Services<'_>) -> Result<Checked<'a>, Error> {
    let fault = head.get("fault").and_then(Value::as_str);
    let version = head.get("key_version").and_then(Value::as_u64);
    let Some(key_version) = version.and_then(|version| u32::try_from(version).ok()) else {
        let fault = fault.or(Some("not sealed"));
        return Ok(Checked { fault, day: None });
    };
    let sealed = Sealed {
        text: text(head, "sealed").to_owned(),
        key_version,
    };
    let opened = match services.open(&sealed, &binding(head)).await {
        Err(error @ Error::NotConfigured { .. }) => return Err(error),
        opened => opened.unwrap_or_default(),
    };
    let day = opened
        .split_once(' ')
        .filter(|(digest, _)| *digest == text(head, "digest"))
        .and_then(|(_, at)| at.parse::<u64>().ok())
        .map(|at| at / DAY_MS);
    let fault = if day.is_none() {
        Some("not as sealed")
    } else {
        fault
    };
    Ok(Checked { fault, day })
}

/// For each head, by the days on which they were sealed, how many days passed after it without one. The last one is followed by today.
fn days_without(sealed: &[u64], today: u64) -> Vec<u64> {
    let next = sealed.iter().skip(1).chain([&today]);
    let missing = |(day, next): (&u64, &u64)| next.saturating_sub(*day).saturating_sub(1);
    sealed.iter().zip(next).map(missing).collect()
}

/// Opens the seals of all heads, and says which heads are not what the edge has sealed, and where heads are missing: on a day that has
/// none, or the one that the caller knows of.
///
/// # Errors
/// [`Error::NotConfigured`] if a `KEK_<n>` is not set.
pub async fn verify_heads(found: &Value, services: Services<'_>) -> Result<Value, Error> {
    let heads = found.get("heads").and_then(Value::as_array);
    let heads = heads.map(Vec::as_slice).unwrap_or_default();
    let mut faults = Vec::new();
    let mut note = |head: &Value, fault: &str| {
        faults.push(json!({ "id": head.get("id"), "at": head.get("at"), "fault": fault }));
    };
    let mut sealed = Vec::new();
    for head in heads {
        let checked = check(head, services).await?;
        if let Some(fault) = checked.fault {
            note(head, fault);
        }
        sealed.extend(checked.day.map(|day| (head, day)));
    }
    let days: Vec<u64> = sealed.iter().map(|(_, day)| *day).collect();
    let today = services.now_ms() / DAY_MS;
    for ((head, _), missing) in sealed.iter().zip(days_without(&days, today)) {
        if missing > 0 {
            note(
                head,
                &format!("no head was sealed on the {missing} days after it"),
            );
        }
    }
    if let Some(known) = found.get("known").filter(|known| !known.is_null())
        && text(known, "digest") != text(known, "stored")
    {
        note(known, "is not there with the digest that you know");
    }
    let newest = heads.last().map(
        |head| json!({ "id": head.get("id"), "at": head.get("at"), "digest": head.get("digest") }),
    );
    Ok(json!({
        "heads": heads.len(),
        "head_faults": faults,
        "newest": newest,
        "chains": found.get("chains"),
        "chain_faults": found.get("faults"),
        "next": found.get("next"),
    }))
}

#[cfg(test)]
mod tests {
    use super::days_without;

    #[test]
    fn a_day_without_a_seal_is_missed_between_heads_and_after_the_last() {
        for (sealed, today, missing) in [
            (&[][..], 10, &[][..]),
            (&[10], 10, &[0]),
            (&[9], 10, &[0]),
            (&[8], 10, &[1]),
            (&[7, 8, 8, 9], 9, &[0, 0, 0, 0]),
            (&[1, 4, 5], 7, &[2, 0, 1]),
            // A clock that was wrong.
            (&[9, 4], 4, &[0, 0]),
        ] {
            assert_eq!(days_without(sealed, today), missing, "{sealed:?}");
        }
    }
}
