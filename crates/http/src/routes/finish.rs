//! What the routes have in common.

use http::HeaderValue;

use super::cors;
use crate::{AppState, Refusal, RequestHead, response::Response, traces::PublishTrace};

/// The content type of text.
pub(super) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Awaits a write to history, during which a server must not drop the response.
pub(super) async fn committing<T>(request: &impl RequestHead, write: impl Future<Output = T>) -> T {
    request.set_committing(true);
    let written = write.await;
    request.set_committing(false);
    written
}

/// The response to a read, refused or not, with the headers of CORS.
pub(super) fn finish_read(
    request: &impl RequestHead,
    state: &AppState,
    response: Result<Response, Refusal>,
) -> Response {
    let mut response = response.unwrap_or_else(Response::from);
    cors::admit_reader(response.headers_mut(), &state.gate, request);
    response
}

/// The response to a write, refused or not, with the headers of CORS.
pub(super) fn finish_write(
    request: &impl RequestHead,
    state: &AppState,
    response: Result<Response, Refusal>,
) -> Response {
    let mut response = response.unwrap_or_else(Response::from);
    cors::admit_publisher(response.headers_mut(), &state.gate, request);
    response
}

/// The same for a publish, whose span ends with it.
pub(super) fn finish_publish(
    request: &impl RequestHead,
    state: &AppState,
    trace: PublishTrace,
    response: Result<Response, Refusal>,
) -> Response {
    let response = finish_write(request, state, response);
    trace.end(&response);
    response
}
