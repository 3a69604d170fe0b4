//! The commands of the binary, against a server that a test plays and against the real one.

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
