//! Endpoints of the core, as data. A system's endpoints are in the file of its name in `systems`.

pub mod data;
pub mod health;
