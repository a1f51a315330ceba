//! Rowgate: an edge backend for PostgREST and PostgreSQL in one WebAssembly bundle.
//!
//! A request passes five stages: route, verify, scope, forward, respond; [`pipeline`] has them in order. The stages are
//! plain Rust; only `platform` and this file know the Workers runtime. The database does all authorisation: nothing
//! here decides who may see a row.

mod body;
pub mod browser;
pub mod config;
pub mod endpoint;
pub mod endpoints;
#[macro_use]
pub mod error;
pub mod formats;
pub mod forward;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod headers;
pub mod hooks;
pub mod id;
pub mod isolate;
pub mod jobs;
pub mod json;
pub mod manifest;
pub mod message;
pub mod pipeline;
pub mod public_key;
pub mod registry;
mod relayed;
pub mod respond;
pub mod route;
pub mod runtime;
pub mod scope;
pub mod sealing;
pub mod secret_patterns;
pub mod services;
pub mod systems;
pub mod text;
pub mod url;
pub mod verify;

#[cfg(target_arch = "wasm32")]
mod platform;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen::prelude::wasm_bindgen;
#[cfg(target_arch = "wasm32")]
use worker::{Env, ScheduleContext, ScheduledEvent, event, web_sys};

/// Smaller and faster than the allocator of the standard library.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// The header names to which both sides of `entry.js` give the same marks.
#[cfg(target_arch = "wasm32")]
#[wasm_bindgen(js_name = headerNames)]
#[must_use]
pub fn header_names(env: &Env) -> String {
    platform::header_names(env, systems::registry)
}

/// The compact form of manifests, which the build writes into `systems.js`, or `!` and what is wrong with them.
#[cfg(target_arch = "wasm32")]
#[wasm_bindgen(js_name = compileManifests)]
#[must_use]
pub fn compile_manifests(text: &str) -> String {
    systems::compile(text).unwrap_or_else(|error| format!("!{}", platform::fault(&error)))
}

/// Runs for every HTTP request (`entry.js`), which `finish` answers.
#[cfg(target_arch = "wasm32")]
#[wasm_bindgen]
pub fn begin(
    task: u32,
    request: web_sys::Request,
    env: Env,
    context: worker::worker_sys::Context,
    text: Vec<u8>,
    now_ms: f64,
) {
    let arrival = platform::Arrival {
        task,
        request,
        env,
        context,
        text,
        now_ms,
    };
    platform::begin(arrival, systems::registry);
}

/// A message that a browser sends by a WebSocket, as it is handed on (`entry.js`); none if it must not be.
#[cfg(target_arch = "wasm32")]
#[wasm_bindgen(js_name = socketMessage)]
#[must_use]
pub fn socket_message(text: &str) -> Option<String> {
    platform::socket_message(text)
}

/// Runs at the times of the crons in `wrangler.toml`.
#[cfg(target_arch = "wasm32")]
#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, _: ScheduleContext) {
    platform::scheduled(&event.cron(), env, systems::registry).await;
}
