//! The server of the crate `durable-streams`, without its write-ahead log: other servers here keep events in memory.

use super::{Server, free_address};
use crate::{durable_streams_program as program, publisher::Publisher, serve::THREADS};

/// Several events that are appended between two writes come as one, so the end of the data is what is counted.
pub const EVENT_END: &[u8] = program::DATA_END;

pub fn is_installed() -> bool {
    program::path().is_some()
}

pub fn start() -> Server {
    let path = program::path().expect("it is installed");
    let address = free_address();
    let directory = tempfile::tempdir().expect("a directory");
    let mut args = program::arguments(address.port(), directory.path(), "memory");
    args.extend(["--worker-threads".to_owned(), THREADS.to_string()]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let server = Server::other(&path, &args, address, directory);
    Publisher::connect(address).publish(&program::create_request());
    server
}

pub fn append_request() -> String {
    program::append_request()
}

pub fn subscribe_request() -> String {
    program::read_request("now")
}
