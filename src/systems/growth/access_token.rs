//! `/v1/whatsapp/accounts/{id}/access-token`: owners store the token with which they send through Meta. The edge seals
//! it, and no endpoint returns it.

use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use crate::endpoint::{Call, Identity, Incoming, Plan, Secret};
use crate::error::Error;
use crate::formats::json;
use crate::id::is_uuid;
use crate::message::{Body, Response};

/// The most bytes of a token: Meta's have some 200.
const MAX_BYTES: usize = 4096;

/// `PUT`
pub fn set() -> Call {
    Call {
        identity: Identity::Vouched,
        arguments: |incoming, _| {
            let account = account(incoming)?;
            let body = json::body(incoming.content())?;
            let text = token(&body)?;
            let owner = incoming.user.as_deref().unwrap_or_default();
            let owner = owner.to_ascii_lowercase();
            let mut arguments = Map::new();
            arguments.insert("account_id".into(), account.as_str().into());
            arguments.insert("owner_id".into(), owner.as_str().into());
            Ok(Plan::Seal(Box::new(Secret {
                text,
                column: "whatsapp.accounts.access_token",
                row: account,
                owner,
                arguments,
            })))
        },
        ..Call::new("whatsapp", "set_access_token")
    }
}

/// `DELETE`
pub fn remove() -> Call {
    Call {
        arguments: |incoming, _| {
            let account = account(incoming)?;
            Ok(Plan::Call(json!({ "account_id": account }).to_string()))
        },
        answer: |_, outcome, _| {
            outcome.map(|_| Response {
                status: StatusCode::NO_CONTENT,
                headers: HeaderMap::new(),
                body: Body::Empty,
            })
        },
        ..Call::new("whatsapp", "remove_access_token")
    }
}

fn account(incoming: &Incoming) -> Result<String, Error> {
    let id = incoming.segments.get("id");
    if is_uuid(id) {
        Ok(id.to_ascii_lowercase())
    } else {
        Err(Error::NotFound)
    }
}

/// The token of `{"access_token": "..."}`; an error for any other body.
fn token(body: &Value) -> Result<String, Error> {
    let fields = body.as_object();
    let given = fields
        .filter(|fields| fields.len() == 1)
        .and_then(|fields| fields.get("access_token")?.as_str());
    given
        .filter(|text| {
            (20..=MAX_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
        })
        .map(str::to_owned)
        .ok_or(Error::BadSecret {
            wanted: r#"{"access_token": "..."}: 20 to 4096 ASCII characters without a space"#,
        })
}
