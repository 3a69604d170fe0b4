//! Lists: the names of topics and of signals, page by page.

use serde_json::{Value, json};

use super::{
    finish::finish_read,
    streams::{StreamKind, read_parameters},
};
use crate::{
    AppState, RequestHead,
    accept::accepts_event_stream,
    parameters::{query, read_limit},
    response::{self, JSON, Response},
};
use sse_broadcaster::{
    broadcaster::PublishError,
    event::Invalid,
    history::{NameRange, Names},
};

pub(super) const METHODS: &str = "GET, HEAD, OPTIONS";
const MAX_LIMIT: usize = 1_000;

pub(super) async fn topics(request: &impl RequestHead, state: &AppState) -> Response {
    let page = async {
        let page = read_parameters(request, |query, _| Page::read(query))?;
        let topics = state.broadcaster.topics(page.range()).await;
        let topics = topics.map_err(PublishError::Unavailable)?;
        Ok(list("topics", "last_id", topics))
    };
    finish_read(request, state, page.await)
}

pub(super) async fn signals(request: &impl RequestHead, state: &AppState) -> Response {
    let page = async {
        StreamKind::Signals.check_parameters(request)?;
        let page = read_parameters(request, |query, _| Page::read(query))?;
        let names = state.signals.names(page.range()).await?;
        Ok(list("signals", "version", names))
    };
    finish_read(request, state, page.await)
}

/// Whether a request is for the list: it names no signal and does not accept a stream.
pub(super) fn wants_list(request: &impl RequestHead) -> bool {
    let names = query::lossy_pairs(request.query().as_bytes()).any(|(name, _)| name == "name");
    !names && !accepts_event_stream(request)
}

fn list(kind: &str, id: &str, names: Names) -> Response {
    let found = names.found.into_iter();
    let found = found.map(|(name, at)| json!({ "name": name, id: at.to_string() }));
    let page = json!({ kind: found.collect::<Value>(), "more": names.more });
    response::with_body(JSON, format!("{page}\n"))
}

/// The parameters of a list.
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
        NameRange::new(self.limit.unwrap_or(MAX_LIMIT))
            .prefix(&self.prefix)
            .after(&self.after)
    }
}
