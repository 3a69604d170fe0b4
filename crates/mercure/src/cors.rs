//! CORS: headers for pages of admitted origins, and responses to preflights.

use http::{
    HeaderMap, StatusCode,
    header::{self, HeaderValue},
};
use sse_broadcaster_http::{AdmittedOrigin, AppState, Body, RequestHead, Response};

const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, cache-control, content-type, if-none-match, last-event-id",
);
/// The response headers that pages may read.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("link, etag, last-event-id, mercure-last-event-id");
/// How long a browser may keep the response to a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Whether a method writes: pages need to be among other origins for that.
fn is_write(method: &[u8]) -> bool {
    !matches!(method, b"GET" | b"HEAD" | b"QUERY" | b"OPTIONS")
}

/// Lets pages of admitted origins see the response, also if it is a refusal.
pub(crate) fn admit(
    headers: &mut HeaderMap,
    state: &AppState,
    request: &impl RequestHead,
    method: &[u8],
) -> bool {
    let admitted = if is_write(method) {
        state.gate.access().publisher_origin(request)
    } else {
        state.gate.reader_origin(request)
    };
    let sent = request.header("origin").map(HeaderValue::from_bytes);
    let (Some(admitted), Some(Ok(sent))) = (admitted, sent) else {
        return false;
    };
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    if admitted == AdmittedOrigin::Any {
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        );
        return true;
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, sent);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        HeaderValue::from_static("true"),
    );
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    true
}

/// The response to `OPTIONS` for a route with these methods.
pub(crate) fn options(
    state: &AppState,
    request: &impl RequestHead,
    methods: &'static str,
) -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static(methods);
    headers.insert(header::ALLOW, methods.clone());
    let Some(requested) = request.header("access-control-request-method") else {
        return response;
    };
    if admit(headers, state, request, requested) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
    response
}
