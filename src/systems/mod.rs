//! The systems: each one's endpoints as data, in the folder of its name.

pub(crate) mod clixen;
mod growth;

use crate::endpoints::{data, health};
use crate::route::Route;

pub(crate) use clixen::after_call;
pub(crate) use growth::turnstile_token;

/// Schemas that the data API serves: PostgREST's `db-schemas` without the edge's own. The first one is the default.
pub const SCHEMAS: [&str; 6] = [
    "clixen",
    "marketing",
    "onboarding",
    "analytics",
    "experiments",
    "whatsapp",
];

/// Every route of the edge.
pub static ALL: [&[Route]; 4] = [
    &health::ROUTES,
    &data::ROUTES,
    &growth::ROUTES,
    &clixen::ROUTES,
];
