//! The commands of the binary, against a server that a test plays and against the real one.

#[path = "../support/mod.rs"]
mod support;

#[path = "../redis/server.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod redis;

#[path = "../support/terminal.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod terminal;

mod fake;
mod running;

mod bench;
mod copy;
mod health;
mod publish_fake;
mod publish_input;
mod real;
mod settings;
mod shown;
mod subscribe_fake;
mod transfer;
mod until;
