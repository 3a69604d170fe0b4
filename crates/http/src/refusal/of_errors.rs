//! The status and code of each error of the library, as refusals.

use http::StatusCode;
use sse_broadcaster::{
    broadcaster::{PublishError, SubscribeError},
    event::Invalid,
    history::Unavailable,
};
use sse_broadcaster_access::AuthorizeError;
use sse_broadcaster_signals::SignalError;

use super::Refusal;

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        Self::unprocessable(invalid.code(), invalid.to_string()).with_source(invalid)
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        let detail = error.to_string();
        let refusal = match &error {
            PublishError::EventTooLarge { .. } | PublishError::BatchTooLarge { .. } => {
                Self::too_large(detail)
            }
            PublishError::Overloaded => Self::unavailable("overloaded", detail),
            PublishError::Draining => Self::unavailable("draining", detail),
            PublishError::KeyReused { .. } => {
                Self::new(StatusCode::CONFLICT, "idempotency_key_reused", detail)
            }
            PublishError::Conflict(_) => Self::new(StatusCode::CONFLICT, "conflict", detail),
            PublishError::Unavailable(why) => return why.clone().into(),
            PublishError::OutcomeUnknown(_) => Self::unavailable(
                "outcome_unknown",
                "the event may have been kept or not; publish it again with an id of your own, \
                 which is stored once",
            ),
            _ => internal(),
        };
        refusal.with_source(error)
    }
}

fn internal() -> Refusal {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Refusal::new(
        status,
        "internal",
        "the server failed; its log has the cause",
    )
}

impl From<Unavailable> for Refusal {
    fn from(why: Unavailable) -> Self {
        let detail = "history cannot be reached, and nothing was kept; try again in a moment";
        Self::unavailable("history_unavailable", detail).with_source(why)
    }
}

impl From<SubscribeError> for Refusal {
    fn from(error: SubscribeError) -> Self {
        Self::unavailable(error.code(), error.to_string()).with_source(error)
    }
}

impl From<AuthorizeError> for Refusal {
    fn from(error: AuthorizeError) -> Self {
        let status = StatusCode::from_u16(error.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, error.code(), error.client_message()).with_source(error)
    }
}

impl From<SignalError> for Refusal {
    fn from(error: SignalError) -> Self {
        let status = match error {
            SignalError::Invalid(invalid) => return invalid.into(),
            SignalError::Publish(PublishError::OutcomeUnknown(_)) => {
                let detail = "the document may have been changed or not; read it, and repeat the change \
                    with If-Match where it was not";
                return Self::unavailable("outcome_unknown", detail).with_source(error);
            }
            SignalError::Publish(error) => return error.into(),
            SignalError::Subscribe(error) => return error.into(),
            SignalError::Unavailable(why) => return why.into(),
            SignalError::NotJson(_) => StatusCode::BAD_REQUEST,
            SignalError::Missing => StatusCode::NOT_FOUND,
            SignalError::Changed { .. } => StatusCode::PRECONDITION_FAILED,
            SignalError::Patch(_) => StatusCode::CONFLICT,
            SignalError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            SignalError::Full => StatusCode::INSUFFICIENT_STORAGE,
            SignalError::Contended => StatusCode::SERVICE_UNAVAILABLE,
            // Faults of the program, which its client cannot mend.
            _ => return internal().with_source(error),
        };
        Self::new(status, error.code(), error.to_string()).with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_refusal_keeps_the_error_that_it_was_made_from() {
        let refusal = Refusal::from(PublishError::Draining);
        assert_eq!(
            (refusal.status().as_u16(), refusal.code()),
            (503, "draining")
        );
        let source = refusal.source().unwrap().downcast_ref::<PublishError>();
        assert_eq!(source, Some(&PublishError::Draining));
        let refusal = Refusal::from(SignalError::Invalid(Invalid::new("invalid_signal", "why")));
        assert_eq!((refusal.status().as_u16(), refusal.detail()), (422, "why"));
        assert!(refusal.source().unwrap().is::<Invalid>());
    }

    #[test]
    fn only_a_refusal_that_may_pass_in_a_moment_has_a_retry_after() {
        let headers = |refusal: Refusal| -> Vec<_> {
            let headers = refusal.headers().map(|(name, _)| name);
            headers.skip(2).collect()
        };
        assert_eq!(headers(PublishError::Overloaded.into()), ["retry-after"]);
        assert_eq!(headers(SignalError::Contended.into()), ["retry-after"]);
        assert!(headers(SignalError::Missing.into()).is_empty());
        let refusal = Refusal::unauthorized("key_missing", "send a key");
        assert_eq!(headers(refusal), ["www-authenticate"]);
    }
}
