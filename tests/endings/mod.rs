//! How streams end: cut, so that every client comes back, and told when.

mod cut;
mod drain;
