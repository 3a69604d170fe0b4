//! Cross-origin answers, by the Fetch standard: who may read what, and what preflights are told.

use actix_web::{
    HttpResponse,
    dev::RequestHead,
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
};

use super::{access::Gate, error::no_store};

/// What requests of this kind carry, of ours or of the common clients: told where a preflight names none.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, cache-control, content-type, if-match, if-none-match, \
    last-event-id, datastar-request, \
    hx-boosted, hx-current-url, hx-history-restore-request, hx-prompt, hx-request, hx-request-type, \
    hx-source, hx-target, hx-trigger, hx-trigger-name, x-requested-with",
);
/// Longest list of headers that a preflight may ask for.
const MAX_REQUESTED_BYTES: usize = 4 << 10;
/// What of an answer the pages of admitted origins see beside its body.
const EXPOSED: HeaderValue = HeaderValue::from_static("etag, event-head, event-id");
/// How long a browser may keep a preflight's answer, in seconds.
const MAX_AGE: &str = "7200";

/// Lets the pages of origins that may read see the answer, a refusal too.
pub(crate) fn admit_reader(headers: &mut HeaderMap, gate: &Gate, request: &RequestHead) {
    let origin = gate.reader_origin(request.into());
    if origin.is_some() {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    admit(headers, origin, request);
}

/// Lets the pages of origins that may publish see the answer, whatever it is.
pub(crate) fn admit_publisher(headers: &mut HeaderMap, gate: &Gate, request: &RequestHead) {
    let admitted = gate.access.publisher_origin(request.into());
    let sent = request.headers.get(header::ORIGIN);
    if let Some((_, sent)) = admitted.zip(sent) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, sent.clone());
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

fn admit(headers: &mut HeaderMap, origin: Option<&str>, request: &RequestHead) {
    // As it was sent, since browsers compare it to the letter; credentials need it so, too.
    let sent = request.headers.get(header::ORIGIN);
    match (origin, sent) {
        (Some("*"), _) => {
            let any = HeaderValue::from_static("*");
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
        }
        (Some(_), Some(sent)) => {
            let credentials = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, sent.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials);
            headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        }
        _ => {}
    }
}

/// What an admitted origin asks to send it may: tracing, tokens and the like are its own matter, and nothing
/// here depends on them.
fn allowed_headers(request: &RequestHead) -> HeaderValue {
    let requested = request.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let is_list = |value: &&HeaderValue| {
        value.len() <= MAX_REQUESTED_BYTES
            && value.to_str().is_ok_and(|list| {
                let mut names = list.split(',').map(|name| name.trim().as_bytes());
                names.all(|name| HeaderName::from_bytes(name).is_ok())
            })
    };
    requested.filter(is_list).cloned().unwrap_or(HEADERS)
}

/// The answer to OPTIONS of a route with these methods, a preflight or not.
pub(crate) fn options(gate: &Gate, request: &RequestHead, methods: &'static str) -> HttpResponse {
    let mut answer = HttpResponse::NoContent();
    answer
        .insert_header((header::ALLOW, methods))
        .insert_header(no_store());
    let asks_to = request.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD);
    let publishes = asks_to.is_some_and(|method| method != "GET" && method != "HEAD");
    let origin = match gate.access.publisher_origin(request.into()) {
        None if !publishes => gate.reader_origin(request.into()),
        origin => origin,
    };
    if asks_to.is_none() || origin.is_none() {
        return answer.finish();
    }
    let mut answer = answer
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, methods))
        .insert_header((
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            allowed_headers(request),
        ))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE))
        .finish();
    admit(answer.headers_mut(), origin, request);
    let vary = HeaderValue::from_static("Origin, Access-Control-Request-Headers");
    answer.headers_mut().insert(header::VARY, vary);
    answer
}
