//! What answers say, whichever framework sends them.

use serde::Serialize;

use sse_broadcaster::{
    broadcaster::{PublishError, SubscribeError},
    event::Invalid,
    history::Unavailable,
};
use sse_broadcaster_signals::SignalError;

/// What every stream's answer begins with.
pub const STREAM_HEADERS: [(&str, &str); 4] = [
    ("content-type", "text/event-stream"),
    ("cache-control", "no-cache, no-transform"),
    ("x-accel-buffering", "no"),
    NO_SNIFF,
];
/// What every response says: its type is what it is, whatever its first bytes look like to a browser.
pub const NO_SNIFF: (&str, &str) = ("x-content-type-options", "nosniff");
/// The header of a stream that names history's head.
pub const EVENT_HEAD: &str = "event-head";
/// When a client that was told to wait is asked to try again, in seconds.
pub const RETRY_AFTER_SECONDS: u64 = 1;

/// Why a request was refused. The detail is for whoever sent the request; nothing internal is in it.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub status: u16,
    pub code: &'static str,
    pub detail: String,
}

impl Refusal {
    fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
        }
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        Self::new(422, invalid.code(), invalid.to_string())
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        let detail = error.to_string();
        match error {
            PublishError::EventTooLarge { .. } | PublishError::BatchTooLarge { .. } => {
                Self::new(413, "too_large", detail)
            }
            PublishError::Overloaded => Self::new(503, "overloaded", detail),
            PublishError::Draining => Self::new(503, "draining", detail),
            PublishError::Conflict(_) => Self::new(409, "conflict", detail),
            PublishError::Unavailable(why) => why.into(),
            PublishError::OutcomeUnknown(_) => Self::new(
                503,
                "outcome_unknown",
                "the event may have been kept or not; publish it again with an id of your own, \
                 which is stored once",
            ),
            PublishError::WouldBlock => Self::new(500, "internal", "the server failed"),
        }
    }
}

impl From<Unavailable> for Refusal {
    fn from(_: Unavailable) -> Self {
        let detail = "history cannot be reached, and nothing was kept; try again in a moment";
        Self::new(503, "history_unavailable", detail)
    }
}

impl From<SubscribeError> for Refusal {
    fn from(error: SubscribeError) -> Self {
        Self::new(503, error.code(), error.to_string())
    }
}

impl From<SignalError> for Refusal {
    fn from(error: SignalError) -> Self {
        let status = match error {
            SignalError::Invalid(invalid) => return invalid.into(),
            SignalError::Publish(PublishError::OutcomeUnknown(_)) => {
                let detail = "the document may have been changed or not; read it, and repeat the change \
                    with If-Match where it was not";
                return Self::new(503, "outcome_unknown", detail);
            }
            SignalError::Publish(error) => return error.into(),
            SignalError::Subscribe(error) => return error.into(),
            SignalError::Unavailable(why) => return why.into(),
            SignalError::NotJson(_) => 400,
            SignalError::Missing => 404,
            SignalError::Changed { .. } => 412,
            SignalError::Patch(_) => 409,
            SignalError::TooLarge { .. } => 413,
            SignalError::Full => 507,
            SignalError::Contended => 503,
            SignalError::Type(_) | SignalError::WouldBlock => {
                return PublishError::WouldBlock.into();
            }
        };
        Self::new(status, error.code(), error.to_string())
    }
}

/// A refusal as `application/problem+json` (RFC 9457); `more` is further members.
#[must_use]
pub fn problem(
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
    json_line(&body)
}

/// JSON that leaves a terminal at the beginning of a line.
pub fn json_line(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text
}
