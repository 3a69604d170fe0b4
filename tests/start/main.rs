//! Starting, or refusing to; what it then serves where, and how many it serves.

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/socket.rs"]
mod socket;

mod limits;
mod listeners;
mod metrics;
mod refusals;
mod settings;
mod signals;
