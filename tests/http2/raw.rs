//! Frames, as they are on the wire.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
};

use crate::support::Server;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const MAX_CONCURRENT_STREAMS: u16 = 3;

pub const REFUSED_STREAM: u32 = 7;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame that was received.
#[derive(Debug, Clone)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub content: Vec<u8>,
}

impl Frame {
    /// The code of a GOAWAY or `RST_STREAM`.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.content[at..at + 4].try_into().unwrap())
    }

    /// The value of a SETTINGS.
    pub fn setting(&self, id: u16) -> Option<u32> {
        let settings = self.content.chunks(6);
        let mut found = settings.filter(|setting| setting[..2] == id.to_be_bytes());
        found
            .next()
            .map(|setting| u32::from_be_bytes(setting[2..].try_into().unwrap()))
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(content);
    frame
}

/// The head of a GET, in HPACK: without its table and without Huffman's code.
pub fn get(path: &str) -> Vec<u8> {
    head(0x82, path)
}

/// The same of a POST.
pub fn post(path: &str) -> Vec<u8> {
    head(0x83, path)
}

fn head(method: u8, path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).unwrap();
    let authority = b"localhost";
    let mut head = vec![method, 0x86, 0x04, length];
    head.extend(path.as_bytes());
    head.extend([0x01, u8::try_from(authority.len()).unwrap()]);
    head.extend(authority);
    head
}

/// A header `x` of so many bytes, in HPACK, which enters its table.
pub fn indexed(bytes: usize) -> Vec<u8> {
    // The length is 127 and what follows, in groups of 7 bits.
    let rest = bytes - 127;
    let length = [
        127,
        u8::try_from(rest & 127).unwrap() | 128,
        u8::try_from(rest >> 7).unwrap(),
    ];
    [&[0x40, 1, b'x'], &length[..], &vec![b'y'; bytes]].concat()
}

/// Refers to the header that has entered HPACK's table last: the entry 62.
pub const LAST_INDEXED: u8 = 0xbe;

/// A connection on which nothing but these frames is sent.
pub struct Raw(pub TcpStream);

impl Raw {
    /// After the preface and settings.
    pub fn open(server: &Server) -> Self {
        let mut raw = Self(server.connect());
        raw.send(PREFACE).unwrap();
        raw.send(&frame(SETTINGS, 0, 0, b"")).unwrap();
        raw
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    /// The next frame; an error is the end of the connection.
    pub fn next(&mut self) -> io::Result<Frame> {
        let mut header = [0; 9];
        self.0.read_exact(&mut header)?;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let mut content = vec![0; length as usize];
        self.0.read_exact(&mut content)?;
        Ok(Frame {
            kind: header[3],
            flags: header[4],
            stream: u32::from_be_bytes(header[5..].try_into().unwrap()),
            content,
        })
    }

    /// Reads up to the next frame of this kind.
    pub fn until(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next();
            let frame = frame.unwrap_or_else(|error| panic!("no frame of kind {kind}: {error}"));
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Sends these bytes again and again until the server closes the connection; returns the code of its GOAWAY.
    pub fn flood(mut self, bytes: impl Fn(u32) -> Vec<u8>) -> Option<u32> {
        let mut reading = Self(self.0.try_clone().unwrap());
        let code = std::thread::spawn(move || {
            let mut code = None;
            while let Ok(frame) = reading.next() {
                if frame.kind == GOAWAY {
                    code = Some(frame.code());
                }
            }
            code
        });
        for number in 0.. {
            if self.send(&bytes(number)).is_err() {
                break;
            }
        }
        code.join().unwrap()
    }
}
