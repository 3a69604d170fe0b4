//! The head of a response, and the body that it announces.

use httparse::{EMPTY_HEADER, Response, Status};

use super::chunks::Chunks;

/// Longest head that is read.
pub(super) const MAX_HEAD_BYTES: usize = 16 << 10;
const MAX_HEADERS: usize = 100;

/// What was read is no HTTP.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotHttp;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) body: Body,
    pub(super) is_event_stream: bool,
    /// Nothing else can be asked on this connection.
    pub(super) closes: bool,
    /// Where a redirect leads.
    pub(super) location: Option<String>,
    /// Of the head, up to the body.
    pub(super) length: usize,
}

impl Head {
    /// Reads the head at the start of `bytes`; none while it is not complete.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, NotHttp> {
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
            // One that only announces another.
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
        } else if ends_with(value("transfer-encoding"), "chunked") {
            Body::Chunked(Chunks::default())
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

fn ends_with(text: &str, end: &str) -> bool {
    let last = text.rsplit(',').next().unwrap_or("");
    last.trim().eq_ignore_ascii_case(end)
}

/// What is still to come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

impl Body {
    /// Gives the data in `bytes` to `take`, and returns how many bytes were of this body.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> Result<usize, NotHttp> {
        match self {
            Self::Chunked(chunks) => chunks.feed(bytes, take).map_err(|_| NotHttp),
            Self::UntilClose => {
                take(bytes);
                Ok(bytes.len())
            }
            Self::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let data = &bytes[..bytes.len().min(most)];
                take(data);
                *left -= data.len() as u64;
                Ok(data.len())
            }
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunks::Done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        Head::read(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn a_head_says_what_its_body_is_and_whether_another_request_may_follow() {
        let stream = head(
            "HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n1",
        );
        assert!(stream.is_event_stream && !stream.closes);
        assert_eq!(stream.body, Body::Chunked(Chunks::default()));
        let answer =
            head("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
        assert_eq!(
            (answer.status, answer.body, answer.closes),
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
    fn what_is_no_http_and_a_head_without_end_are_refused() {
        assert_eq!(Head::read(b"+PONG\r\n\r\n"), Err(NotHttp));
        let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(MAX_HEAD_BYTES));
        assert_eq!(Head::read(endless.as_bytes()), Err(NotHttp));
    }
}
