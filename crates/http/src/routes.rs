//! The routes `/events`, `/signals`, `/topics` and `/presence`, independent of the framework that serves them.

pub(crate) mod conditions;
mod cors;
mod erase_topic;
mod events;
mod finish;
mod finish_topic;
mod history_page;
mod joining;
mod names;
mod presence;
mod signals;
mod streams;

use bytes::Bytes;
use futures_util::Stream;

use crate::{
    AppState, PageFormat, Refusal, RequestHead,
    response::{self, Body, Response},
};
use finish::TEXT;

pub use cors::admit_reader;
pub use joining::Joining;
pub use streams::{Opening, StreamKind, grant, is_chunked, open_stream_now, read_parameters};

/// A route: the first segment of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// `/events`: streams, pages of history, and publishing.
    Events,
    /// `/signals`: streams, documents, and the names of signals.
    Signals,
    /// `/topics`: the names of topics.
    Topics,
    /// `/presence`: who is on a topic.
    Presence,
}

impl Route {
    /// All routes.
    pub const ALL: [Self; 4] = [Self::Events, Self::Signals, Self::Topics, Self::Presence];

    /// The path, for example `/events`.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Events => "/events",
            Self::Signals => "/signals",
            Self::Topics => "/topics",
            Self::Presence => "/presence",
        }
    }
}

/// Serves a request. `subpath` is what follows the route and a slash in the path, as it was sent, without
/// decoding it.
///
/// The future may be dropped at any time; then what it was about to publish may be published or not.
pub async fn respond<B, E>(
    state: &AppState,
    route: Route,
    subpath: &str,
    request: &impl RequestHead,
    body: B,
) -> Response
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    // A request that publishes has its own check of the name.
    let publishes = route == Route::Events && !subpath.is_empty();
    if matches!(request.method(), "GET" | "HEAD")
        && !publishes
        && let Err(refusal) = state.gate.admit_host(request)
    {
        return refusal.into();
    }
    match route {
        Route::Events => events(state, subpath, request, body).await,
        Route::Signals => signals(state, subpath, request, body).await,
        Route::Topics => topics(state, subpath, request, body).await,
        Route::Presence => presence(state, subpath, request).await,
    }
}

async fn events<B, E>(
    state: &AppState,
    subpath: &str,
    request: &impl RequestHead,
    body: B,
) -> Response
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    match (request.method(), subpath) {
        ("GET" | "HEAD", "") => match PageFormat::of(request) {
            Some(format) => history_page::respond(request, state, format).await,
            None => streams::respond(request, state, StreamKind::Events).await,
        },
        ("GET", message) => events::get(request, message, state).await,
        ("HEAD", _) => response::with_body(TEXT, Body::Empty),
        ("POST", "") => events::post(request, body, state).await,
        ("OPTIONS", "") => cors::options(&state.gate, request, events::METHODS),
        ("OPTIONS", _) => cors::options(&state.gate, request, events::MESSAGE_METHODS),
        (_, "") => Refusal::method_not_allowed(events::METHODS).into(),
        _ => Refusal::method_not_allowed(events::MESSAGE_METHODS).into(),
    }
}

async fn signals<B, E>(
    state: &AppState,
    subpath: &str,
    request: &impl RequestHead,
    body: B,
) -> Response
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    match (request.method(), subpath) {
        ("GET" | "HEAD", "") if names::wants_list(request) => names::signals(request, state).await,
        ("GET" | "HEAD", "") => streams::respond(request, state, StreamKind::Signals).await,
        ("GET" | "HEAD", name) => signals::get(request, name, state).await,
        ("OPTIONS", "") => cors::options(&state.gate, request, signals::STREAM_METHODS),
        ("OPTIONS", _) => cors::options(&state.gate, request, signals::METHODS),
        ("PUT" | "PATCH" | "DELETE", name) if !name.is_empty() => {
            signals::write(request, body, name, state).await
        }
        (_, "") => Refusal::method_not_allowed(signals::STREAM_METHODS).into(),
        _ => Refusal::method_not_allowed(signals::METHODS).into(),
    }
}

async fn topics<B, E>(
    state: &AppState,
    subpath: &str,
    request: &impl RequestHead,
    body: B,
) -> Response
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    if let Some(topic) = finish_topic::topic_of(subpath) {
        return match request.method() {
            "POST" => finish_topic::post(request, topic, body, state).await,
            "OPTIONS" => cors::options(&state.gate, request, finish_topic::METHODS),
            _ => Refusal::method_not_allowed(finish_topic::METHODS).into(),
        };
    }
    match (request.method(), subpath) {
        ("DELETE", topic) if !topic.is_empty() => erase_topic::delete(request, topic, state).await,
        ("OPTIONS", topic) if !topic.is_empty() => {
            cors::options(&state.gate, request, erase_topic::METHODS)
        }
        (_, topic) if !topic.is_empty() => Refusal::method_not_allowed(erase_topic::METHODS).into(),
        ("GET" | "HEAD", _) => names::topics(request, state).await,
        ("OPTIONS", _) => cors::options(&state.gate, request, names::METHODS),
        _ => Refusal::method_not_allowed(names::METHODS).into(),
    }
}

async fn presence(state: &AppState, subpath: &str, request: &impl RequestHead) -> Response {
    match (request.method(), subpath) {
        (_, subpath) if !subpath.is_empty() => Refusal::not_found().into(),
        ("GET" | "HEAD", _) => presence::respond(request, state).await,
        ("OPTIONS", _) => cors::options(&state.gate, request, names::METHODS),
        _ => Refusal::method_not_allowed(names::METHODS).into(),
    }
}
