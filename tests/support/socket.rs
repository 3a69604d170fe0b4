//! A client of `GET /ws`: tungstenite, with a handshake that is written out here, so that a test controls its lines.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::Value;
use tungstenite::{
    Message, WebSocket,
    protocol::{Role, WebSocketConfig},
};

use crate::support::{Response, Server};

/// The example of RFC 6455, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The header lines of a WebSocket handshake.
pub const UPGRADE: &[&str] = &[
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// An open socket.
pub struct Socket {
    inner: WebSocket<TcpStream>,
    pub head: String,
    /// How many pings were received, and answered by pongs.
    pub pings: usize,
}

/// How a socket ended: a close with its code and reason, or without, or no close at all.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Close(u16, String),
    Bare,
    Cut,
}

impl End {
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Close(code, _) => Some(*code),
            Self::Bare | Self::Cut => None,
        }
    }
}

impl Socket {
    pub fn open(server: &Server, path: &str) -> Self {
        Self::open_with(server, path, &[])
    }

    /// Opens a socket with further lines in the request head.
    pub fn open_with(server: &Server, path: &str, lines: &[&str]) -> Self {
        let host = server.address.to_string();
        let opened = Self::try_open(server.connect(), path, &host, lines);
        opened.unwrap_or_else(|response| panic!("refused: {response:?}"))
    }

    /// Opens a socket on this connection; an error is the response that rejects it.
    pub fn try_open(
        mut socket: TcpStream,
        path: &str,
        host: &str,
        lines: &[&str],
    ) -> Result<Self, Response> {
        let lines = [UPGRADE, lines].concat().join("\r\n");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut start = [0; 12];
        socket.peek(&mut start).expect("a response");
        if !start.ends_with(b" 101") {
            return Err(Response::read(socket));
        }
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).expect("a whole head");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let accept = format!("sec-websocket-accept: {ACCEPT}\r\n");
        assert!(head.contains(&accept), "{KEY} is answered by {head}");
        // Each send is one write, and a test may send invalid frames.
        let config = WebSocketConfig::default().max_message_size(None);
        let inner = WebSocket::from_raw_socket(socket, Role::Client, Some(config));
        Ok(Self {
            inner,
            head,
            pings: 0,
        })
    }

    pub fn connection(&mut self) -> &mut TcpStream {
        self.inner.get_mut()
    }

    pub fn send(&mut self, message: Message) {
        self.inner.send(message).expect("it can be sent");
    }

    pub fn say(&mut self, text: impl Into<String>) {
        self.send(Message::text(text.into()));
    }

    /// Sends these bytes.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        // The server may close the connection before all is written.
        let _ = self.inner.get_mut().write_all(bytes);
    }

    /// Reads until `count` pings have been received; no other message may come before.
    pub fn wait_for_pings(&mut self, count: usize) {
        while self.pings < count {
            let message = self.inner.read();
            assert!(matches!(message, Ok(Message::Ping(_))), "{message:?}");
            self.pings += 1;
        }
    }

    /// The next text message; an error is the end of the socket.
    pub fn try_text(&mut self) -> Result<String, End> {
        loop {
            match self.inner.read() {
                Ok(Message::Text(text)) => return Ok(text.as_str().to_owned()),
                Ok(Message::Ping(_)) => self.pings += 1,
                Ok(Message::Close(Some(frame))) => {
                    return Err(End::Close(
                        frame.code.into(),
                        frame.reason.as_str().to_owned(),
                    ));
                }
                Ok(Message::Close(None)) => return Err(End::Bare),
                Ok(Message::Pong(_)) => {}
                Ok(other) => panic!("{other:?} is nothing that is sent"),
                Err(_) => return Err(End::Cut),
            }
        }
    }

    pub fn text(&mut self) -> String {
        let text = self.try_text();
        text.unwrap_or_else(|end| panic!("the socket ended: {end:?}"))
    }

    /// The next message, as JSON.
    pub fn next(&mut self) -> Value {
        serde_json::from_str(&self.text()).expect("a message is JSON")
    }

    /// The next message of this type.
    pub fn until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next();
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// The next published event.
    pub fn event(&mut self) -> Value {
        loop {
            let message = self.next();
            if message["type"].is_null() {
                return message;
            }
        }
    }

    /// The data of the next `count` events.
    pub fn data(&mut self, count: usize) -> Vec<String> {
        let data = |event: Value| event["data"].as_str().expect("data").to_owned();
        (0..count).map(|_| data(self.event())).collect()
    }

    /// Publishes this, and returns the response.
    pub fn publish(&mut self, message: &Value) -> Value {
        self.say(message.to_string());
        loop {
            let response = self.next();
            if response["type"] == "published" || response["type"] == "refused" {
                return response;
            }
        }
    }

    /// Reads all messages to the end.
    pub fn end(&mut self) -> End {
        loop {
            if let Err(end) = self.try_text() {
                return end;
            }
        }
    }

    /// Finishes the closing handshake; whether the connection ends then.
    pub fn is_gone(&mut self) -> bool {
        while self.inner.read().is_ok() {}
        matches!(self.inner.get_mut().read(&mut [0; 16]), Ok(0) | Err(_))
    }
}
