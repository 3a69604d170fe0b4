//! The names of topics and of signals, page by page.

use actix_web::{HttpRequest, HttpResponse, dev::RequestHead};
use serde_json::{Value, json};

use super::{
    AppState, cors,
    error::{no_store, refused},
    media::accepts_event_stream,
    subscribe::{Route, read},
};
use sse_broadcaster::{
    broadcaster::PublishError,
    event::Invalid,
    history::{NameRange, Names},
};
use sse_broadcaster_http::{Refusal, query, read_limit};

pub(super) const METHODS: &str = "GET, HEAD, OPTIONS";
const MAX_LIMIT: usize = 1_000;

pub(super) async fn topics(request: &HttpRequest, state: &AppState) -> HttpResponse {
    let page = async {
        let page = read(request.head(), |query, _| Page::read(query))?;
        let topics = state.broadcaster.topics(page.range()).await;
        let topics = topics.map_err(PublishError::Unavailable)?;
        Ok(list("topics", "last_id", topics))
    };
    finish(request, state, page.await)
}

pub(super) async fn signals(request: &HttpRequest, state: &AppState) -> HttpResponse {
    let page = async {
        Route::Signals.check_parameters(request.head())?;
        let page = read(request.head(), |query, _| Page::read(query))?;
        let names = state.signals.names(page.range()).await?;
        Ok(list("signals", "version", names))
    };
    finish(request, state, page.await)
}

/// Whether a request without names is for the list and not for a stream, which would want some.
pub(super) fn wants_list(request: &RequestHead) -> bool {
    let query = request.uri.query().unwrap_or_default();
    let names = query::lossy_pairs(query.as_bytes()).any(|(name, _)| name == "name");
    !names && !accepts_event_stream(&request.headers)
}

fn finish(request: &HttpRequest, state: &AppState, page: Result<Value, Refusal>) -> HttpResponse {
    let mut response = match page {
        Ok(page) => HttpResponse::Ok()
            .content_type("application/json")
            .insert_header(no_store())
            .body(format!("{page}\n")),
        Err(problem) => refused(problem),
    };
    cors::admit_reader(response.headers_mut(), &state.gate, request.head());
    response
}

fn list(kind: &str, id: &str, names: Names) -> Value {
    let found = names.found.into_iter();
    let found = found.map(|(name, at)| json!({ "name": name, id: at.to_string() }));
    json!({ kind: found.collect::<Value>(), "more": names.more })
}

/// What a request asks of a list.
#[derive(Debug, Default)]
struct Page {
    prefix: String,
    after: String,
    limit: Option<usize>,
}

impl Page {
    fn read(query: &str) -> Result<Self, Invalid> {
        let mut page = Self::default();
        for (name, value) in query::lossy_pairs(query.as_bytes()) {
            match name.as_str() {
                "prefix" => page.prefix = value,
                "after" => page.after = value,
                "limit" if !value.is_empty() => {
                    page.limit = Some(read_limit(&value, MAX_LIMIT, "names")?);
                }
                _ => {}
            }
        }
        Ok(page)
    }

    fn range(&self) -> NameRange<'_> {
        NameRange {
            prefix: &self.prefix,
            after: &self.after,
            limit: self.limit.unwrap_or(MAX_LIMIT),
        }
    }
}
