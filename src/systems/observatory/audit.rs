//! The heads of the audit chains. The database makes a head every day, and the edge seals its digest under `KEK_<n>`: the database does
//! not have that key, so write access to every table is not enough to forge a head.

use serde_json::{Value, json};

use crate::error::Error;
use crate::hooks::{Binding, Sealed, Services};

/// What the seals are bound to, beside the head's id.
const COLUMN: &str = "private.audit_heads.digest";
/// A head has no owner.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

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
        let sealed = services.seal(digest, &binding(head)).await?;
        let stored = json!({ "id": id, "sealed": sealed.text, "key_version": sealed.key_version });
        services.call("audit_head_sealed", &stored).await?;
        services.log(&format!("sealed the audit head {id}: {digest}"));
    }
    Ok(json!({ "sealed": heads.len() }))
}

/// Opens the seals of all heads, and says which heads are not what the edge has sealed.
///
/// # Errors
/// [`Error::NotConfigured`] if a `KEK_<n>` is not set.
pub async fn verify_heads(found: &Value, services: Services<'_>) -> Result<Value, Error> {
    let heads = found.get("heads").and_then(Value::as_array);
    let heads = heads.map(Vec::as_slice).unwrap_or_default();
    let mut faults = Vec::new();
    for head in heads {
        let mut fault = head.get("fault").and_then(Value::as_str);
        let version = head.get("key_version").and_then(Value::as_u64);
        match version.and_then(|version| u32::try_from(version).ok()) {
            None => fault = fault.or(Some("not sealed")),
            Some(key_version) => {
                let sealed = Sealed {
                    text: text(head, "sealed").to_owned(),
                    key_version,
                };
                match services.open(&sealed, &binding(head)).await {
                    Ok(digest) if digest == text(head, "digest") => {}
                    Err(error @ Error::NotConfigured { .. }) => return Err(error),
                    _ => fault = Some("not as sealed"),
                }
            }
        }
        if let Some(fault) = fault {
            faults.push(json!({ "id": head.get("id"), "at": head.get("at"), "fault": fault }));
        }
    }
    Ok(json!({
        "heads": heads.len(),
        "head_faults": faults,
        "chains": found.get("chains"),
        "chain_faults": found.get("faults"),
    }))
}
