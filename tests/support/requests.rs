//! Requests to a server: publishing, subscribing, and whatever bytes a test sends.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use socket2::{Domain, Socket, Type};

use super::{PATIENCE, Response, Server, Stream, server::has_compressed_streams, wait_until};

/// Settings of a server that drains for as long as a client does not read.
pub const BLOCKED_DRAIN: [&str; 6] = [
    "--drain-time",
    "10m",
    "--stall-timeout",
    "10m",
    "--socket-buffer-bytes",
    "4096",
];

impl Server {
    pub fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).expect("the server accepts");
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// A connection for one request, which goes over HTTP/2 with `TEST_STREAMS=http2`.
    pub fn connect_for_one(&self) -> TcpStream {
        if self.http2 {
            return super::http2::open(self.address);
        }
        self.connect()
    }

    /// A connection with a small receive buffer, so that little is in transit while the client does not read.
    pub fn connect_narrow(&self, receive_buffer_bytes: usize) -> TcpStream {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(receive_buffer_bytes).unwrap();
        socket
            .connect(&self.address.into())
            .expect("the server accepts");
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.into()
    }

    fn host(&self) -> String {
        match self.address {
            SocketAddr::V4(address) => address.to_string(),
            SocketAddr::V6(address) => format!("127.0.0.1:{}", address.port()),
        }
    }

    /// Sends one request on a connection of its own. `head` is its lines without `Host` and the blank line.
    pub fn request(&self, head: &str, body: &[u8]) -> Response {
        self.raw(head, &self.host(), body)
    }

    pub fn raw(&self, head: &str, host: &str, body: &[u8]) -> Response {
        let mut socket = self.connect_for_one();
        let length = match body.len() {
            0 if !head.starts_with("POST") => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        let head = head
            .trim_end()
            .replace('\n', "\r\n")
            .replace("\r\r\n", "\r\n");
        let request = format!("{head}\r\nHost: {host}\r\nConnection: close\r\n{length}\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        // The server may reject the request and close the connection before all is written.
        let _ = socket.write_all(body);
        Response::read(socket)
    }

    /// The response to these bytes.
    pub fn send(&self, request: &[u8]) -> Response {
        let mut socket = self.connect();
        let _ = socket.write_all(request);
        Response::read(socket)
    }

    pub fn get(&self, path: &str) -> Response {
        self.request(&format!("GET {path} HTTP/1.1"), b"")
    }

    /// The status of the response to a request whose response may never end.
    pub fn status_line(&self, head: &str) -> u16 {
        self.status_line_of(head, &format!("127.0.0.1:{}", self.address.port()))
    }

    /// The same with this `Host`.
    pub fn status_line_of(&self, head: &str, host: &str) -> u16 {
        let mut socket = self.connect_for_one();
        let (first, rest) = head.split_once('\n').unwrap_or((head, ""));
        let request =
            format!("{first}\nHost: {host}\n{}\n\n", rest.trim_end()).replace('\n', "\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut status_line = [0; 12];
        socket.read_exact(&mut status_line).unwrap();
        String::from_utf8_lossy(&status_line[9..])
            .parse()
            .expect("a status")
    }

    pub fn post(&self, path: &str, content_type: &str, body: &str) -> Response {
        let head = format!("POST {path} HTTP/1.1\nContent-Type: {content_type}");
        self.request(&head, body.as_bytes())
    }

    /// Publishes and returns the id.
    pub fn publish(&self, topic: &str, data: &str) -> String {
        let body = serde_json::json!({ "topic": topic, "data": data }).to_string();
        let response = self.post("/events", "application/json", &body);
        assert_eq!(response.status, 200, "{response:?}");
        response.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Publishes a batch and returns its ids.
    pub fn publish_all(&self, topic: &str, data: impl IntoIterator<Item = String>) -> Vec<String> {
        let event = |data| serde_json::json!({ "topic": topic, "data": data });
        let batch: serde_json::Value = data.into_iter().map(event).collect();
        let response = self.post("/events", "application/json", &batch.to_string());
        assert_eq!(response.status, 200, "{response:?}");
        let ids = response.json()["ids"].as_array().expect("ids").clone();
        ids.iter()
            .map(|id| id.as_str().expect("an id").to_owned())
            .collect()
    }

    /// Publishes until a client that does not read is behind, and begins a drain, which waits for that client.
    pub fn begin_blocked_drain(&self) {
        let data = "x".repeat(200 << 10);
        while self.metric("subscribers_behind") == 0 {
            self.publish("default", &data);
        }
        self.signal("-TERM");
        wait_until("the server drains", || {
            self.post("/events", "text/plain", "x").status == 503
        });
    }

    /// How many streams have ended for this reason.
    pub fn ended(&self, reason: &str) -> u64 {
        self.metric(&format!("ended_total{{reason=\"{reason}\"}}"))
    }

    /// Opens a stream, for instance of `/events?topic=a`.
    pub fn subscribe(&self, path: &str) -> Stream {
        self.subscribe_with(path, "")
    }

    /// Opens a stream with further lines in the request head, such as `Last-Event-ID: 1-1`.
    pub fn subscribe_with(&self, path: &str, lines: &str) -> Stream {
        let mut socket = self.connect_for_one();
        let is_open = has_compressed_streams() && !lines.contains("Accept-Encoding");
        let accepted = is_open.then_some("Accept-Encoding: gzip");
        let lines = lines.lines().chain(accepted);
        let lines: Vec<_> = lines.flat_map(|line| [line, "\r\n"]).collect();
        let lines = lines.concat();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n{lines}\r\n",
            self.address
        );
        socket.write_all(request.as_bytes()).unwrap();
        Stream::open(socket)
    }

    /// The value of a metric, whose name is given without the prefix.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").text();
        let name = format!("sse_broadcaster_{name} ");
        let line = text.lines().find(|line| line.starts_with(&name));
        let value = line
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .split(' ')
            .nth(1);
        value.unwrap().parse().expect("a whole number")
    }
}
