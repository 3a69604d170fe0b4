//! Events as the endpoint gets them.

use std::{sync::Arc, time::SystemTime};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    announcement::raw,
    local::Key,
    store::{Pending, PendingKind},
};

#[derive(Serialize)]
struct Event<'a> {
    r#type: &'static str,
    /// The same in each repeat.
    id: &'a str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    topics: Vec<&'a str>,
}

impl<'a> Event<'a> {
    fn new(r#type: &'static str, id: &'a str) -> Self {
        Self {
            r#type,
            id,
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            topic: None,
            connection: None,
            user: None,
            data: None,
            users: None,
            topics: Vec::new(),
        }
    }

    fn of_user(
        r#type: &'static str,
        id: &'a str,
        (user, data, users): (&'a str, Option<&str>, u64),
    ) -> Self {
        Self {
            user: Some(user),
            data: raw(data),
            users: Some(users),
            ..Self::new(r#type, id)
        }
    }

    fn json(&self) -> String {
        // It is made of text and numbers, which JSON can always have.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A change on a topic.
pub(crate) fn of_pending(pending: &Pending) -> String {
    let id = &*pending.key;
    let event = match &pending.kind {
        PendingKind::Join { user, data, users } => {
            Event::of_user("join", id, (user, data.as_deref(), *users))
        }
        PendingKind::Leave { user, data, users } => {
            Event::of_user("leave", id, (user, data.as_deref(), *users))
        }
        PendingKind::FirstSubscriber => Event::new("first_subscriber", id),
        PendingKind::LastSubscriber => Event::new("last_subscriber", id),
    };
    let topic = Some(&*pending.topic);
    Event { topic, ..event }.json()
}

/// A connection was opened.
pub(crate) fn connected(connection: &str, keys: &[Key]) -> String {
    of_connection("connected", connection, keys)
}

/// A connection has ended.
pub(crate) fn disconnected(connection: &str, keys: &[Key]) -> String {
    of_connection("disconnected", connection, keys)
}

fn of_connection(r#type: &'static str, connection: &str, keys: &[Key]) -> String {
    let id = format!("{connection}-{type}");
    let user: Option<&Arc<str>> = keys.first().and_then(|key| key.user.as_ref());
    let event = Event {
        connection: Some(connection),
        user: user.map(|user| &**user),
        topics: keys.iter().map(|key| &*key.topic).collect(),
        ..Event::new(r#type, &id)
    };
    event.json()
}
