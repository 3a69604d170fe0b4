//! The commands of the binary, against a server that a test plays and against the real one.

#[path = "../support/mod.rs"]
mod support;

mod fake;
mod running;

mod health;
mod publish_fake;
mod publish_input;
mod real;
mod settings;
mod subscribe_fake;
mod until;
