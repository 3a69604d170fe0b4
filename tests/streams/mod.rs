//! Streams over real sockets, from the response head to a resume, and what else their connections may carry.

mod batches;
mod compressed;
pub mod connection_paths;
mod connections;
mod cuts;
mod dictionaries;
mod erase;
mod finish;
mod heartbeats;
mod history_page;
mod latest;
mod lists;
pub mod requests;
mod resume;
pub mod topic_rules;
mod wire;
