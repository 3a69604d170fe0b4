//! The head of a response, and the body that it announces.

use httparse::{EMPTY_HEADER, Response, Status};

use super::chunked::Chunked;

/// Longest head that is read.
pub(crate) const MAX_HEAD_BYTES: usize = 16 << 10;
const MAX_HEADERS: usize = 100;

/// The bytes are not HTTP.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotHttp;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) body: Body,
    pub(crate) is_event_stream: bool,
    /// No other request can follow on this connection.
    pub(crate) closes: bool,
    /// The `Location` of a redirect.
    pub(crate) location: Option<String>,
    /// Bytes of the head, up to the body.
    pub(crate) length: usize,
}

impl Head {
    /// Reads the head at the start of `bytes`; `None` while it is not complete.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, NotHttp> {
        let mut skipped = 0;
        loop {
            let mut headers = [EMPTY_HEADER; MAX_HEADERS];
            let mut response = Response::new(&mut headers);
            let parsed = response.parse(&bytes[skipped..]).map_err(|_| NotHttp)?;
            let (Status::Complete(length), Some(status)) = (parsed, response.code) else {
                let too_long = bytes.len() - skipped > MAX_HEAD_BYTES;
                return if too_long { Err(NotHttp) } else { Ok(None) };
            };
            skipped += length;
            // An informational response (1xx) precedes the final one.
            if !(100..200).contains(&status) {
                return Ok(Some(Self::of(&response, status, skipped)));
            }
        }
    }

    fn of(response: &Response, status: u16, length: usize) -> Self {
        let value = |name: &str| {
            let mut headers = response.headers.iter();
            let found = headers.find(|header| header.name.eq_ignore_ascii_case(name));
            found.map_or("", |header| {
                std::str::from_utf8(header.value).unwrap_or("").trim()
            })
        };
        let body = if matches!(status, 204 | 304) {
            Body::Length(0)
        } else if last_is(value("transfer-encoding"), "chunked") {
            Body::Chunked(Chunked::default())
        } else {
            value("content-length")
                .parse()
                .map_or(Body::UntilClose, Body::Length)
        };
        let closes = body == Body::UntilClose
            || value("connection").eq_ignore_ascii_case("close")
            || response.version != Some(1);
        let media_type = value("content-type").split(';').next().unwrap_or("");
        let location = Some(value("location")).filter(|text| !text.is_empty());
        Self {
            status,
            body,
            is_event_stream: media_type.trim().eq_ignore_ascii_case("text/event-stream"),
            closes,
            location: location
                .filter(|_| (300..400).contains(&status))
                .map(str::to_owned),
            length,
        }
    }
}

fn last_is(text: &str, end: &str) -> bool {
    let last = text.rsplit(',').next().unwrap_or("");
    last.trim().eq_ignore_ascii_case(end)
}

/// What is still to come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

impl Body {
    /// Passes the data in `bytes` to `consume`, and returns how many bytes belong to this body.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        mut consume: impl FnMut(&[u8]),
    ) -> Result<usize, NotHttp> {
        match self {
            Self::Chunked(chunked) => chunked.feed(bytes, consume).map_err(|_| NotHttp),
            Self::UntilClose => {
                consume(bytes);
                Ok(bytes.len())
            }
            Self::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let data = &bytes[..bytes.len().min(most)];
                consume(data);
                *left -= data.len() as u64;
                Ok(data.len())
            }
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunked::Done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        Head::read(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn a_head_tells_the_length_of_the_body_and_whether_the_connection_closes() {
        let stream = head(
            "HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n1",
        );
        assert!(stream.is_event_stream && !stream.closes);
        assert_eq!(stream.body, Body::Chunked(Chunked::default()));
        let continued =
            head("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
        assert_eq!(
            (continued.status, continued.body, continued.closes),
            (200, Body::Length(3), false)
        );
        let none = head("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        assert_eq!((none.body, none.closes), (Body::Length(0), true));
        let old = head("HTTP/1.0 301 Moved\r\nLocation: https://host/\r\n\r\n");
        assert_eq!((old.body, old.closes), (Body::UntilClose, true));
        assert_eq!(old.location.as_deref(), Some("https://host/"));
    }

    #[test]
    fn a_head_is_complete_with_its_last_byte_and_not_before() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        for length in 0..text.len() {
            assert_eq!(Head::read(&text.as_bytes()[..length]), Ok(None), "{length}");
        }
        assert_eq!(head(text).length, text.len());
    }

    #[test]
    fn bytes_that_are_not_http_and_a_head_without_end_are_rejected() {
        assert_eq!(Head::read(b"+PONG\r\n\r\n"), Err(NotHttp));
        let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(MAX_HEAD_BYTES));
        assert_eq!(Head::read(endless.as_bytes()), Err(NotHttp));
    }
}
