//! The rooms: each system's routes as data. A system's endpoints are found in the file of its name.

mod batch;
mod charset;
mod clixen;
mod data;
mod growth;
mod health;
mod jobs;
pub mod json;
mod storable;

use crate::route::Route;

pub(crate) use clixen::follow;
pub(crate) use growth::turnstile_token;
pub use jobs::scheduled;

/// Schemas that the data API serves: PostgREST's `db-schemas` without the edge's own. The first is the default.
pub const SCHEMAS: [&str; 6] = [
    "clixen",
    "marketing",
    "onboarding",
    "analytics",
    "experiments",
    "whatsapp",
];

/// Every route there is.
pub static ALL: [&[Route]; 4] = [
    &health::ROUTES,
    &data::ROUTES,
    &growth::ROUTES,
    &clixen::ROUTES,
];
