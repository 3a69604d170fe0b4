//! State kept in sync: the library's signals, and `/signals` of the real binary.

#[path = "../support/mod.rs"]
mod support;

mod asking;
mod bounds;
mod conditions;
mod converge;
mod documents;
mod library;
mod numbers;
mod page;
mod streams;
mod writers;
