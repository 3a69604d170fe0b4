//! The commands of the binary, against a fake server and against the real one.

mod fake_server;
mod running;

mod bench;
mod copy;
mod health;
mod publish_fake;
mod publish_input;
mod real;
mod settings;
mod shell;
mod subscribe_fake;
mod terminal;
mod token;
mod transfer;
mod until;
