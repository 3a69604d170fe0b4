//! Writes the response to a publish.

use std::io::Write as _;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use crate::http::date::date;
use sse_broadcaster_http::{Body, RefusalNote, Response};

/// The response to a request whose handling failed; the connection is closed behind it.
pub(super) fn internal_error() -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    close(&mut response);
    response
}

/// Has the connection closed behind the response.
pub(super) fn close(response: &mut Response) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
}

/// Appends the response to `out`; true if the connection is to be closed behind it. `keep_alive` is the value of
/// `Keep-Alive` if it is not.
pub(super) fn encode(response: Response, keep_alive: &[u8], out: &mut Vec<u8>) -> bool {
    let (parts, body) = response.into_parts();
    let body = match body {
        Body::Empty => Bytes::new(),
        Body::Bytes(bytes) => bytes,
        // A publish has none of these.
        Body::Page(_) | Body::Stream(_) | Body::Reconnect(_) => {
            return encode(internal_error(), keep_alive, out);
        }
    };
    let status = parts.status;
    let reason = parts.extensions.get::<RefusalNote>();
    let reason = reason.and_then(|refusal| refusal.reason);
    let reason = reason.or_else(|| status.canonical_reason()).unwrap_or("");
    let closes = parts.headers.contains_key(header::CONNECTION);
    append(
        out,
        format_args!("HTTP/1.1 {} {reason}\r\n", status.as_u16()),
    );
    append(out, format_args!("content-length: {}\r\n", body.len()));
    for (name, value) in &parts.headers {
        append_header(name.as_str(), value.as_bytes(), out);
    }
    if !closes {
        append_header("keep-alive", keep_alive, out);
    }
    if let Some(date) = date() {
        append_header("date", date.as_bytes(), out);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&body);
    closes
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // A vector takes everything.
    let _ = out.write_fmt(text);
}

fn append_header(name: &str, value: &[u8], out: &mut Vec<u8>) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}
