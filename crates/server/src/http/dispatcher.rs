//! Connections that actix's dispatcher serves: all those whose first request is not for a stream, among them
//! those of `/ws`.
//!
//! ```text
//! dispatcher/connection.rs  the IO under the dispatcher: in which order the parts below are asked
//! dispatcher/input.rs       what is read, and how much of it the dispatcher gets
//! dispatcher/intake.rs      where one request ends and the next begins: head.rs, body.rs, line.rs
//! dispatcher/idle.rs        the time between two requests
//! dispatcher/output.rs      what is written: stalled peers, and replays that are read too slowly
//! dispatcher/ending.rs      the cut of a stream
//! ```

mod body;
mod connection;
mod ending;
mod head;
mod idle;
mod input;
mod intake;
mod line;
mod output;

pub(crate) use connection::Connection;
