//! Cloudflare's services: the cache of the data centre and the rate limiter.

use std::cell::Cell;

use http::HeaderValue;
use http::header::CACHE_CONTROL;
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use worker::console_error;
use worker::web_sys::{self, ReadableStream};

use super::messages::{outgoing, relayed};
use super::waits::PromiseFuture;
use crate::message::Response;

/// The prefix of names in the platform's cache: a host that nobody owns.
const CACHE_PREFIX: &str = "https://rowgate.invalid/";

thread_local! {
    static CACHE_FAILED: Cell<bool> = const { Cell::new(false) };
}

/// What [`cache_put`] stored under this name.
pub(super) async fn cache_get(name: &str) -> Option<Response<ReadableStream>> {
    let cached = cache()
        .ok()?
        .match_with_str(&format!("{CACHE_PREFIX}{name}"));
    let cached = PromiseFuture::of(&cached).await.ok()?;
    relayed(cached.dyn_ref()?)
}

/// Stores an answer for some seconds.
pub(super) async fn cache_put(name: &str, mut response: Response<()>, seconds: u32) {
    if let Ok(lifetime) = HeaderValue::from_str(&format!("max-age={seconds}")) {
        response.headers.insert(CACHE_CONTROL, lifetime);
    }
    let Ok(response) = outgoing(&response) else {
        return;
    };
    let cached = async {
        let cached = cache()?.put_with_str(&format!("{CACHE_PREFIX}{name}"), &response);
        PromiseFuture::of(&cached).await
    };
    // A runtime without a cache fails at every call, so log it once.
    if cached.await.is_err() && !CACHE_FAILED.replace(true) {
        console_error!("{}", serde_json::json!({"event": "cache_failed"}));
    }
}

/// Cloudflare's cache of this data centre.
fn cache() -> Result<web_sys::Cache, JsValue> {
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    Reflect::get(scope.caches()?.as_ref(), &"default".into())?.dyn_into()
}

/// Calls `RATE_LIMITER.limit({key})` and gives the `success` of its result.
pub(super) async fn ask_limiter(limiter: &JsValue, key: &str) -> Result<JsValue, JsValue> {
    let limit: Function = Reflect::get(limiter, &"limit".into())?.dyn_into()?;
    let options = Object::new();
    Reflect::set(&options, &"key".into(), &key.into())?;
    let verdict: Promise = limit.call1(limiter, &options)?.dyn_into()?;
    Reflect::get(&PromiseFuture::of(&verdict).await?, &"success".into())
}
