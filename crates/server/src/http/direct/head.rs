//! The first request of a connection: for a stream, or for another route.
//!
//! Only a whole `GET` of the stream route is taken, and only if the stream is granted. All else is
//! left to actix with every byte that was read, so that there is one place that rejects.

use actix_http::{
    Response, ServiceConfig,
    body::BodySize,
    h1::{Codec, Message, MessageType},
};
use actix_web::{
    dev::RequestHead,
    http::{Method, header},
    web::BytesMut,
};
use tokio_util::codec::{Decoder as _, Encoder as _};

use crate::http::connection::{accepted::Accepted, upgrades::Offers};
use sse_broadcaster_actix::internal::{Head, head_of};
use sse_broadcaster_http::{
    AppState, OpenedStream, PageFormat, StreamKind, is_chunked, open_stream,
};

/// Longest head of a stream's request; what is longer is left to actix, which has bounds of its own.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// With which bytes a request for a stream begins.
const PREFIXES: [&[u8]; 2] = [b"GET /events", b"GET /signals"];

/// What the first request of a connection asks for.
pub(super) enum FirstRequest {
    /// Too little has come to decide.
    Incomplete,
    /// Not a stream, or one that is not granted.
    Other,
    Stream(Box<GrantedStream>),
}

/// A stream that was granted.
pub(super) struct GrantedStream {
    /// The head of its response.
    pub(super) head: Vec<u8>,
    pub(super) opened: OpenedStream,
    pub(super) chunked: bool,
    /// How many bytes came behind the request.
    pub(super) behind: usize,
}

/// Examines what a connection has sent so far; the last `new` bytes were not examined yet.
pub(super) fn classify(
    accepted: &Accepted,
    new: usize,
    state: &AppState,
    config: &ServiceConfig,
) -> FirstRequest {
    let sent = &accepted.received[..];
    if !may_ask_for_stream(sent) {
        return FirstRequest::Other;
    }
    // A head ends with a line feed: one that is sent byte by byte is not decoded at every byte.
    if !sent[sent.len() - new..].contains(&b'\n') {
        return if sent.len() < MAX_HEAD_BYTES {
            FirstRequest::Incomplete
        } else {
            FirstRequest::Other
        };
    }
    let (mut codec, mut rest) = (Codec::new(config.clone()), BytesMut::from(sent));
    Offers::default().ignore(&mut rest);
    match codec.decode(&mut rest) {
        Ok(None) if sent.len() < MAX_HEAD_BYTES => FirstRequest::Incomplete,
        Ok(Some(Message::Item(mut request))) if codec.message_type() == MessageType::None => {
            request.head_mut().peer_addr = accepted.peer;
            let granted = grant(request.head(), rest.len(), state, &mut codec);
            granted.map_or(FirstRequest::Other, FirstRequest::Stream)
        }
        _ => FirstRequest::Other,
    }
}

/// Also while only its first bytes have come.
fn may_ask_for_stream(sent: &[u8]) -> bool {
    PREFIXES.into_iter().any(|begins| {
        let (beginning, rest) = sent.split_at(sent.len().min(begins.len()));
        begins.starts_with(beginning)
            && matches!(
                rest.strip_prefix(b"/").unwrap_or(rest),
                [] | [b' ' | b'?', ..]
            )
    })
}

fn grant(
    request: &RequestHead,
    behind: usize,
    state: &AppState,
    codec: &mut Codec,
) -> Option<Box<GrantedStream>> {
    if request.method != Method::GET || request.headers.contains_key(header::EXPECT) {
        return None;
    }
    let kind = match request.uri.path() {
        "/events" | "/events/" => StreamKind::Events,
        "/signals" | "/signals/" => StreamKind::Signals,
        _ => return None,
    };
    let request = Head::from(request);
    if PageFormat::of(&request).is_some() {
        return None;
    }
    let (response, opened) = open_stream(&request, state, kind).ok()?;
    let response = head_of(response, &request);
    let response = (Response::from(response), BodySize::Stream);
    let mut head = BytesMut::new();
    codec.encode(Message::Item(response), &mut head).ok()?;
    Some(Box::new(GrantedStream {
        head: head.into(),
        opened,
        chunked: is_chunked(&request),
        behind,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_get_of_a_stream_route_may_ask_for_a_stream_also_in_its_first_bytes() {
        for whole in [
            "GET /events HTTP/1.1",
            "GET /events?topic=a ",
            "GET /events/ H",
            "GET /events/?last=1",
            "GET /signals?name=a ",
        ] {
            for end in 0..=whole.len() {
                assert!(
                    may_ask_for_stream(&whole.as_bytes()[..end]),
                    "{whole} {end}"
                );
            }
        }
        for other in [
            "GET /ws HTTP/1.1",
            "POST",
            "get /events ",
            "GET /eventsource",
            "GET /events/hello",
            "GET /signals/counter",
            "GET /health",
            "\r\n",
            "\x16\x03",
        ] {
            assert!(!may_ask_for_stream(other.as_bytes()), "{other}");
        }
    }
}
