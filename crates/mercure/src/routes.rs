//! The routes of the hub.

use bytes::Bytes;
use futures_util::{FutureExt as _, Stream};
use http::{
    HeaderMap, HeaderName,
    header::{self, HeaderValue},
};
use sse_broadcaster_http::{
    AppState, OpenedStream, PublishTrace, Refusal, RequestHead, Response, insert_coding, query,
    read_whole,
};

use crate::{
    Hub,
    address::Address,
    content_type::is_form,
    cors,
    failure::Failure,
    metadata,
    paths::{HUB_PATH, METADATA_PATH},
    publish, subscribe, subscriptions,
};

const HUB_METHODS: &str = "GET, HEAD, POST, QUERY, OPTIONS";
const READ_METHODS: &str = "GET, HEAD, OPTIONS";
/// Longest form of a subscription.
const MAX_QUERY_BYTES: usize = 1 << 20;

/// Of every response of the hub.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'self'"),
    ),
];

/// Serves a request whose path is [`METADATA_PATH`], or [`HUB_PATH`] or below it. `path` is the whole path as it was
/// sent, without decoding it.
///
/// The future may be dropped at any time; then what it was about to publish may be published or not.
pub async fn respond<B, E>(
    hub: &Hub,
    state: &AppState,
    path: &str,
    request: &impl RequestHead,
    body: B,
) -> Response
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let address = Address::of(hub.options.url.as_ref(), state, request);
    let response = route(hub, state, &address, path, request, body).await;
    let failed = |failure: Failure| failure.into_response(hub.default_version, &address);
    let mut response = response.unwrap_or_else(failed);
    let method = request.method().as_bytes();
    finish(response.headers_mut(), state, request, method);
    response
}

fn finish(headers: &mut HeaderMap, state: &AppState, request: &impl RequestHead, method: &[u8]) {
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, value);
    }
    if method != b"OPTIONS" {
        cors::admit(headers, state, request, method);
    }
}

async fn route<B, E>(
    hub: &Hub,
    state: &AppState,
    address: &Address,
    path: &str,
    request: &impl RequestHead,
    body: B,
) -> Result<Response, Failure>
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    if matches!(request.method(), "GET" | "HEAD" | "QUERY") {
        state.gate.admit_host(request)?;
    }
    let below = path.strip_prefix(HUB_PATH);
    match (request.method(), below) {
        ("GET" | "HEAD", None) if path == METADATA_PATH => Ok(metadata::respond(hub, address)),
        ("OPTIONS", None) if path == METADATA_PATH => {
            Ok(cors::options(state, request, READ_METHODS))
        }
        (_, None) if path == METADATA_PATH => Err(Refusal::method_not_allowed(READ_METHODS).into()),
        ("GET" | "HEAD", Some("")) => {
            let pairs = pairs(request.query().as_bytes())?;
            subscribe::respond(hub, state, address, request, &pairs).await
        }
        ("QUERY", Some("")) => {
            let pairs = pairs_with_body(state, request, body).await?;
            subscribe::respond(hub, state, address, request, &pairs).await
        }
        ("POST", Some("")) => {
            let mut trace = PublishTrace::begin(state, request, HUB_PATH);
            let response = publish::respond(hub, state, address, request, body, &mut trace).await;
            let response = response
                .unwrap_or_else(|failure| failure.into_response(hub.default_version, address));
            trace.end(&response);
            Ok(response)
        }
        ("OPTIONS", Some("")) => Ok(cors::options(state, request, HUB_METHODS)),
        (_, Some("")) => Err(Refusal::method_not_allowed(HUB_METHODS).into()),
        ("GET" | "HEAD", Some(below)) if is_subscriptions(below) => {
            subscriptions::respond(hub, state, address, request, path).await
        }
        ("OPTIONS", Some(below)) if is_subscriptions(below) => {
            Ok(cors::options(state, request, READ_METHODS))
        }
        (_, Some(below)) if is_subscriptions(below) => {
            Err(Refusal::method_not_allowed(READ_METHODS).into())
        }
        _ => Err(Refusal::not_found().into()),
    }
}

fn is_subscriptions(below: &str) -> bool {
    let rest = below.strip_prefix("/subscriptions");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn pairs(query: &[u8]) -> Result<Vec<(String, String)>, Failure> {
    let not_utf8 = |_| Failure::invalid("invalid_utf8", "the query is not valid UTF-8");
    query::pairs(query)
        .map(|pair| pair.map_err(not_utf8))
        .collect()
}

/// Parameters of the query come before those of the body, so that their cursor wins.
async fn pairs_with_body<B, E>(
    state: &AppState,
    request: &impl RequestHead,
    body: B,
) -> Result<Vec<(String, String)>, Failure>
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    is_form(request)?;
    let whole = read_whole(request, body, MAX_QUERY_BYTES, state).await?;
    let mut all = pairs(request.query().as_bytes())?;
    all.extend(pairs(&whole.bytes)?);
    Ok(all)
}

/// Opens a stream for a server that writes it to the socket itself: the head of the response, and the stream. `None`
/// where it is refused or finished, or has to wait: [`respond`] does both.
pub fn open_stream_now(
    hub: &Hub,
    state: &AppState,
    request: &impl RequestHead,
) -> Option<(http::Response<()>, OpenedStream)> {
    state.gate.admit_host(request).ok()?;
    let address = Address::of(hub.options.url.as_ref(), state, request);
    let pairs = pairs(request.query().as_bytes()).ok()?;
    let planned = subscribe::plan(hub, state, &address, request, &pairs);
    let mut planned = planned.now_or_never()?.ok()?;
    if planned.is_finished(state) {
        return None;
    }
    let mut response = http::Response::new(());
    *response.headers_mut() = std::mem::take(&mut planned.headers);
    let opened = planned.open(hub, state, request).ok()?;
    insert_coding(response.headers_mut(), state, opened.stream.coding());
    finish(response.headers_mut(), state, request, b"GET");
    Some((response, opened))
}
