//! Cross-origin answers, by the Fetch standard: who may read what, and what preflights are told.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{self, HeaderMap, HeaderValue},
};

use super::{
    access::{Asked, Gate},
    error::no_store,
};

/// The methods of `/events`.
pub(crate) const METHODS: &str = "GET, HEAD, POST, OPTIONS";
/// What requests of this kind carry, of ours or of the common clients.
const HEADERS: &str = "authorization, cache-control, content-type, last-event-id, datastar-request, \
    hx-boosted, hx-current-url, hx-history-restore-request, hx-prompt, hx-request, hx-request-type, \
    hx-source, hx-target, hx-trigger, hx-trigger-name, x-requested-with";
/// How long a browser may keep a preflight's answer, in seconds.
const MAX_AGE: &str = "7200";

pub(crate) fn asked(request: &HttpRequest) -> Asked<'_> {
    Asked {
        method: request.method(),
        version: request.version(),
        headers: request.headers(),
    }
}

/// Lets the pages of origins that may read see the answer.
pub(crate) fn admit_reader(head: &mut HttpResponseBuilder, gate: &Gate, request: &HttpRequest) {
    admit(head, gate.reader_origin(asked(request)), request);
}

/// Lets the pages of origins that may publish see the answer, whatever it is.
pub(crate) fn admit_publisher(headers: &mut HeaderMap, gate: &Gate, request: &HttpRequest) {
    let admitted = gate.access.publisher_origin(asked(request));
    let sent = request.headers().get(header::ORIGIN);
    if let Some((_, sent)) = admitted.zip(sent) {
        let expose = HeaderValue::from_static("event-id");
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, sent.clone());
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, expose);
    }
}

fn admit(head: &mut HttpResponseBuilder, origin: Option<&str>, request: &HttpRequest) {
    let Some(origin) = origin else {
        return;
    };
    if origin == "*" {
        head.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
        return;
    }
    // As it was sent, since browsers compare it to the letter; credentials need it so, too.
    if let Some(sent) = request.headers().get(header::ORIGIN) {
        head.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, sent.clone()))
            .insert_header((header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"))
            .insert_header((header::VARY, "Origin"));
    }
}

/// The answer to OPTIONS, a preflight or not.
pub(crate) fn options(gate: &Gate, request: &HttpRequest) -> HttpResponse {
    let mut answer = HttpResponse::NoContent();
    answer
        .insert_header((header::ALLOW, METHODS))
        .insert_header(no_store());
    let asks_to = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD);
    let publishes = asks_to.is_some_and(|method| method == "POST");
    let origin = if publishes {
        gate.access.publisher_origin(asked(request))
    } else {
        gate.reader_origin(asked(request))
            .or_else(|| gate.access.publisher_origin(asked(request)))
    };
    if asks_to.is_some() && origin.is_some() {
        admit(&mut answer, origin, request);
        answer
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
            .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE));
    }
    answer.finish()
}
