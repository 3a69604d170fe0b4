//! The server of the crate `durable-streams`, where it is installed, and the requests of its protocol.

use std::path::Path;

use crate::programs;

const PROGRAM: &str = "durable-streams-server";
pub const DATA_BYTES: usize = 100;
/// Occurs once in each event, and nowhere else in a stream.
pub const DATA_END: &[u8] = b"~";

/// Where it is: in the path, or where Cargo installs programs.
pub fn path() -> Option<String> {
    programs::find(PROGRAM, ".cargo/bin")
}

/// `durability` is `memory` or `wal`.
pub fn arguments(port: u16, directory: &Path, durability: &str) -> Vec<String> {
    let directory = directory.to_str().expect("a path of text");
    let port = port.to_string();
    let args = [
        "--port",
        &port,
        "--data-dir",
        directory,
        "--durability",
        durability,
    ];
    args.map(str::to_owned).to_vec()
}

/// Must come before the first append.
pub fn create_request() -> String {
    request("PUT", "")
}

pub fn append_request() -> String {
    append(&event())
}

/// Appends one or more events.
pub fn append(events: &str) -> String {
    request("POST", events)
}

pub fn event() -> String {
    format!("{}~", "x".repeat(DATA_BYTES - 1))
}

/// A stream of what is appended from this offset on: `-1` for all, or `now`.
pub fn read_request(offset: &str) -> String {
    format!("GET /bench?offset={offset}&live=sse HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
}

fn request(method: &str, body: &str) -> String {
    format!(
        "{method} /bench HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
