//! Cross-origin responses, by the Fetch standard: who may read what, and the responses to preflights.

use http::{
    HeaderMap, StatusCode,
    header::{self, HeaderName, HeaderValue},
};

use crate::{
    Gate, RequestHead,
    request::visible_text,
    response::{self, Body, Response},
};

/// Headers of such requests, of ours or of the common clients: listed where a preflight names none.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, cache-control, content-type, if-match, if-none-match, \
    last-event-id, datastar-request, \
    hx-boosted, hx-current-url, hx-history-restore-request, hx-prompt, hx-request, hx-request-type, \
    hx-source, hx-target, hx-trigger, hx-trigger-name, x-requested-with",
);
/// Longest list of headers that a preflight may name.
const MAX_REQUESTED_BYTES: usize = 4 << 10;
/// The headers of a response that the pages of admitted origins see.
const EXPOSED: HeaderValue = HeaderValue::from_static("etag, event-head, event-id");
/// How long a browser may keep the response to a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const ORIGIN: HeaderValue = HeaderValue::from_static("Origin");

/// Lets the pages of origins that may read see the response, a refusal too.
pub(crate) fn admit_reader(headers: &mut HeaderMap, gate: &Gate, request: &impl RequestHead) {
    let origin = gate.reader_origin(request);
    if origin.is_some() {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    admit(headers, origin, request);
}

/// Lets the pages of origins that may publish see the response, whatever it is.
pub(crate) fn admit_publisher(headers: &mut HeaderMap, gate: &Gate, request: &impl RequestHead) {
    let admitted = gate.access().publisher_origin(request);
    if let Some((_, sent)) = admitted.zip(sent_origin(request)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, sent);
        headers.insert(header::VARY, ORIGIN);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// As it was sent, since browsers compare it to the letter; credentials need it so, too.
fn sent_origin(request: &impl RequestHead) -> Option<HeaderValue> {
    HeaderValue::from_bytes(request.header("origin")?).ok()
}

fn admit(headers: &mut HeaderMap, origin: Option<&str>, request: &impl RequestHead) {
    match (origin, sent_origin(request)) {
        (Some("*"), _) => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
        }
        (Some(_), Some(sent)) => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, sent);
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
            headers.insert(header::VARY, ORIGIN);
        }
        _ => {}
    }
}

/// An admitted origin may send every header that it names: tracing, tokens and the like are its own matter,
/// and nothing here depends on them.
fn allowed_headers(request: &impl RequestHead) -> HeaderValue {
    let is_list = |value: &[u8]| {
        let mut names = visible_text(value)
            .split(',')
            .map(|name| name.trim().as_bytes());
        value.len() <= MAX_REQUESTED_BYTES && names.all(|name| HeaderName::from_bytes(name).is_ok())
    };
    let requested = request.header("access-control-request-headers");
    let requested = requested.filter(|value| is_list(value));
    requested
        .and_then(|value| HeaderValue::from_bytes(value).ok())
        .unwrap_or(HEADERS)
}

/// The response to OPTIONS of a route with these methods, a preflight or not.
pub(crate) fn options(gate: &Gate, request: &impl RequestHead, methods: &'static str) -> Response {
    let mut response = response::of(StatusCode::NO_CONTENT, Body::Empty);
    let methods = HeaderValue::from_static(methods);
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, methods.clone());
    let requested = request.header("access-control-request-method");
    let publishes = requested.is_some_and(|method| method != b"GET" && method != b"HEAD");
    let origin = match gate.access().publisher_origin(request) {
        None if !publishes => gate.reader_origin(request),
        origin => origin,
    };
    if requested.is_none() || origin.is_none() {
        return response;
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        allowed_headers(request),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    admit(headers, origin, request);
    let vary = HeaderValue::from_static("Origin, Access-Control-Request-Headers");
    headers.insert(header::VARY, vary);
    response
}
