//! What answers say, whichever framework sends them.

use serde::Serialize;

/// What every stream's answer begins with.
pub(crate) const STREAM_HEADERS: [(&str, &str); 3] = [
    ("content-type", "text/event-stream"),
    ("cache-control", "no-cache, no-transform"),
    ("x-accel-buffering", "no"),
];
/// The header of a stream that names history's head.
pub(crate) const EVENT_HEAD: &str = "event-head";
/// When a client that was told to wait is asked to try again, in seconds.
pub(crate) const RETRY_AFTER_SECONDS: u64 = 1;

/// A refusal as `application/problem+json` (RFC 9457); `more` is further members.
pub(crate) fn problem(
    (status, title): (u16, Option<&str>),
    code: &str,
    detail: &str,
    more: Option<&impl Serialize>,
) -> String {
    #[derive(Serialize)]
    struct Body<'a, M> {
        r#type: &'static str,
        title: &'a str,
        status: u16,
        detail: &'a str,
        code: &'a str,
        #[serde(flatten)]
        more: Option<&'a M>,
    }
    let body = Body {
        r#type: "about:blank",
        title: title.unwrap_or("Error"),
        status,
        detail,
        code,
        more,
    };
    serde_json::to_string(&body).unwrap_or_default()
}
