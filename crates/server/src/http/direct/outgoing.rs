//! Writes to a socket: bytes are framed as a chunk if the response is chunked, and the rest is kept if the
//! socket is full.

use std::io::{self, IoSlice, Write as _};

use bytes::Bytes;

use crate::http::connection::client_socket::ClientSocket;

/// Chunks up to this size are assembled in the worker's buffer; beyond it, copying costs more than it saves.
const MAX_COPIED: usize = 16 << 10;
/// Longest size line of a chunk: hexadecimal digits and CRLF.
const MAX_SIZE_LINE: usize = 2 * size_of::<usize>() + 2;

const CRLF: &[u8] = b"\r\n";

/// A write that may not be complete.
#[derive(Debug)]
pub(super) struct Outgoing {
    bytes: Bytes,
    chunked: bool,
    written: usize,
}

impl Outgoing {
    /// Bytes that are framed already or need no frame.
    pub(super) fn plain(bytes: Bytes) -> Self {
        Self::of(bytes, false)
    }

    /// Bytes of which nothing has been written.
    pub(super) fn of(bytes: Bytes, chunked: bool) -> Self {
        Self {
            bytes,
            chunked,
            written: 0,
        }
    }

    /// After a first write with this result, which began with the frame. Returns what is left if the socket is full.
    pub(super) fn go_on(
        mut self,
        socket: &mut ClientSocket,
        written: io::Result<usize>,
    ) -> io::Result<Option<Self>> {
        match written {
            Ok(written) => self.written = written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Some(self)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        let is_done = self.write(socket)?;
        Ok((!is_done).then_some(self))
    }

    /// How many bytes have been written, with those of the frame.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// Writes on. True when everything has been written, false when the socket is full.
    pub(super) fn write(&mut self, socket: &mut ClientSocket) -> io::Result<bool> {
        let mut line = [0; MAX_SIZE_LINE];
        let (line, end) = if self.chunked {
            (size_line(self.bytes.len(), &mut line), CRLF)
        } else {
            Default::default()
        };
        let whole = line.len() + self.bytes.len() + end.len();
        while self.written < whole {
            let mut slices = [line, &self.bytes, end].map(IoSlice::new);
            let mut slices = &mut slices[..];
            IoSlice::advance_slices(&mut slices, self.written);
            match write_some(socket, slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Writes a single slice without a vector, which costs the kernel more.
fn write_some(socket: &mut ClientSocket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match slices {
        [only, rest @ ..] if rest.iter().all(|slice| slice.is_empty()) => socket.write(only),
        _ => socket.write_vectored(slices),
    }
}

/// Keeps the last framed chunk: most streams of a fan-out are sent the same bytes one after the other.
#[derive(Debug, Default)]
pub(super) struct Framer {
    chunk: Vec<u8>,
    of: Bytes,
    /// The same chunk, which a batch of sends shares; empty where there was none.
    shared: Bytes,
}

impl Framer {
    /// Writes bytes to a stream. Returns the rest if the socket is full.
    pub(super) fn write(
        &mut self,
        socket: &mut ClientSocket,
        bytes: Bytes,
        chunked: bool,
    ) -> io::Result<Option<Outgoing>> {
        let outgoing = Outgoing::of(bytes, chunked);
        if !chunked || outgoing.bytes.len() > MAX_COPIED {
            return outgoing.go_on(socket, Ok(0));
        }
        self.frame(&outgoing.bytes);
        match socket.write(&self.chunk) {
            Ok(written) if written == self.chunk.len() => Ok(None),
            written => outgoing.go_on(socket, written),
        }
    }

    /// The bytes with their frame; `None` where they are so long that they are not copied.
    pub(super) fn framed(&mut self, bytes: &Bytes, chunked: bool) -> Option<Bytes> {
        if !chunked {
            return Some(bytes.clone());
        }
        if bytes.len() > MAX_COPIED {
            return None;
        }
        self.frame(bytes);
        if self.shared.is_empty() {
            self.shared = Bytes::copy_from_slice(&self.chunk);
        }
        Some(self.shared.clone())
    }

    fn frame(&mut self, bytes: &Bytes) {
        // The clone in `of` keeps the bytes alive, so that the same address means the same bytes.
        if self.of.as_ptr() == bytes.as_ptr() && self.of.len() == bytes.len() {
            return;
        }
        self.shared = Bytes::new();
        self.chunk.clear();
        append_chunk(&mut self.chunk, bytes);
        self.of = bytes.clone();
    }
}

/// Appends a chunk of these bytes to `out`.
pub(super) fn append_chunk(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut line = [0; MAX_SIZE_LINE];
    for part in [size_line(bytes.len(), &mut line), bytes, CRLF] {
        out.extend_from_slice(part);
    }
}

/// The size line of a chunk (RFC 9112, section 7.1).
fn size_line(bytes: usize, line: &mut [u8; MAX_SIZE_LINE]) -> &[u8] {
    let mut rest = &mut line[..];
    // The buffer fits the longest line.
    let _ = write!(rest, "{bytes:X}\r\n");
    let left = rest.len();
    &line[..MAX_SIZE_LINE - left]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_has_its_size_in_hexadecimal_before_it() {
        for (length, size) in [(1, "1"), (26, "1A"), (4096, "1000")] {
            let mut chunk = Vec::new();
            append_chunk(&mut chunk, &vec![b'x'; length]);
            let expected = format!("{size}\r\n{}\r\n", "x".repeat(length));
            assert_eq!(chunk, expected.as_bytes());
        }
        let mut line = [0; MAX_SIZE_LINE];
        assert_eq!(size_line(usize::MAX, &mut line), b"FFFFFFFFFFFFFFFF\r\n");
    }
}
