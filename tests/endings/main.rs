//! How streams end: cut, so that every client comes back, and told when.

#[path = "../support/mod.rs"]
mod support;

mod cut;
mod drain;
