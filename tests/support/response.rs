//! Reading responses from a socket.

use std::{
    io::{self, BufRead, BufReader, Read as _},
    net::TcpStream,
};

/// A complete response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    pub fn read(socket: TcpStream) -> Self {
        Self::try_read(socket).expect("a head")
    }

    /// `None` where the connection ends before a response.
    pub fn try_read(socket: TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(socket);
        let head = read_head(&mut reader).ok()?;
        let mut body = Vec::new();
        if header_in(&head, "transfer-encoding").is_some() {
            while let Ok(Some(chunk)) = read_chunk(&mut reader) {
                body.extend(chunk);
            }
        } else {
            let length = header_in(&head, "content-length").and_then(|text| text.parse().ok());
            let _ = reader
                .take(length.unwrap_or(u64::MAX))
                .read_to_end(&mut body);
        }
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Some(Self {
            status: status.expect("a status"),
            head,
            body,
        })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        header_in(&self.head, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The `code` of a problem document.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().expect("a code").to_owned()
    }
}

pub(super) fn header_in<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

pub(super) fn read_head(reader: &mut impl BufRead) -> io::Result<String> {
    let mut head = String::new();
    loop {
        let before = head.len();
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if head[before..].trim().is_empty() {
            return Ok(head);
        }
    }
}

/// One chunk, or `None` for the last.
pub(super) fn read_chunk(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
    let mut chunk = vec![0; size + 2];
    reader.read_exact(&mut chunk)?;
    chunk.truncate(size);
    Ok(if size == 0 { None } else { Some(chunk) })
}
