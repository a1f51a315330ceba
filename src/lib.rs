//! Rowgate: an edge backend for PostgREST and PostgreSQL in one WebAssembly bundle.
//!
//! A request goes through five stages: route, verify, scope, forward, respond; [`path`] has them in order. The stages are
//! plain Rust; only `platform` and this file know the Workers runtime. Authorisation is the database's: nothing here
//! decides who may see a row.

pub mod config;
pub mod edge;
pub mod endpoints;
pub mod error;
pub mod formats;
pub mod forward;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod jobs;
pub mod pipeline;
pub mod respond;
pub mod route;
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

/// Once, before there is a request.
#[cfg(target_arch = "wasm32")]
#[event(start)]
fn start() {
    platform::promise::replace_queue_microtask();
}

/// Every HTTP request.
#[cfg(target_arch = "wasm32")]
#[event(fetch)]
async fn fetch(
    request: worker::web_sys::Request,
    env: Env,
    context: Context,
) -> Result<worker::web_sys::Response, Infallible> {
    Ok(platform::answer(request, env, context).await)
}

/// Every time that a cron of `wrangler.toml` comes round.
#[cfg(target_arch = "wasm32")]
#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, _: ScheduleContext) {
    platform::scheduled(&event.cron(), env).await;
}
