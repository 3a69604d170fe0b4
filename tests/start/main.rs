//! Starting, or refusing to; what it then serves where, and how many it serves.

#[path = "../support/mod.rs"]
mod support;

mod limits;
mod listeners;
mod refusals;
mod settings;
mod signals;
