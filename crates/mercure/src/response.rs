//! What responses have in common.

use http::header::{self, HeaderValue};
use sse_broadcaster_http::{Body, Response};

/// 200 with a body of this type, which caches must not store.
pub(crate) fn respond_with(content_type: HeaderValue, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
