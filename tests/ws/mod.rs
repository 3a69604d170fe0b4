//! `GET /ws`: subscribing and publishing over a WebSocket.

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
