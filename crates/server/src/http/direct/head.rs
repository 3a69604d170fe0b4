//! The first request of a connection: a stream's, or somebody else's.
//!
//! Only a whole `GET` of the stream route is taken, and only if the stream is granted. All else is
//! left to actix with every byte that was read, so that there is one place that refuses.

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

use super::{super::upgrades::Offers, connections::Other};
use sse_broadcaster_actix::internal::{
    AppState, Opened, PageFormat, Route, is_chunked, open_stream,
};

/// Longest head of a stream's request; what is longer is left to actix, which has bounds of its own.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// How every head that may be a stream's begins.
const BEGINNINGS: [&[u8]; 2] = [b"GET /events", b"GET /signals"];

/// Whose request it is.
pub(super) enum Verdict {
    /// Too little has come to tell.
    Unknown,
    Theirs,
    Stream(Box<Begun>),
}

/// A stream that was granted, and the head of its answer.
pub(super) struct Begun {
    pub(super) answer: Vec<u8>,
    pub(super) opened: Opened,
    pub(super) chunked: bool,
    /// How many bytes came behind the request.
    pub(super) behind: usize,
}

/// Looks at what a connection has sent so far, of which the last `new` bytes were not looked at yet.
pub(super) fn judge(
    other: &Other,
    new: usize,
    state: &AppState,
    config: &ServiceConfig,
) -> Verdict {
    let sent = &other.begun[..];
    if !may_be_a_streams(sent) {
        return Verdict::Theirs;
    }
    // A head ends with a line, so that one sent byte by byte is not decoded as often.
    if !sent[sent.len() - new..].contains(&b'\n') {
        return if sent.len() < MAX_HEAD_BYTES {
            Verdict::Unknown
        } else {
            Verdict::Theirs
        };
    }
    let (mut codec, mut rest) = (Codec::new(config.clone()), BytesMut::from(sent));
    Offers::default().ignore(&mut rest);
    match codec.decode(&mut rest) {
        Ok(None) if sent.len() < MAX_HEAD_BYTES => Verdict::Unknown,
        Ok(Some(Message::Item(mut request))) if codec.message_type() == MessageType::None => {
            request.head_mut().peer_addr = other.peer;
            let begun = begin(request.head(), rest.len(), state, &mut codec);
            begun.map_or(Verdict::Theirs, Verdict::Stream)
        }
        _ => Verdict::Theirs,
    }
}

/// Also when only the first bytes of it have come.
fn may_be_a_streams(sent: &[u8]) -> bool {
    BEGINNINGS.into_iter().any(|begins| {
        let (beginning, rest) = sent.split_at(sent.len().min(begins.len()));
        begins.starts_with(beginning)
            && matches!(
                rest.strip_prefix(b"/").unwrap_or(rest),
                [] | [b' ' | b'?', ..]
            )
    })
}

fn begin(
    request: &RequestHead,
    behind: usize,
    state: &AppState,
    codec: &mut Codec,
) -> Option<Box<Begun>> {
    if request.method != Method::GET || request.headers.contains_key(header::EXPECT) {
        return None;
    }
    if PageFormat::of(request).is_some() {
        return None;
    }
    let route = match request.uri.path() {
        "/events" | "/events/" => Route::Events,
        "/signals" | "/signals/" => Route::Signals,
        _ => return None,
    };
    let (answer, opened) = open_stream(request, state, route).ok()?;
    let answer = (Response::from(answer), BodySize::Stream);
    let mut bytes = BytesMut::new();
    codec.encode(Message::Item(answer), &mut bytes).ok()?;
    Some(Box::new(Begun {
        answer: bytes.into(),
        opened,
        chunked: is_chunked(request),
        behind,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_get_of_the_stream_route_may_be_a_streams_also_in_its_first_bytes() {
        for whole in [
            "GET /events HTTP/1.1",
            "GET /events?topic=a ",
            "GET /events/ H",
            "GET /events/?last=1",
            "GET /signals?name=a ",
        ] {
            for end in 0..=whole.len() {
                assert!(may_be_a_streams(&whole.as_bytes()[..end]), "{whole} {end}");
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
            assert!(!may_be_a_streams(other.as_bytes()), "{other}");
        }
    }
}
