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
pub mod systems;
pub mod text;
pub mod verify;

#[cfg(target_arch = "wasm32")]
mod platform;

#[cfg(target_arch = "wasm32")]
use std::convert::Infallible;
#[cfg(target_arch = "wasm32")]
use worker::{Context, Env, ScheduleContext, ScheduledEvent, event};

/// Runs once, before the first request.
#[cfg(target_arch = "wasm32")]
#[event(start)]
fn start() {
    platform::timers::replace_queue_microtask();
}

/// Runs for every HTTP request.
#[cfg(target_arch = "wasm32")]
#[event(fetch)]
async fn fetch(
    request: worker::web_sys::Request,
    env: Env,
    context: Context,
) -> Result<worker::web_sys::Response, Infallible> {
    Ok(platform::answer(request, env, context, systems::registry).await)
}

/// Runs at the times of the crons in `wrangler.toml`.
#[cfg(target_arch = "wasm32")]
#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, _: ScheduleContext) {
    platform::scheduled(&event.cron(), env, systems::registry).await;
}
