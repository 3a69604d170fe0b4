//! The publish policy over a WebSocket.

use crate::{
    access::publish_policy::Case,
    support::socket::Socket,
    support::{Response, Server},
};

/// The same server as with these settings, but for pages of every origin and under every name getting a
/// socket, so that what is asked of a publish alone decides.
pub fn start(settings: &[&str]) -> Server {
    Server::start(&[settings, &["--cors-origin", "*", "--host", "*"]].concat())
}

/// What a publish over a socket is answered, as POST would have answered it.
pub fn publish(server: &Server, case: &Case) -> Response {
    let opened = Socket::try_open(server.connect(), "/ws?topic=none", case.host, case.lines);
    let mut socket = opened.unwrap_or_else(|response| panic!("{}: {response:?}", case.what));
    let response = socket.publish(&serde_json::json!({ "data": "said" }));
    let status = match response["type"].as_str() {
        Some("published") => 200,
        _ => u16::try_from(response["status"].as_u64().expect("a status")).unwrap(),
    };
    let id = response["ids"][0].as_str().unwrap_or("");
    Response {
        status,
        head: format!("HTTP/1.1 {status}\r\nevent-id: {id}\r\ncache-control: no-store\r\n"),
        body: response.to_string().into_bytes(),
    }
}
