//! Many subscribers, fast publishers, and readers that are slow: none costs another.

mod fast;
mod memory;
mod pipelines;
mod replays;
mod signals;
mod slow;
pub mod subscribers;
