//! The endpoints of the core, as data. The endpoints of a system are in its folder of `systems`.

pub mod changes;
pub mod data;
pub mod health;
pub mod person;
pub mod reference;
pub mod rewrap;
pub mod services;
pub mod tokens;
