//! The real binary over real sockets. A module is a suite: `cargo test -p sse-broadcaster-server --test
//! black_box streams::` runs one of them.

mod support;

mod access;
mod admin;
mod api;
mod commands;
mod disk;
mod documents;
mod embedding;
mod endings;
mod http2;
mod load;
mod mercure;
mod postgres;
mod presence;
mod proxies;
mod publish;
mod random;
mod redis;
mod signals;
mod start;
mod streams;
mod tls;
mod traces;
mod ws;
