//! Finds a whole small `POST /events` at the beginning of what a connection has sent.
//!
//! Everything that is unusual is left to actix: what is served here is served by the same functions, and the two must
//! never read one request in two ways.

#[cfg(test)]
mod against_actix;

use bytes::{Bytes, BytesMut};
use memchr::memmem;

use super::head::{Head, Span};
use crate::http::connection::paths::Paths;
use sse_broadcaster_http::BasePath;

/// Most bytes of a request, with its body. A longer one goes to actix, which reads it part by part.
pub(super) const MAX_BYTES: usize = 16 << 10;
/// Most headers of a request that is served here.
const MAX_HEADERS: usize = 32;

/// A request to publish, with its body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Publish {
    pub(super) head: Head,
    pub(super) body: Bytes,
    /// Whether the connection is to be closed behind the response.
    pub(super) closes: bool,
}

/// What a connection has sent so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    Publish(Publish),
    /// Nothing, or the beginning of what may be a request to publish.
    Incomplete,
    /// Something else.
    Other,
}

/// Whether a connection that begins with these bytes may send a request to publish.
pub(in crate::http) fn may_publish(received: &[u8], paths: &Paths) -> bool {
    received.starts_with(paths.publish())
}

/// Takes the next request from `received`. Unless that is a whole request to publish, it stays as it is, but for the
/// letter case of the names of headers.
pub(super) fn take(received: &mut BytesMut, paths: &Paths) -> Received {
    let expected = paths.publish();
    let begun = received.len().min(expected.len());
    if received[..begun] != expected[..begun] {
        return Received::Other;
    }
    let Some(end) = memmem::find(received, b"\r\n\r\n") else {
        return or_too_long(received);
    };
    let end = end + 4;
    lower_names(&mut received[..end]);
    let Some(found) = read(&received[..end], paths.base()) else {
        return Received::Other;
    };
    let length = end + found.framing.body_bytes;
    if length > MAX_BYTES {
        return Received::Other;
    }
    if received.len() < length {
        return Received::Incomplete;
    }
    let whole = received.split_to(length).freeze();
    Received::Publish(Publish {
        body: whole.slice(end..),
        closes: found.framing.closes,
        head: Head::new(whole, found.query, found.headers),
    })
}

fn or_too_long(received: &[u8]) -> Received {
    if received.len() < MAX_BYTES {
        Received::Incomplete
    } else {
        Received::Other
    }
}

/// The names of headers are compared, and looked for, in lower case.
fn lower_names(head: &mut [u8]) {
    for line in head.split_mut(|byte| *byte == b'\n').skip(1) {
        let name = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        line[..name].make_ascii_lowercase();
    }
}

struct Found {
    query: Span,
    headers: Vec<(Span, Span)>,
    framing: Framing,
}

struct Framing {
    body_bytes: usize,
    closes: bool,
}

/// `None` unless it is a request to publish whose body has a length, without anything that changes how it is read.
fn read(head: &[u8], base: &BasePath) -> Option<Found> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let status = request.parse(head).ok()?;
    if !matches!(status, httparse::Status::Complete(end) if end == head.len())
        || request.method != Some("POST")
        || request.version != Some(1)
    {
        return None;
    }
    let target = request.path?;
    let query = match base.strip(target)?.strip_prefix("/events")? {
        "" => "",
        rest => rest.strip_prefix('?')?,
    };
    if !query.bytes().all(is_query_byte) {
        return None;
    }
    let span = |part: &[u8]| {
        let begin = (part.as_ptr() as usize).checked_sub(head.as_ptr() as usize)?;
        let end = u16::try_from(begin + part.len()).ok()?;
        Some((u16::try_from(begin).ok()?, end))
    };
    let spans =
        |header: &httparse::Header<'_>| Some((span(header.name.as_bytes())?, span(header.value)?));
    Some(Found {
        query: span(query.as_bytes())?,
        headers: request.headers.iter().map(spans).collect::<Option<_>>()?,
        framing: framing(request.headers)?,
    })
}

/// `None` without a length, or with a header that could make the request another.
fn framing(headers: &[httparse::Header<'_>]) -> Option<Framing> {
    let (mut length, mut hosts, mut closes) = (None, 0, None);
    for header in headers {
        match header.name {
            "content-length" if length.is_none() => length = Some(digits(header.value)?),
            "host" => hosts += 1,
            "connection" if closes.is_none() => closes = Some(is_close(header.value)?),
            "content-length" | "connection" | "upgrade" | "transfer-encoding" | "te"
            | "trailer" | "expect" => return None,
            _ => {}
        }
    }
    Some(Framing {
        body_bytes: length.filter(|_| hosts == 1)?,
        closes: closes.unwrap_or(false),
    })
}

fn is_close(connection: &[u8]) -> Option<bool> {
    let is = |word: &[u8]| connection.eq_ignore_ascii_case(word);
    (is(b"keep-alive") || is(b"close")).then(|| is(b"close"))
}

/// A byte of a query, or of an escape in it (RFC 3986, section 3.4).
fn is_query_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte)
}

/// A length of at most so many digits as [`MAX_BYTES`] has.
fn digits(value: &[u8]) -> Option<usize> {
    let is_number = (1..=5).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| is_number)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use sse_broadcaster_http::RequestHead as _;

    use super::*;

    const REQUEST: &str = "POST /events?topic=a%20b HTTP/1.1\r\nHost: localhost\r\n\
        X-Two:  one \r\nx-two: two\r\nContent-Length: 5\r\n\r\nhello";

    fn taken(text: &str) -> (Received, String) {
        let mut received = BytesMut::from(text);
        let taken = take(&mut received, &Paths::default());
        (taken, String::from_utf8(received.into()).unwrap())
    }

    #[test]
    fn a_whole_request_to_publish_is_taken_with_its_body_and_what_follows_is_left() {
        let (taken, left) = taken(&format!("{REQUEST}POST /ev"));
        let Received::Publish(publish) = taken else {
            panic!("{taken:?}");
        };
        assert_eq!(left, "POST /ev");
        assert_eq!(&publish.body[..], b"hello");
        let head = &publish.head;
        assert_eq!((head.method(), head.query()), ("POST", "topic=a%20b"));
        assert_eq!(head.header("host"), Some(&b"localhost"[..]));
        assert_eq!(head.header("accept"), None);
        let values: Vec<_> = head.header_values("x-two").collect();
        assert_eq!(values, [b"one", b"two"]);
        let names: Vec<_> = head.header_names().collect();
        assert_eq!(names, ["host", "x-two", "x-two", "content-length"]);
    }

    #[test]
    fn a_part_of_a_request_to_publish_is_waited_for_and_kept() {
        for end in 0..REQUEST.len() {
            let (taken, left) = taken(&REQUEST[..end]);
            assert_eq!(taken, Received::Incomplete, "{end}");
            assert!(left.eq_ignore_ascii_case(&REQUEST[..end]));
        }
    }

    #[test]
    fn what_could_be_read_in_another_way_is_left_to_actix() {
        let with = |header: &str| REQUEST.replace("X-Two:  one ", header);
        let others = [
            REQUEST.replace("POST", "PUT"),
            REQUEST.replace("POST /events", "POST  /events"),
            REQUEST.replace("/events?", "/events/?"),
            REQUEST.replace("/events?", "/eventsource?"),
            REQUEST.replace("/events?", "/events/a?"),
            REQUEST.replace("topic=a%20b", "topic=a#b"),
            REQUEST.replace("topic=a%20b", "topic=\u{e9}"),
            REQUEST.replace("topic=a%20b", "topic=[a]"),
            REQUEST.replace("HTTP/1.1", "HTTP/1.0"),
            REQUEST.replace("Host: localhost\r\n", ""),
            REQUEST.replace("Content-Length: 5\r\n", ""),
            REQUEST.replace("Content-Length: 5", "Content-Length: +5"),
            REQUEST.replace("Content-Length: 5", "Content-Length: 5, 5"),
            REQUEST.replace("Content-Length: 5", "Content-Length: 50000"),
            REQUEST.replace("Content-Length: 5", "Content-Length: 999999999999999999999"),
            with("Content-Length: 5"),
            with("Host: other"),
            with("Transfer-Encoding: chunked"),
            with("Expect: 100-continue"),
            with("Connection: close, keep-alive"),
            with("Connection: close\r\nConnection: close"),
            with("Connection: keep-alive, upgrade"),
            with("Upgrade: h2c"),
            with("Trailer: x"),
            with("Transfer-Encoding : chunked"),
            with(" folded"),
            with("no colon"),
            with("a\u{0}b: c"),
            with(&"x: y\r\n".repeat(MAX_HEADERS)),
            format!("\r\n{REQUEST}"),
            format!("POST /events?topic={} HTTP/1.1\r\n", "a".repeat(MAX_BYTES)),
        ];
        for other in others {
            let (taken, left) = taken(&other);
            assert_eq!(taken, Received::Other, "{other}");
            assert!(left.eq_ignore_ascii_case(&other));
        }
        for (usual, closes) in [
            ("Connection: Keep-Alive", false),
            ("Connection: Close", true),
            ("Accept: */*", false),
        ] {
            let Received::Publish(publish) = taken(&with(usual)).0 else {
                panic!("{usual}");
            };
            assert_eq!(publish.closes, closes, "{usual}");
        }
    }
}
