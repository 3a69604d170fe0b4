//! Signals: the library, and `/signals` of the real binary.

mod bounds;
mod conditions;
mod converge;
mod documents;
mod library;
mod numbers;
mod page;
mod requests;
mod streams;
mod writers;
