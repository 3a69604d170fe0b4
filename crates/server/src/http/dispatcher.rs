//! The connections that actix's dispatcher serves: those whose first request is not for a stream, and those of `/ws`.
//!
//! ```text
//! dispatcher/connection.rs  the IO under the dispatcher, which uses the parts below
//! dispatcher/input.rs       reads, and hands bytes over to the dispatcher
//! dispatcher/intake.rs      finds the end of each request, by head.rs, body.rs and line.rs
//! dispatcher/idle.rs        the time between two requests
//! dispatcher/output.rs      writes, and notices stalled peers and slow replays
//! dispatcher/ending.rs      cuts a stream
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
