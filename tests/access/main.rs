//! Who may publish, whose pages may read, and what answers say to whom, over real sockets.

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/socket.rs"]
mod socket;

mod answers;
mod cors;
mod hosts;
mod keys;
mod questions;
mod sockets;
