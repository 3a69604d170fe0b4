//! How streams end: cut, so that every client reconnects, with a `retry` before it.

mod cut;
mod drain;
mod expiry;
