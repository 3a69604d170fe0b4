//! CORS, by the Fetch standard: headers for pages of admitted origins, and responses to preflights.

use http::{
    HeaderMap, StatusCode,
    header::{self, HeaderName, HeaderValue},
};

use crate::{
    AdmittedOrigin, Gate, RequestHead,
    request::visible_text,
    response::{self, Body, Response},
};

/// Request headers of the routes and of common clients, for a preflight that names none.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, cache-control, content-type, if-match, if-none-match, \
    last-event-id, datastar-request, \
    hx-boosted, hx-current-url, hx-history-restore-request, hx-prompt, hx-request, hx-request-type, \
    hx-source, hx-target, hx-trigger, hx-trigger-name, x-requested-with",
);
/// Longest list of headers in a preflight.
const MAX_REQUESTED_BYTES: usize = 4 << 10;
/// The response headers that pages of admitted origins may read.
const EXPOSED: HeaderValue = HeaderValue::from_static("etag, event-head, event-id, retry-after");
/// How long a browser may keep the response to a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const ORIGIN: HeaderValue = HeaderValue::from_static("Origin");

/// Lets pages of origins that may read see the response, also if it is a refusal.
pub fn admit_reader(headers: &mut HeaderMap, gate: &Gate, request: &impl RequestHead) {
    let origin = gate.reader_origin(request);
    if origin.is_some() {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    admit(headers, origin, request);
}

/// Lets pages of origins that may publish see the response, also if it is a refusal.
pub(crate) fn admit_publisher(headers: &mut HeaderMap, gate: &Gate, request: &impl RequestHead) {
    let admitted = gate.access().publisher_origin(request);
    if let Some((_, sent)) = admitted.zip(sent_origin(request)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, sent);
        headers.append(header::VARY, ORIGIN);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
    }
}

/// The origin as it was sent: browsers compare it byte by byte, and with credentials `*` does not count.
fn sent_origin(request: &impl RequestHead) -> Option<HeaderValue> {
    HeaderValue::from_bytes(request.header("origin")?).ok()
}

fn admit(headers: &mut HeaderMap, origin: Option<AdmittedOrigin>, request: &impl RequestHead) {
    match (origin, sent_origin(request)) {
        (Some(AdmittedOrigin::Any), _) => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
        }
        (Some(AdmittedOrigin::Listed), Some(sent)) => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, sent);
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
            headers.append(header::VARY, ORIGIN);
        }
        _ => {}
    }
}

/// An admitted origin may send every header that it names, such as those of tracing: no check depends on them.
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

/// The response to `OPTIONS` for a route with these methods, whether it is a preflight or not.
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
