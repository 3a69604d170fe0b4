//! Behind proxies: who the client is, the PROXY protocol, the base path, and IPv6.

mod base_path;
mod client_address;
mod ipv6;
mod proxy_protocol;

use serde_json::Value;

use crate::support::{Response, Server, Stream, has_ordinary_streams, socket::Socket, tokens};

const KEY: &str = "the-key-of-an-operator";
const TRUSTED: [&str; 2] = ["--trusted-proxy", "127.0.0.1"];

/// A server whose operators see its connections.
fn server(args: &[&str]) -> Server {
    let operated = [
        "--admin-key",
        KEY,
        "--allow-anonymous-publish",
        "--host",
        "*",
    ];
    Server::start(&[&operated, args].concat())
}

/// Such servers, for each way in which streams are served.
fn servers(args: &[&str]) -> Vec<Server> {
    let mut servers = vec![server(args)];
    if !has_ordinary_streams() {
        servers.push(server(&[args, &["--no-direct"]].concat()));
    }
    servers
}

/// The connections that the server lists.
fn connections(response: &Response) -> Vec<Value> {
    let connections = response.json()["connections"].as_array().cloned();
    connections.unwrap_or_else(|| panic!("{response:?}"))
}

/// The addresses of all open streams.
fn addresses(server: &Server) -> Vec<String> {
    let head = format!("GET /admin/connections HTTP/1.1\n{}", tokens::bearer(KEY));
    let all = connections(&server.request(&head, b""));
    let address = |connection: &Value| match &connection["address"] {
        Value::String(address) => address.clone(),
        other => other.to_string(),
    };
    all.iter().map(address).collect()
}

fn connected(server: &Server, path: &str, lines: &str) -> Stream {
    let mut stream = server.subscribe_with(path, lines);
    stream.until("connected");
    stream
}

/// The status with which a request for a stream is refused.
fn refused(server: &Server, path: &str, lines: &str) -> u16 {
    server.status_line(&format!("GET {path} HTTP/1.1\n{lines}"))
}

fn open_socket(server: &Server, path: &str, lines: &[&str]) -> Result<Socket, Response> {
    Socket::try_open(server.connect(), path, &server.address.to_string(), lines)
}
