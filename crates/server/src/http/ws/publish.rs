//! Publishes a message as `POST /events` does. The response is a message as well.

use actix_web::{http::StatusCode, web};
use serde::Serialize;

use sse_broadcaster::event::{Event, EventId};
use sse_broadcaster_http::{
    AppState, Permit, PublishMessage, PublishTrace, Refusal, RequestHead, max_json,
};

/// Longest message of a client that may not publish. It is read so that the refusal can be sent.
const MAX_REFUSED_BYTES: usize = 64 << 10;

/// As spans name it.
const ROUTE: &str = "/ws";

/// The client of one socket as a publisher, by the permission of its handshake.
pub(super) struct Publisher {
    state: web::Data<AppState>,
    permit: Result<Permit, Refusal>,
}

/// The response to a message.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Response<'a> {
    Published {
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        ids: Vec<String>,
    },
    Refused {
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a str>,
        status: u16,
        code: &'static str,
        detail: String,
    },
}

impl Publisher {
    /// The client is checked as by a `POST`. The handshake of a browser always has an `Origin`, so that the check of
    /// `GET`s without one is not needed.
    pub(super) async fn of(request: &impl RequestHead, state: &web::Data<AppState>) -> Self {
        Self {
            permit: state.may_publish_by("POST", request).await,
            state: state.clone(),
        }
    }

    pub(super) fn max_message_bytes(&self) -> usize {
        match self.permit {
            Ok(_) => max_json(&self.state.broadcaster),
            Err(_) => MAX_REFUSED_BYTES,
        }
    }

    /// Publishes a message, and returns the response as JSON.
    pub(super) async fn respond(&self, message: &[u8]) -> String {
        let mut trace = PublishTrace::begin_message(&self.state, ROUTE);
        let (reference, ids) = match self.check() {
            Err(refused) => (PublishMessage::reference_of(message), Err(refused)),
            Ok(permit) => {
                let max_events = self.state.broadcaster.max_batch_events();
                let PublishMessage {
                    reference, events, ..
                } = PublishMessage::parse(message, max_events);
                let ids = match events {
                    Ok(events) => self.publish(permit, &mut trace, events).await,
                    Err(problem) => Err(problem),
                };
                (reference, ids.map_err(|problem| refusal(&problem)))
            }
        };
        let reference = reference.as_deref();
        let response = match ids {
            Ok(ids) => {
                trace.end_as(StatusCode::OK.as_u16(), None);
                Response::Published { reference, ids }
            }
            Err((status, code, detail)) => {
                trace.end_as(status, Some(code));
                self.state.refusals.count(status, code);
                Response::Refused {
                    reference,
                    status,
                    code,
                    detail,
                }
            }
        };
        serde_json::to_string(&response).unwrap_or_default()
    }

    /// Checked before a message is parsed, since parsing is most of the work.
    fn check(&self) -> Result<&Permit, (u16, &'static str, String)> {
        let permit = self.permit.as_ref().map_err(refusal)?;
        permit.check().map_err(|problem| refusal(&problem))?;
        Ok(permit)
    }

    async fn publish(
        &self,
        permit: &Permit,
        trace: &mut PublishTrace,
        events: Vec<Event>,
    ) -> Result<Vec<String>, Refusal> {
        events
            .iter()
            .try_for_each(|event| permit.check_event(event))?;
        let appended = self.state.broadcaster.publish(trace.batch(events)).await?;
        trace.published(&appended.ids);
        Ok(appended.ids.iter().map(EventId::to_string).collect())
    }
}

/// The parts of the response, which is no response of HTTP, so that it is logged here.
fn refusal(problem: &Refusal) -> (u16, &'static str, String) {
    problem.log();
    (
        problem.status().as_u16(),
        problem.code(),
        problem.to_string(),
    )
}
