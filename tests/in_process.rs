//! The libraries, used as a program uses them. A module is a suite: `cargo test -p sse-broadcaster-server
//! --test in_process history::` runs one of them.

mod support;

mod axum;
mod datastar;
mod expiry;
mod frameworks;
mod history;
mod library;
mod model;
mod private;
mod stores;
