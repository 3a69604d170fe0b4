//! `GET /admin/topics`: the topics that have events or subscribers.

use std::{
    cmp::Reverse,
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{HttpRequest, HttpResponse, web};
use parking_lot::Mutex;
use serde::Serialize;
use sse_broadcaster::{
    broadcaster::{Broadcaster, RecentEvents, SubscribersByTopic},
    event::{EventId, Topic},
    history::{NameRange, Names},
    internal::Shown,
};
use sse_broadcaster_actix::{AppState, Problem, Refusal};
use tokio::sync::Semaphore;

use super::{
    Admin, admit,
    connections::busy,
    json,
    parameters::{Parameters, invalid},
};

/// Most topics of history that are listed: the first by name.
const MAX_IN_HISTORY: usize = 10_000;
/// Most topics with subscribers that are counted.
const MAX_WITH_SUBSCRIBERS: usize = 100_000;
/// The time over which events are counted.
const RATE_TIME: Duration = Duration::from_secs(60);
/// For so long a list is used again: consoles ask every second.
const KEEP: Duration = Duration::from_secs(1);

/// The last list that was made, and a place for one request that makes another.
pub(crate) struct TopicLists {
    last: Mutex<Option<Arc<List>>>,
    making: Semaphore,
}

impl Default for TopicLists {
    fn default() -> Self {
        Self {
            last: Mutex::default(),
            making: Semaphore::new(1),
        }
    }
}

/// All topics that begin with a prefix.
struct List {
    prefix: String,
    made: Instant,
    entries: Vec<Entry>,
    every: u64,
    patterns: u64,
    is_complete: bool,
}

#[derive(Default)]
struct Entry {
    name: String,
    subscribers: u64,
    events_per_minute: u64,
    last_id: Option<EventId>,
}

#[derive(Clone, Copy)]
enum Sort {
    Subscribers,
    Rate,
    Name,
}

#[derive(Serialize)]
struct Page {
    topics: Vec<ShownTopic>,
    total: usize,
    more: bool,
    every: u64,
    patterns: u64,
    complete: bool,
}

#[derive(Serialize)]
struct ShownTopic {
    name: String,
    subscribers: u64,
    events_per_minute: u64,
    last_id: Option<String>,
}

pub(super) async fn respond(
    request: HttpRequest,
    admin: web::Data<Admin>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    admit(&request, &state).await?;
    let parameters = Parameters::read(&request, &["limit", "sort", "prefix", "offset"])?;
    let (limit, offset) = (parameters.limit("topics")?, parameters.offset()?);
    let sort = read_sort(parameters.text("sort"))?;
    let prefix = parameters.text("prefix").unwrap_or_default();
    let list = admin.topics.get(&state.broadcaster, prefix).await?;
    // It sorts all of them: not on the thread that serves streams.
    let page = web::block(move || list.page(sort, offset, limit));
    let page = page.await.map_err(|_| busy())?;
    Ok(json(&page))
}

fn read_sort(text: Option<&str>) -> Result<Sort, Refusal> {
    match text {
        None | Some("subscribers") => Ok(Sort::Subscribers),
        Some("rate") => Ok(Sort::Rate),
        Some("name") => Ok(Sort::Name),
        Some(text) => {
            let text = Shown(text);
            let why = format!("sort is {text}; give subscribers, rate or name");
            Err(invalid("invalid_sort", why))
        }
    }
}

impl TopicLists {
    async fn get(&self, broadcaster: &Broadcaster, prefix: &str) -> Result<Arc<List>, Refusal> {
        if let Some(list) = self.last(prefix) {
            return Ok(list);
        }
        let _place = self.making.acquire().await.map_err(|_| busy())?;
        // Another request may have made it meanwhile.
        if let Some(list) = self.last(prefix) {
            return Ok(list);
        }
        let list = Arc::new(List::make(broadcaster, prefix).await?);
        *self.last.lock() = Some(Arc::clone(&list));
        Ok(list)
    }

    fn last(&self, prefix: &str) -> Option<Arc<List>> {
        let last = self.last.lock().clone();
        last.filter(|list| list.prefix == prefix && list.made.elapsed() < KEEP)
    }
}

impl List {
    async fn make(broadcaster: &Broadcaster, prefix: &str) -> Result<Self, Refusal> {
        let range = NameRange::new(MAX_IN_HISTORY).prefix(prefix);
        // A history that cannot be reached has topics that are not listed.
        let in_history = broadcaster.topics(range).await.ok();
        let (broadcaster, prefix) = (broadcaster.clone(), prefix.to_owned());
        let making = web::block(move || {
            let subscribers = broadcaster.subscribers_by_topic(&prefix, MAX_WITH_SUBSCRIBERS);
            let recent = broadcaster.recent_events_by_topic(RATE_TIME);
            Self::of(prefix, in_history, subscribers, &recent)
        });
        making.await.map_err(|_| busy())
    }

    fn of(
        prefix: String,
        in_history: Option<Names>,
        subscribers: SubscribersByTopic,
        recent: &HashMap<Topic, RecentEvents>,
    ) -> Self {
        let is_complete =
            subscribers.is_complete && in_history.as_ref().is_some_and(|names| !names.more);
        let mut topics: HashMap<String, Entry> = HashMap::new();
        for (name, last_id) in in_history.into_iter().flat_map(|names| names.found) {
            topics.entry(name).or_default().last_id = Some(last_id);
        }
        for (topic, count) in subscribers.topics {
            let entry = topics.entry(topic.as_str().to_owned());
            entry.or_default().subscribers = count;
        }
        let recent = recent.iter();
        for (topic, recent) in recent.filter(|(topic, _)| topic.as_str().starts_with(&prefix)) {
            let entry = topics.entry(topic.as_str().to_owned()).or_default();
            entry.events_per_minute = recent.count;
            entry.last_id = entry.last_id.max(Some(recent.last_id));
        }
        let named = |(name, entry)| Entry { name, ..entry };
        Self {
            prefix,
            made: Instant::now(),
            entries: topics.into_iter().map(named).collect(),
            every: subscribers.every,
            patterns: subscribers.patterns,
            is_complete,
        }
    }

    fn page(&self, sort: Sort, offset: usize, limit: usize) -> Page {
        let mut entries: Vec<_> = self.entries.iter().collect();
        let figure = |entry: &Entry| match sort {
            Sort::Subscribers => entry.subscribers,
            Sort::Rate => entry.events_per_minute,
            Sort::Name => 0,
        };
        entries.sort_unstable_by_key(|entry| (Reverse(figure(entry)), &entry.name));
        let listed = entries.iter().skip(offset).take(limit);
        Page {
            topics: listed.map(|entry| entry.shown()).collect(),
            total: entries.len(),
            more: offset.saturating_add(limit) < entries.len(),
            every: self.every,
            patterns: self.patterns,
            complete: self.is_complete,
        }
    }
}

impl Entry {
    fn shown(&self) -> ShownTopic {
        ShownTopic {
            name: self.name.clone(),
            subscribers: self.subscribers,
            events_per_minute: self.events_per_minute,
            last_id: self.last_id.map(|id| id.to_string()),
        }
    }
}
