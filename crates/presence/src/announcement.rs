//! The events that tell of changes.

use serde::Serialize;
use serde_json::value::RawValue;
use sse_broadcaster::event::{Event, Invalid};
use sse_broadcaster_signals::MAX_SIGNAL_NAME_BYTES;

use crate::store::{Pending, PendingKind};

/// What the topics of `join` and `leave` events begin with; the topic with presence follows.
pub const EVENTS_TOPIC_PREFIX: &str = "$presence/";
/// Longest topic that can have presence: its signal must have a name.
pub const MAX_TOPIC_BYTES: usize = MAX_SIGNAL_NAME_BYTES - EVENTS_TOPIC_PREFIX.len();

/// The topic of the `join` and `leave` events of a topic: `$presence/` and the topic.
#[must_use]
pub fn events_topic(topic: &str) -> String {
    format!("{EVENTS_TOPIC_PREFIX}{topic}")
}

/// The topic with presence, if `events_topic` is the topic of its events.
#[must_use]
pub fn topic_of_events(events_topic: &str) -> Option<&str> {
    events_topic.strip_prefix(EVENTS_TOPIC_PREFIX)
}

#[derive(Serialize)]
struct Described<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    users: u64,
}

/// The event of a change; `None` for one that only webhooks tell.
pub(crate) fn event(pending: &Pending) -> Option<Result<Event, Invalid>> {
    let (name, user, data, users) = match &pending.kind {
        PendingKind::Join { user, data, users } => ("join", user, data, *users),
        PendingKind::Leave { user, data, users } => ("leave", user, data, *users),
        PendingKind::FirstSubscriber | PendingKind::LastSubscriber => return None,
    };
    let described = Described {
        user: Some(user),
        data: raw(data.as_deref()),
        users,
    };
    let event = build(name, &pending.topic, &described, Some(&pending.key));
    Some(event)
}

/// The event that all members are gone, since nobody knows them any more.
pub(crate) fn reset(topic: &str) -> Result<Event, Invalid> {
    let nobody = Described {
        user: None,
        data: None,
        users: 0,
    };
    build("reset", topic, &nobody, None)
}

pub(crate) fn raw(json: Option<&str>) -> Option<Box<RawValue>> {
    RawValue::from_string(json?.to_owned()).ok()
}

fn build(
    name: &str,
    topic: &str,
    described: &Described<'_>,
    key: Option<&str>,
) -> Result<Event, Invalid> {
    // It is made of text and numbers, which JSON can always have.
    let data = serde_json::to_string(described).unwrap_or_default();
    let mut event = Event::builder(data).topic(events_topic(topic)).name(name);
    if let Some(key) = key {
        event = event.idempotency_key(key);
    }
    event.private().build_internal()
}
