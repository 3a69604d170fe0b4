//! `/signals/{name}`: reads, sets, patches and removes a document, with the conditional requests of RFC 9110.
//! The entity tag is the version, the id of the event of the last change.

use bytes::Bytes;
use futures_util::Stream;
use http::{
    StatusCode,
    header::{self, HeaderValue},
};
use percent_encoding::percent_decode_str;

use super::{
    conditions::{condition, condition_of_read},
    finish::{committing, finish_read, finish_write},
};
use crate::{
    AppState, Refusal, RequestHead,
    publish::{BodyKind, MediaType, max_object},
    response::{self, Body, EVENT_ID, JSON, Response, insert_id},
    uploads::read_whole,
};
use sse_broadcaster::event::EventId;
use sse_broadcaster_access::issuer::Purpose;
use sse_broadcaster_presence::topic_of_signal;
use sse_broadcaster_signals::{Patch, SignalError, SignalName, Versions, Written, parse};

/// The methods of a document, then those of the stream.
pub(super) const METHODS: &str = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
pub(super) const STREAM_METHODS: &str = "GET, HEAD, OPTIONS";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// `name` is percent-encoded, as in the path.
pub(super) async fn get(request: &impl RequestHead, name: &str, state: &AppState) -> Response {
    let response = async {
        let name = decode(name)?;
        let client = state
            .authorization
            .client(request, Purpose::Subscribe)
            .await?;
        client.may_read(name.topic())?;
        let condition = condition_of_read(request)?;
        let found = state.signals.text(&name).await?;
        let (text, version) = found.ok_or(SignalError::Missing)?;
        let holds =
            |versions: &Option<Versions>| versions.as_ref().map(|these| these.hold(version));
        if holds(&condition.matches) == Some(false) {
            let version = Some(version);
            return Err(SignalError::Changed { version }.into());
        }
        if holds(&condition.matches_none) == Some(true) {
            return Ok(not_modified(version));
        }
        Ok(document(StatusCode::OK, version, text))
    };
    finish_read(request, state, response.await)
}

pub(super) async fn write<B, E>(
    request: &impl RequestHead,
    body: B,
    name: &str,
    state: &AppState,
) -> Response
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let response = async {
        let permit = state.may_publish(request).await?;
        let name = decode(name)?;
        check_writable(&name)?;
        permit.check_topic(name.topic())?;
        let change = Change::read(request, body, state).await?;
        let condition = condition(request)?;
        let written = committing(request, async {
            match change {
                Change::Set(value) => state.signals.set(&name, &condition, value).await,
                Change::Patch(patch) => state.signals.patch(&name, &condition, &patch).await,
                Change::Remove => state.signals.remove(&name, &condition).await,
            }
        });
        let may_read = permit.may_read(name.topic(), &state.authorization.visitor());
        Ok(written_response(&written.await?, may_read))
    };
    finish_write(request, state, response.await)
}

/// The change that a request makes.
enum Change {
    Set(serde_json::Value),
    Patch(Patch),
    Remove,
}

impl Change {
    async fn read<B, E>(
        request: &impl RequestHead,
        body: B,
        state: &AppState,
    ) -> Result<Self, Refusal>
    where
        B: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let max = max_object(state.signals.max_document_bytes());
        let read = |body| read_whole(request, body, max, state);
        match request.method() {
            "DELETE" => Ok(Self::Remove),
            "PUT" => match BodyKind::of(request) {
                Ok(BodyKind::Json) => Ok(Self::Set(parse(&read(body).await?.bytes)?)),
                _ => Err(Refusal::unsupported_media_type(
                    "a signal is set to a JSON document; add the header: \
                     -H 'Content-Type: application/json'",
                )),
            },
            _ => match MediaType::of(request).as_ref().map(MediaType::essence) {
                Some(JSON_PATCH) => Ok(Self::Patch(Patch::json_patch(&read(body).await?.bytes)?)),
                Some(MERGE_PATCH) => Ok(Self::Patch(Patch::merge_patch(&read(body).await?.bytes)?)),
                _ => Err(Refusal::unsupported_media_type(
                    "a signal is patched by application/merge-patch+json or \
                     application/json-patch+json; say which by the header: \
                     -H 'Content-Type: application/merge-patch+json'",
                )),
            },
        }
    }
}

/// The counts of presence are written by the server alone.
fn check_writable(name: &SignalName) -> Result<(), Refusal> {
    if topic_of_signal(name.as_str()).is_none() {
        return Ok(());
    }
    let detail = format!(
        "the signal {name} begins with $presence/, and only the server itself writes such; choose another name"
    );
    Err(Refusal::unprocessable("reserved_signal", detail))
}

fn decode(name: &str) -> Result<SignalName, Refusal> {
    let name = percent_decode_str(name).decode_utf8();
    let name = name.map_err(|_| Refusal::not_utf8("the signal's name"))?;
    Ok(SignalName::new(&name)?)
}

fn not_modified(version: EventId) -> Response {
    tagged(response::of(StatusCode::NOT_MODIFIED, Body::Empty), version)
}

fn document(status: StatusCode, version: EventId, text: Bytes) -> Response {
    let mut response = response::with_body(JSON, Body::Bytes(text));
    *response.status_mut() = status;
    tagged(response, version)
}

fn tagged(mut response: Response, version: EventId) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// A client that may write and not read is not sent the document.
fn written_response(written: &Written, may_read: bool) -> Response {
    let mut response = match written.document.as_ref().filter(|_| may_read) {
        None => response::of(StatusCode::NO_CONTENT, Body::Empty),
        Some(found) => {
            let status = if written.created {
                StatusCode::CREATED
            } else {
                StatusCode::OK
            };
            document(status, found.version, found.value.to_string().into())
        }
    };
    if let Some(id) = written.published {
        insert_id(response.headers_mut(), EVENT_ID, &id.to_string());
    }
    response
}
