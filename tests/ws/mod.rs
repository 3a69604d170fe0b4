//! `GET /ws`: what a subscriber gets over a WebSocket, and what it may say.

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
