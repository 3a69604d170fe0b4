//! Headers of the routes as headers of actix, which uses another version of the crate `http`. What the routes use is
//! listed here, so that it is found instead of parsed or copied; anything else is converted as well.

use actix_web::http::header::{self, HeaderName, HeaderValue};

/// The names of request headers; those that most requests have come first.
static REQUEST_NAMES: [(&str, HeaderName); 20] = [
    ("host", header::HOST),
    ("accept", header::ACCEPT),
    ("content-type", header::CONTENT_TYPE),
    ("content-length", header::CONTENT_LENGTH),
    ("accept-encoding", header::ACCEPT_ENCODING),
    ("user-agent", header::USER_AGENT),
    ("origin", header::ORIGIN),
    ("sec-fetch-site", HeaderName::from_static("sec-fetch-site")),
    ("authorization", header::AUTHORIZATION),
    ("last-event-id", HeaderName::from_static("last-event-id")),
    ("if-none-match", header::IF_NONE_MATCH),
    ("if-match", header::IF_MATCH),
    ("content-encoding", header::CONTENT_ENCODING),
    ("transfer-encoding", header::TRANSFER_ENCODING),
    ("sec-purpose", HeaderName::from_static("sec-purpose")),
    ("purpose", HeaderName::from_static("purpose")),
    ("x-purpose", HeaderName::from_static("x-purpose")),
    ("x-moz", HeaderName::from_static("x-moz")),
    (
        "access-control-request-method",
        header::ACCESS_CONTROL_REQUEST_METHOD,
    ),
    (
        "access-control-request-headers",
        header::ACCESS_CONTROL_REQUEST_HEADERS,
    ),
];

/// The names of response headers; those that most responses have come first.
static RESPONSE_NAMES: [(&str, HeaderName); 18] = [
    ("cache-control", header::CACHE_CONTROL),
    ("x-content-type-options", header::X_CONTENT_TYPE_OPTIONS),
    ("content-type", header::CONTENT_TYPE),
    ("event-id", HeaderName::from_static("event-id")),
    ("event-head", HeaderName::from_static("event-head")),
    (
        "x-accel-buffering",
        HeaderName::from_static("x-accel-buffering"),
    ),
    (
        "access-control-allow-origin",
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
    ),
    (
        "access-control-allow-credentials",
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ),
    (
        "access-control-expose-headers",
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
    ),
    ("vary", header::VARY),
    ("content-encoding", header::CONTENT_ENCODING),
    ("etag", header::ETAG),
    ("allow", header::ALLOW),
    ("retry-after", header::RETRY_AFTER),
    ("www-authenticate", header::WWW_AUTHENTICATE),
    (
        "access-control-allow-methods",
        header::ACCESS_CONTROL_ALLOW_METHODS,
    ),
    (
        "access-control-allow-headers",
        header::ACCESS_CONTROL_ALLOW_HEADERS,
    ),
    ("access-control-max-age", header::ACCESS_CONTROL_MAX_AGE),
];

static VALUES: [HeaderValue; 16] = [
    HeaderValue::from_static("nosniff"),
    HeaderValue::from_static("no-store"),
    HeaderValue::from_static("application/json"),
    HeaderValue::from_static("text/event-stream"),
    HeaderValue::from_static("no-cache, no-transform"),
    HeaderValue::from_static("no"),
    HeaderValue::from_static("text/plain; charset=utf-8"),
    HeaderValue::from_static("application/x-ndjson"),
    HeaderValue::from_static("application/problem+json"),
    HeaderValue::from_static("*"),
    HeaderValue::from_static("true"),
    HeaderValue::from_static("Origin"),
    HeaderValue::from_static("Accept"),
    HeaderValue::from_static("etag, event-head, event-id, retry-after"),
    HeaderValue::from_static("1"),
    HeaderValue::from_static("Bearer"),
];

/// The name of a request header, given in lower case, if it is listed.
pub(crate) fn of_request(name: &str) -> Option<&'static HeaderName> {
    listed(&REQUEST_NAMES, name)
}

fn listed(names: &'static [(&str, HeaderName)], name: &str) -> Option<&'static HeaderName> {
    let found = names.iter().find(|(listed, _)| *listed == name);
    found.map(|(_, name)| name)
}

/// The header of a response as one of actix, if it can have it.
pub(crate) fn convert(
    name: &http::HeaderName,
    value: &http::HeaderValue,
) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = (name.as_str(), value.as_bytes());
    let name = match listed(&RESPONSE_NAMES, name) {
        Some(name) => name.clone(),
        None => HeaderName::from_bytes(name.as_bytes()).ok()?,
    };
    let value = match VALUES.iter().find(|listed| listed.as_bytes() == value) {
        Some(value) => value.clone(),
        None => HeaderValue::from_bytes(value).ok()?,
    };
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_stays_what_it_is_whether_it_is_listed_or_not() {
        for (listed, name) in REQUEST_NAMES.iter().chain(&RESPONSE_NAMES) {
            assert_eq!(*listed, name.as_str());
        }
        for (name, value) in [
            ("content-type", "application/json"),
            ("content-type", "image/png"),
            ("x-other", "no-store"),
            ("x-other", "caf\u{e9}"),
            ("event-id", ""),
        ] {
            let converted = convert(
                &name.parse().unwrap(),
                &http::HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
            let (converted_name, converted_value) = converted.unwrap();
            assert_eq!(converted_name.as_str(), name);
            assert_eq!(converted_value.as_bytes(), value.as_bytes());
        }
    }
}
