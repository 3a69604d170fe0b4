//! Who subscribes to what: announced by events, and listed by an API.
//!
//! The list has the subscriptions of this process. The events are those of the history, so that they appear on every
//! node.

mod api;
mod document;

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use serde_json::Value;
use sse_broadcaster::{
    Event,
    broadcaster::{Broadcaster, PublishError},
    event::Invalid,
};
use sse_broadcaster_access::Grants;
use tokio::sync::mpsc;

use crate::matchers::{MatchType, Matcher};

pub(crate) use api::respond;

/// Most announcements that wait to be published. Further ones are dropped, and logged.
const MAX_WAITING: usize = 10_000;

/// The subscriptions of this process.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    /// By a number that increases, so that lists are in the order of their beginning.
    open: Mutex<Open>,
    announcements: mpsc::Sender<Event>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    subscribers: BTreeMap<u64, Arc<Subscriber>>,
}

/// A connection, and what it subscribes to.
#[derive(Debug)]
struct Subscriber {
    /// `urn:uuid:` and a random UUID.
    id: String,
    matchers: Vec<Matcher>,
    grants: Arc<Grants>,
}

/// One matcher of one connection.
#[derive(Debug, Clone, Copy)]
struct Subscription<'a> {
    subscriber: &'a Subscriber,
    matcher: &'a Matcher,
    active: bool,
}

impl Subscriptions {
    /// No subscriptions yet. Their announcements are published by a task, which ends with these; on the current Tokio
    /// runtime.
    pub(crate) fn new(broadcaster: &Broadcaster) -> Self {
        let (announcements, waiting) = mpsc::channel(MAX_WAITING);
        tokio::spawn(publish(waiting, broadcaster.clone()));
        Self {
            open: Mutex::default(),
            announcements,
        }
    }

    /// Adds those of a connection that is open, and announces them. They end when the guard is dropped.
    pub(crate) fn register(
        self: &Arc<Self>,
        matchers: Vec<Matcher>,
        grants: Arc<Grants>,
    ) -> Registered {
        let subscriber = Arc::new(Subscriber {
            id: document::random_id(),
            matchers,
            grants,
        });
        let number = {
            let mut open = self.open.lock();
            open.next += 1;
            let number = open.next;
            open.subscribers.insert(number, Arc::clone(&subscriber));
            number
        };
        self.announce(&subscriber, true);
        Registered {
            subscriptions: Arc::clone(self),
            number,
        }
    }

    fn announce(&self, subscriber: &Subscriber, active: bool) {
        for matcher in &subscriber.matchers {
            let subscription = Subscription {
                subscriber,
                matcher,
                active,
            };
            match subscription.event() {
                Ok(event) => self.publish_later(event),
                Err(invalid) => log::debug!("a subscription is not announced: {invalid}"),
            }
        }
    }

    fn publish_later(&self, event: Event) {
        if self.announcements.try_send(event).is_err() {
            log::warn!(
                "{MAX_WAITING} announcements of subscriptions wait to be published: one was dropped"
            );
        }
    }

    /// All subscribers, in the order in which they began.
    fn subscribers(&self) -> Vec<Arc<Subscriber>> {
        let open = self.open.lock();
        open.subscribers.values().map(Arc::clone).collect()
    }
}

impl Subscriber {
    fn subscriptions(&self) -> impl Iterator<Item = Subscription<'_>> {
        self.matchers.iter().map(|matcher| Subscription {
            subscriber: self,
            matcher,
            active: true,
        })
    }
}

impl Subscription<'_> {
    fn is_of_zero(&self) -> bool {
        self.matcher.match_type == MatchType::Selector
    }

    fn payload(&self) -> Option<&Value> {
        self.subscriber.grants.payload(self.matcher.pattern.text())
    }

    /// The private event that announces it, on the topic that is its id.
    fn event(&self) -> Result<Event, Invalid> {
        let document = self.document(true);
        let event = Event::builder(document.to_string())
            .uri_topics()
            .topic(self.path())
            .private();
        let event = if self.is_of_zero() {
            event
        } else {
            event.name("mercure")
        };
        event.build()
    }
}

/// Keeps the subscriptions of a connection.
#[derive(Debug)]
pub(crate) struct Registered {
    subscriptions: Arc<Subscriptions>,
    number: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let ended = self
            .subscriptions
            .open
            .lock()
            .subscribers
            .remove(&self.number);
        if let Some(subscriber) = ended {
            self.subscriptions.announce(&subscriber, false);
        }
    }
}

/// Publishes announcements one after the other, so that nobody else waits for them.
async fn publish(mut waiting: mpsc::Receiver<Event>, broadcaster: Broadcaster) {
    while let Some(event) = waiting.recv().await {
        match broadcaster.publish_one(event).await {
            // Nobody is there to read it.
            Ok(_) | Err(PublishError::Draining) => {}
            Err(error) => log::warn!("a subscription was not announced: {error}"),
        }
    }
}
