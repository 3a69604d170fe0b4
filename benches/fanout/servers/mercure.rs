//! The hub of Mercure, a module of Caddy, with its history off.

use std::{fs, net::SocketAddr};

use super::{Server, free_address};
use crate::{programs, publisher::DATA_BYTES, serve::THREADS};

const HUB: &str = "/.well-known/mercure";
const KEY: &str = "a-key-for-the-benchmark-of-the-hub";
/// Of HS256 with this key: `{"mercure":{"publish":["*"]}}`.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
    eyJtZXJjdXJlIjp7InB1Ymxpc2giOlsiKiJdfX0.\
    AZydsy9Pm_9vBfIoDiuXcr26NY5ivKV-wE0d0_gaRYo";

fn program() -> Option<String> {
    programs::find("mercure", "go/bin")
}

pub fn is_installed() -> bool {
    program().is_some()
}

pub fn start() -> Server {
    let program = program().expect("it is installed");
    let address = free_address();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("Caddyfile");
    fs::write(&file, configuration(address)).expect("a file");
    let file = file.to_str().expect("a path of text");
    let threads = format!("GOMAXPROCS={THREADS}");
    let args = [
        &threads,
        &program,
        "run",
        "--config",
        file,
        "--adapter",
        "caddyfile",
    ];
    Server::other("/usr/bin/env", &args, address, directory)
}

fn configuration(address: SocketAddr) -> String {
    format!(
        "{{
            admin off
            auto_https off
            persist_config off
            log {{
                level ERROR
            }}
        }}
        http://{address} {{
            mercure {{
                transport local
                publisher_jwt {KEY} HS256
                anonymous
            }}
        }}"
    )
}

pub fn publish_request() -> String {
    let body = format!("topic=bench&data={}", "x".repeat(DATA_BYTES));
    format!(
        "POST {HUB} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub fn subscribe_request() -> String {
    format!("GET {HUB}?topic=bench HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
}
