//! State kept in sync: the library's signals, and `/signals` of the real binary.

#[path = "../support/mod.rs"]
mod support;

mod converge;
mod http;
mod library;
mod page;
mod streams;
