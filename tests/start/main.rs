//! Starting, or refusing to; what it then serves where, and how many it serves.

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/socket.rs"]
mod socket;

#[path = "../support/terminal.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod terminal;

mod limits;
mod listeners;
mod metrics;
mod refusals;
mod settings;
mod signals;
mod unix_socket;
