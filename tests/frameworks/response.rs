//! Responses, without what differs between two servers.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use crate::support::PATIENCE;

/// Headers that the frameworks' own connections add, or that differ with how a body is framed.
const CONNECTION_HEADERS: [&str; 4] = ["date", "connection", "content-length", "transfer-encoding"];

/// The compared parts of a response.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

/// A connection to which one request was sent.
pub(super) struct Sent(TcpStream);

impl Sent {
    pub(super) fn new(address: SocketAddr, request: &str) -> Self {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        Self(socket)
    }

    /// The whole response, or a stream up to its first events.
    pub(super) fn response(&mut self) -> Response {
        let (mut bytes, mut part) = (Vec::new(), [0; 16 << 10]);
        loop {
            let read = self.0.read(&mut part).expect("the response comes");
            bytes.extend_from_slice(&part[..read]);
            let text = String::from_utf8_lossy(&bytes);
            if read == 0 || text.contains("event: connected") && text.ends_with("\n\n\r\n") {
                return parse(&text);
            }
        }
    }
}

fn parse(text: &str) -> Response {
    let (head, body) = text.split_once("\r\n\r\n").expect("the head is whole");
    let mut lines = head.lines();
    let mut status_line = lines.next().unwrap().splitn(3, ' ').skip(1);
    let status = status_line.next();
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), without_numbers(value.trim())))
        .collect();
    let is_chunked = headers.contains_key("transfer-encoding");
    let body = if is_chunked {
        dechunked(body)
    } else {
        body.to_owned()
    };
    Response {
        status: status.unwrap().parse().unwrap(),
        reason: status_line.next().unwrap().to_owned(),
        headers: headers
            .into_iter()
            .filter(|(name, _)| !CONNECTION_HEADERS.contains(&name.as_str()))
            .collect(),
        body: without_numbers(&without_times(&body)),
    }
}

/// The data of all complete chunks.
fn dechunked(mut text: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        let Some(chunk) = rest.get(..size).filter(|_| size > 0) else {
            break;
        };
        body.push_str(chunk);
        text = rest[size..].trim_start_matches("\r\n");
    }
    body
}

/// JSON without the time of each event, which differs between servers.
fn without_times(json: &str) -> String {
    const TIME: &str = "\"time\":\"";
    let mut parts = json.split(TIME);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(TIME);
        out.push_str(part.trim_start_matches(|c| c != '"'));
    }
    out
}

/// Text with an `N` for each number of four digits or more: ids and waits differ between servers.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        out.push_str(if digits.len() > 3 { "N" } else { &digits });
        digits.clear();
        out.push(c);
    }
    out.pop();
    out
}
