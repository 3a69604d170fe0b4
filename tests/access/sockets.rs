//! The publish policy over a WebSocket.

use crate::{
    access::publish_policy::Case,
    support::socket::Socket,
    support::{Answer, Server},
};

/// The same server as with these settings, but for pages of every origin and under every name getting a
/// socket, so that what is asked of a publish alone decides.
pub fn start(settings: &[&str]) -> Server {
    Server::start(&[settings, &["--cors-origin", "*", "--host", "*"]].concat())
}

/// What a publish over a socket is answered, as POST would have answered it.
pub fn publish(server: &Server, case: &Case) -> Answer {
    let opened = Socket::try_open(server.connect(), "/ws?topic=none", case.host, case.lines);
    let mut socket = opened.unwrap_or_else(|answer| panic!("{}: {answer:?}", case.what));
    let answer = socket.publish(&serde_json::json!({ "data": "said" }));
    let status = match answer["type"].as_str() {
        Some("published") => 200,
        _ => u16::try_from(answer["status"].as_u64().expect("a status")).unwrap(),
    };
    let id = answer["ids"][0].as_str().unwrap_or("");
    Answer {
        status,
        head: format!("HTTP/1.1 {status}\r\nevent-id: {id}\r\ncache-control: no-store\r\n"),
        body: answer.to_string().into_bytes(),
    }
}
