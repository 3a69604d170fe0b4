//! Lists: the names of topics and of signals, page by page.

use serde_json::{Value, json};

use super::{
    finish::finish_read,
    streams::{StreamKind, read_parameters},
};
use crate::{
    AppState, Client, Refusal, RequestHead,
    accept::accepts_event_stream,
    parameters::{query, read_limit},
    response::{self, JSON, Response},
};
use sse_broadcaster::{
    broadcaster::PublishError,
    event::Invalid,
    history::{NameRange, Names},
};
use sse_broadcaster_access::issuer::Purpose;
use sse_broadcaster_signals::SignalName;

pub(super) const METHODS: &str = "GET, HEAD, OPTIONS";
const MAX_LIMIT: usize = 1_000;

/// What a list names.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Topics,
    Signals,
}

impl Kind {
    async fn read(self, state: &AppState, range: NameRange<'_>) -> Result<Names, Refusal> {
        match self {
            Self::Topics => {
                let topics = state.broadcaster.topics(range).await;
                Ok(topics.map_err(PublishError::Unavailable)?)
            }
            Self::Signals => Ok(state.signals.names(range).await?),
        }
    }

    /// Whether a grant of the client names it. History may have names that an earlier version accepted, and that no
    /// request can name today: nobody sees these.
    fn is_seen(self, name: &str, client: &Client) -> bool {
        match self {
            Self::Topics => client.sees_name(name),
            Self::Signals => SignalName::new(name).is_ok_and(|name| client.sees_name(name.topic())),
        }
    }

    fn list(self, names: Names) -> Response {
        let (member, id) = match self {
            Self::Topics => ("topics", "last_id"),
            Self::Signals => ("signals", "version"),
        };
        let found = names.found.into_iter();
        let found = found.map(|(name, at)| json!({ "name": name, id: at.to_string() }));
        let page = json!({ member: found.collect::<Value>(), "more": names.more });
        response::with_body(JSON, format!("{page}\n"))
    }
}

pub(super) async fn topics(request: &impl RequestHead, state: &AppState) -> Response {
    finish_read(request, state, list(request, state, Kind::Topics).await)
}

pub(super) async fn signals(request: &impl RequestHead, state: &AppState) -> Response {
    let page = async {
        StreamKind::Signals.check_parameters(request)?;
        list(request, state, Kind::Signals).await
    };
    finish_read(request, state, page.await)
}

async fn list(
    request: &impl RequestHead,
    state: &AppState,
    kind: Kind,
) -> Result<Response, Refusal> {
    let page = read_parameters(request, |query, _| Page::read(query))?;
    let authorized = state.authorization.client(request, Purpose::Subscribe);
    let names = page.visible(kind, state, &authorized.await?).await?;
    Ok(kind.list(names))
}

/// Whether a request is for the list: it names no signal and does not accept a stream.
pub(super) fn wants_list(request: &impl RequestHead) -> bool {
    let names = query::lossy_pairs(request.query().as_bytes()).any(|(name, _)| name == "name");
    !names && !accepts_event_stream(request)
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

    /// The names that the client sees. Further ones are read in place of those that it does not see, many at once: each
    /// read passes over all names.
    async fn visible(
        self,
        kind: Kind,
        state: &AppState,
        client: &Client,
    ) -> Result<Names, Refusal> {
        let mut visible = Names::default();
        if !client.sees_names() {
            return Ok(visible);
        }
        let limit = self.limit.unwrap_or(MAX_LIMIT);
        let mut after = self.after;
        let step = if client.sees_all_names() {
            limit
        } else {
            MAX_LIMIT
        };
        loop {
            let range = NameRange::new(step);
            let range = range.prefix(&self.prefix).after(&after);
            let names = kind.read(state, range).await?;
            let last = names.found.last().map(|(name, _)| name.clone());
            let found = names.found.into_iter();
            let seen = found.filter(|(name, _)| kind.is_seen(name, client));
            visible.found.extend(seen);
            visible.more = names.more || visible.found.len() > limit;
            visible.found.truncate(limit);
            match last {
                Some(last) if names.more && visible.found.len() < limit => after = last,
                _ => return Ok(visible),
            }
            tokio::task::yield_now().await;
        }
    }
}
