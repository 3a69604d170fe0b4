//! `/signals/{name}`: a document, read, set, patched and removed, by the conditional requests of RFC
//! 9110; its entity tag is the position of its last change.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        Method, StatusCode,
        header::{self, HeaderName},
    },
    web::Payload,
};
use percent_encoding::percent_decode_str;

use super::{
    AppState,
    body::{Kind, Whole, check_coding, max_object, media_type, read_whole, unsupported},
    conditions::{condition, condition_of_read},
    cors,
    error::{no_store, refused},
    fields::not_utf8,
    pieces::Pieces,
    publish::{committing, finish},
};
use sse_broadcaster::event::EventId;
use sse_broadcaster_http::Refusal;
use sse_broadcaster_signals::{Patch, SignalError, SignalName, Versions, Written, parse};

/// The methods of a document, and of the stream.
pub(super) const METHODS: &str = "GET, HEAD, PUT, PATCH, DELETE, OPTIONS";
pub(super) const STREAM_METHODS: &str = "GET, HEAD, OPTIONS";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// `name` as the path has it.
pub(super) async fn get(request: &HttpRequest, name: &str, state: &AppState) -> HttpResponse {
    let answer = async {
        let name = decode(name)?;
        let condition = condition_of_read(request.headers())?;
        let found = state.signals.text(&name).await?;
        let (text, version) = found.ok_or(SignalError::Missing)?;
        let hold = |versions: &Option<Versions>| versions.as_ref().map(|these| these.hold(version));
        if hold(&condition.matches) == Some(false) {
            let version = Some(version);
            return Err(SignalError::Changed { version }.into());
        }
        if hold(&condition.matches_none) == Some(true) {
            return Ok(document(StatusCode::NOT_MODIFIED, version).finish());
        }
        Ok(document(StatusCode::OK, version)
            .content_type("application/json")
            .body(Pieces::of(text)))
    };
    let answer: Result<_, Refusal> = answer.await;
    let mut answer = answer.unwrap_or_else(refused);
    cors::admit_reader(answer.headers_mut(), &state.gate, request.head());
    answer
}

pub(super) async fn write(
    request: &HttpRequest,
    body: Payload,
    name: &str,
    state: &AppState,
) -> HttpResponse {
    let answer = async {
        state.gate.access.may_publish(request.head().into())?;
        let name = decode(name)?;
        let change = Change::read(request, body, state).await?;
        let condition = condition(request.headers())?;
        let written = committing(request, async {
            match change {
                Change::Set(value) => state.signals.set(&name, &condition, value).await,
                Change::Patch(patch) => state.signals.patch(&name, &condition, &patch).await,
                Change::Remove => state.signals.remove(&name, &condition).await,
            }
        });
        Ok(written_answer(&written.await?))
    };
    finish(request, state, answer.await)
}

/// What a write asks for.
enum Change {
    Set(serde_json::Value),
    Patch(Patch),
    Remove,
}

impl Change {
    async fn read(request: &HttpRequest, body: Payload, state: &AppState) -> Result<Self, Refusal> {
        let read = async |body| -> Result<Whole, Refusal> {
            let max = max_object(state.signals.max_document_bytes());
            read_whole(request, body, max, &state.uploads).await
        };
        check_coding(request.headers())?;
        match *request.method() {
            Method::DELETE => Ok(Self::Remove),
            Method::PUT => match Kind::of(request.headers()) {
                Ok(Kind::Json) => Ok(Self::Set(parse(&read(body).await?.bytes)?)),
                _ => Err(unsupported(
                    "a signal is set to a JSON document; add the header: \
                     -H 'Content-Type: application/json'",
                )),
            },
            _ => match media_type(request.headers())
                .as_ref()
                .map(|(essence, _)| &essence[..])
            {
                Some(JSON_PATCH) => Ok(Self::Patch(Patch::json_patch(&read(body).await?.bytes)?)),
                Some(MERGE_PATCH) => Ok(Self::Patch(Patch::merge_patch(&read(body).await?.bytes)?)),
                _ => Err(unsupported(
                    "a signal is patched by application/merge-patch+json or \
                     application/json-patch+json; say which by the header: \
                     -H 'Content-Type: application/merge-patch+json'",
                )),
            },
        }
    }
}

fn decode(name: &str) -> Result<SignalName, Refusal> {
    let name = percent_decode_str(name).decode_utf8();
    let name = name.map_err(|_| not_utf8("the signal's name"))?;
    Ok(SignalName::new(&name)?)
}

fn document(status: StatusCode, version: EventId) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header(no_store())
        .insert_header((header::ETAG, format!("\"{version}\"")));
    answer
}

fn written_answer(written: &Written) -> HttpResponse {
    let mut answer = match &written.document {
        None => HttpResponse::NoContent().insert_header(no_store()).finish(),
        Some(found) => {
            let status = if written.created {
                StatusCode::CREATED
            } else {
                StatusCode::OK
            };
            document(status, found.version)
                .content_type("application/json")
                .body(Pieces::of(found.value.to_string()))
        }
    };
    if let Some(id) = written.published.and_then(|id| id.to_string().parse().ok()) {
        let headers = answer.headers_mut();
        headers.insert(HeaderName::from_static("event-id"), id);
    }
    answer
}
