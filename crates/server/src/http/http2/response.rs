//! The head of a response.

use actix_web::{HttpResponse, body::BodySize};
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{self, HeaderMap},
};

use crate::http::date::date;

/// Headers of a connection, which HTTP/2 does not have (RFC 9113, section 8.2.2).
const OF_CONNECTIONS: [&str; 5] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// The head of actix's response, with this size of its body.
pub(super) fn head_of<B>(response: &HttpResponse<B>, size: BodySize) -> Response<()> {
    let mut head = Response::new(());
    let status = StatusCode::from_u16(response.status().as_u16());
    *head.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = head.headers_mut();
    for (name, value) in response.headers() {
        if OF_CONNECTIONS.contains(&name.as_str()) {
            continue;
        }
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    if let BodySize::Sized(length) = size
        && !has_no_body(head.status())
    {
        let headers = head.headers_mut();
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    add_date(head.headers_mut());
    head
}

/// Whether a response of this status never has a body.
pub(super) fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Adds the time of the response, as every server with a clock must.
pub(super) fn add_date(headers: &mut HeaderMap) {
    if headers.contains_key(header::DATE) {
        return;
    }
    if let Some(date) = date() {
        headers.insert(header::DATE, date);
    }
}
