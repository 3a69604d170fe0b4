//! `GET /ws`: what a subscriber gets over a WebSocket, and what it may say.

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/socket.rs"]
mod socket;

mod bounds;
mod endings;
mod frames;
mod handshake;
mod pages;
mod publish;
mod resume;
mod slow;
mod uploads;
mod wire;
