//! Nodes of ours on one Redis.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
};

use crate::{
    support::redis::RedisServer,
    support::{PATIENCE, Response, Server, command},
};

/// A node on the Redis at this address.
pub fn node(redis: SocketAddr, args: &[&str]) -> Server {
    let mut command = command(&["--listen", "127.0.0.1:0", "--workers", "1"]);
    command.args(["--redis-url", &format!("redis://{redis}/0")]);
    command.args(["--drain-time", "1s"]).args(args);
    Server::spawn(command)
}

pub fn three(redis: &RedisServer) -> Vec<Server> {
    (0..3).map(|_| node(redis.address(), &[])).collect()
}

/// What became of a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    At(String),
    /// Nothing was kept.
    Refused,
    /// It may have been.
    Unknown,
}

/// Publishes to a node that may be gone, or go meanwhile.
pub fn publish(node: SocketAddr, data: &str) -> Published {
    publish_body(
        node,
        &serde_json::json!({ "topic": "t", "data": data }).to_string(),
    )
}

pub fn publish_body(node: SocketAddr, body: &str) -> Published {
    let Ok(mut socket) = TcpStream::connect(node) else {
        return Published::Refused;
    };
    let _ = socket.set_read_timeout(Some(PATIENCE));
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        node.port(),
        body.len()
    );
    if socket
        .write_all(format!("{head}{body}").as_bytes())
        .is_err()
    {
        return Published::Unknown;
    }
    let Some(response) = Response::try_read(socket) else {
        return Published::Unknown;
    };
    match response.status {
        200 => Published::At(response.json()["id"].as_str().expect("an id").to_owned()),
        503 if response.code() == "outcome_unknown" => Published::Unknown,
        503 => {
            assert!(["history_unavailable", "overloaded"].contains(&&response.code()[..]));
            Published::Refused
        }
        _ => panic!("{response:?}"),
    }
}

/// What `/health/ready` says of history; it is ready whatever that is.
pub fn history_of(node: &Server) -> String {
    let response = node.get("/health/ready");
    assert_eq!(response.status, 200);
    response.json()["history"]
        .as_str()
        .expect("a text")
        .to_owned()
}
