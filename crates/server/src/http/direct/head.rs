//! Whether the first request of a connection is for a stream.
//!
//! Only a complete `GET` of a stream route is served here, and only if the stream can be opened. Anything else
//! goes to actix with every byte that was read, so that there is one place that refuses.

use std::panic::{self, AssertUnwindSafe};

use actix_http::{
    Response,
    body::BodySize,
    h1::{Codec, Message, MessageType},
};
use actix_web::{
    dev::RequestHead,
    http::{Method, header},
    web::BytesMut,
};
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::context::WorkerContext;
use crate::http::connection::{accepted::Accepted, paths::Paths, upgrades::Upgrades};
use sse_broadcaster_actix::internal::{Head, head_of};
use sse_broadcaster_http::{
    AppState, OpenedStream, PageFormat, StreamKind, is_chunked, open_stream_now,
};
use sse_broadcaster_mercure::{HUB_PATH, Hub, open_stream_now as open_stream_of_hub};

/// Longest head of a stream's request. A longer one goes to actix, which has bounds of its own.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// The first request of a connection.
pub(super) enum FirstRequest {
    /// Too little has arrived to decide.
    Incomplete,
    /// Not for a stream, or for one that cannot be opened.
    Other,
    Stream(Box<GrantedStream>),
}

/// A stream that was opened.
pub(super) struct GrantedStream {
    /// The head of its response, as text.
    pub(super) head: Vec<u8>,
    pub(super) opened: OpenedStream,
    pub(super) chunked: bool,
    /// How many bytes were received after the request.
    pub(super) trailing_bytes: usize,
}

/// Examines the bytes that a connection has sent so far, of which the last `new` have not been examined yet.
///
/// The caller serves all streams of the worker: a request at which this panics goes to actix, where it has a task of its
/// own.
pub(super) fn classify(accepted: &Accepted, new: usize, context: &WorkerContext) -> FirstRequest {
    let examined = panic::catch_unwind(AssertUnwindSafe(|| examine(accepted, new, context)));
    examined.unwrap_or(FirstRequest::Other)
}

fn examine(accepted: &Accepted, new: usize, context: &WorkerContext) -> FirstRequest {
    let (sent, paths) = (&accepted.received[..], &context.settings.paths);
    if !may_ask_for_stream(sent, paths) {
        return FirstRequest::Other;
    }
    // A head ends with a line feed: one that arrives byte by byte is not parsed at every byte.
    if !sent[sent.len() - new..].contains(&b'\n') {
        return if sent.len() < MAX_HEAD_BYTES {
            FirstRequest::Incomplete
        } else {
            FirstRequest::Other
        };
    }
    let (mut codec, mut rest) = (Codec::new(context.config.clone()), BytesMut::from(sent));
    Upgrades::default().ignore(&mut rest, paths.handshake());
    match codec.decode(&mut rest) {
        Ok(None) if sent.len() < MAX_HEAD_BYTES => FirstRequest::Incomplete,
        Ok(Some(Message::Item(mut request))) if codec.message_type() == MessageType::None => {
            request.head_mut().peer_addr = accepted.peer;
            let granted = grant(request.head(), rest.len(), context, &mut codec);
            granted.map_or(FirstRequest::Other, FirstRequest::Stream)
        }
        _ => FirstRequest::Other,
    }
}

/// Whether the bytes are, or may become, a request for a stream.
fn may_ask_for_stream(sent: &[u8], paths: &Paths) -> bool {
    paths.streams().any(|begins| {
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
    trailing_bytes: usize,
    context: &WorkerContext,
    codec: &mut Codec,
) -> Option<Box<GrantedStream>> {
    if request.method != Method::GET || request.headers.contains_key(header::EXPECT) {
        return None;
    }
    let path = context.settings.paths.base().strip(request.uri.path())?;
    let request = Head::from(request);
    let (response, opened) = open(path, &request, &context.state, context.hub.as_deref())?;
    let response = head_of(response, &request);
    let response = (Response::from(response), BodySize::Stream);
    let mut head = BytesMut::new();
    codec.encode(Message::Item(response), &mut head).ok()?;
    Some(Box::new(GrantedStream {
        head: head.into(),
        opened,
        chunked: is_chunked(&request),
        trailing_bytes,
    }))
}

/// Opens the stream that a `GET` of this path is for; `None` for another path, and for a stream that cannot be opened.
pub(in crate::http) fn open(
    path: &str,
    request: &impl sse_broadcaster_http::RequestHead,
    state: &AppState,
    hub: Option<&Hub>,
) -> Option<(http::Response<()>, OpenedStream)> {
    let open = |kind| {
        let is_page = PageFormat::of(request).is_some();
        let opened = || open_stream_now(request, state, kind);
        (!is_page).then(opened).flatten()
    };
    match path {
        "/events" | "/events/" => open(StreamKind::Events),
        "/signals" | "/signals/" => open(StreamKind::Signals),
        HUB_PATH => open_stream_of_hub(hub?, state, request),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_get_of_a_stream_route_may_ask_for_a_stream_even_before_it_is_complete() {
        let paths = Paths::default();
        for whole in [
            "GET /events HTTP/1.1",
            "GET /events?topic=a ",
            "GET /events/ H",
            "GET /events/?last=1",
            "GET /signals?name=a ",
            "GET /.well-known/mercure?topic=a ",
        ] {
            for end in 0..=whole.len() {
                assert!(
                    may_ask_for_stream(&whole.as_bytes()[..end], &paths),
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
            "GET /.well-known/mercure/subscriptions",
            "GET /health",
            "\r\n",
            "\x16\x03",
        ] {
            assert!(!may_ask_for_stream(other.as_bytes(), &paths), "{other}");
        }
    }
}
