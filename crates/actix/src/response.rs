//! A response of the routes as one of actix-web.

use std::rc::Rc;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    body::{BodyStream, MessageBody},
    dev::ResponseHead,
    http::{
        ConnectionType, StatusCode,
        header::{self, HeaderValue},
    },
};
use futures_util::{TryStreamExt as _, stream};
use sse_broadcaster::history::Unavailable;
use sse_broadcaster_http::{AppState, Body, RefusalNote, Response, is_chunked};

use crate::{
    head::Head,
    headers,
    link::Link,
    pieces::{Pieces, pieces},
    stream_body::{ReconnectBody, StreamBody},
};

const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// The response to this request, as actix sends it.
pub(crate) fn respond(request: &HttpRequest, response: Response) -> HttpResponse {
    let (parts, body) = response.into_parts();
    let mut head = head(&parts);
    if is_plain_stream(&parts) {
        keep_uncompressed(request, &mut head);
    }
    match body {
        Body::Empty => head.finish(),
        Body::Bytes(bytes) => head.body(Pieces::of(bytes)),
        Body::Page(page) => {
            let pieces = page.map_ok(|part| stream::iter(pieces::<Unavailable>(part)));
            head.body(BodyStream::new(pieces.try_flatten()))
        }
        Body::Stream(opened) => {
            let link = Link::of(request);
            let left = match link {
                Some(link) => link.hand_over(opened),
                None => Some(opened),
            };
            match left {
                Some(opened) => begin(request, &mut head, |link| StreamBody::new(*opened, link)),
                None => head.finish(),
            }
        }
        Body::Reconnect(retry) => begin(request, &mut head, |link| ReconnectBody::new(retry, link)),
    }
}

/// Lets pages of origins that may read see a response that another route made.
pub fn admit_reader(response: &mut HttpResponse, state: &AppState, request: &Head<'_>) {
    let mut added = http::HeaderMap::new();
    sse_broadcaster_http::admit_reader(&mut added, &state.gate, request);
    let added = added.iter();
    for (name, value) in added.filter_map(|(name, value)| headers::convert(name, value)) {
        response.headers_mut().insert(name, value);
    }
}

/// The head of a stream's response, without a body.
#[must_use]
pub fn head_of(response: http::Response<()>, request: &Head<'_>) -> HttpResponse<()> {
    let (parts, ()) = response.into_parts();
    let mut response = head(&parts).finish();
    if !is_chunked(request) {
        end_with_connection(response.head_mut());
    }
    response.drop_body()
}

/// The status, headers and reason phrase of a response.
pub(crate) fn head(parts: &http::response::Parts) -> HttpResponseBuilder {
    let status = StatusCode::from_u16(parts.status.as_u16());
    let mut head = HttpResponse::build(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in &parts.headers {
        if name == http::header::CONNECTION {
            head.force_close();
            continue;
        }
        if let Some(header) = headers::convert(name, value) {
            head.append_header(header);
        }
    }
    if let Some(refused) = parts.extensions.get::<RefusalNote>() {
        if let Some(reason) = refused.reason {
            head.reason(reason);
        }
        head.extensions_mut().insert(*refused);
    }
    head
}

fn is_plain_stream(parts: &http::response::Parts) -> bool {
    let content_type = parts.headers.get(http::header::CONTENT_TYPE);
    content_type.is_some_and(|content_type| content_type == "text/event-stream")
        && !parts.headers.contains_key(http::header::CONTENT_ENCODING)
}

/// The application may compress responses, which would take an encoder for each stream.
fn keep_uncompressed(request: &HttpRequest, head: &mut HttpResponseBuilder) {
    if Link::of(request).is_none() {
        head.insert_header((header::CONTENT_ENCODING, IDENTITY));
    }
}

/// The response of a stream. HTTP/1.0 does not have chunks: the body ends with the connection.
fn begin<B: MessageBody + 'static>(
    request: &HttpRequest,
    head: &mut HttpResponseBuilder,
    body: impl FnOnce(Option<Rc<Link>>) -> B,
) -> HttpResponse {
    let chunked = is_chunked(&Head::from(request));
    let link = Link::of(request);
    if let Some(link) = &link {
        link.begin_stream(chunked);
    }
    let mut response = head.body(body(link));
    if !chunked {
        end_with_connection(response.head_mut());
    }
    response
}

fn end_with_connection(response: &mut ResponseHead) {
    response.no_chunking(true);
    response.set_connection_type(ConnectionType::Close);
}
