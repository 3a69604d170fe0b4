//! Who subscribes to what, on all nodes: announced by events, and listed by an API.
//!
//! # One subscription's way
//! [`Subscriptions::register`] → the changes of this node that wait (`local`) → a task (`announcer`) →
//! [`SubscriptionStore::write`], after which the list has it → [`SubscriptionStore::pending`] → an event on the topic
//! that is the id of the subscription. So the list is never behind the events.

mod announcer;
mod api;
mod document;
mod local;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use sse_broadcaster::Broadcaster;
use sse_broadcaster_access::Grants;
use sse_broadcaster_presence::{HubSubscription, SubscriptionStore};
use tokio::task::JoinHandle;

use self::{
    announcer::Announcer,
    local::{Local, Subscriber},
};
use crate::matchers::Matcher;

pub(crate) use api::respond;

/// How long a list waits for what this node has yet to write to it.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);
/// How long the end of a node waits until its subscriptions are announced as ended.
const ENDED_WITHIN: Duration = Duration::from_secs(2);

/// The subscriptions of this node, and the list of those of all nodes.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    local: Arc<Local>,
    store: Arc<dyn SubscriptionStore>,
    announcer: JoinHandle<()>,
}

impl Subscriptions {
    /// No subscriptions of this node yet. A task on the current Tokio runtime writes and announces them; it ends with
    /// these.
    pub(crate) fn start(broadcaster: &Broadcaster, store: Arc<dyn SubscriptionStore>) -> Self {
        let local = Arc::new(Local::default());
        let announcer = Announcer::new(&local, &store, broadcaster);
        Self {
            local,
            store,
            announcer: tokio::spawn(announcer.run()),
        }
    }

    /// Adds those of a connection that is open, and has them announced later. They end when the guard is dropped.
    /// `None` while the node ends, if it has too many, and if none can be announced.
    pub(crate) fn register(
        self: &Arc<Self>,
        matchers: &[Matcher],
        grants: &Grants,
    ) -> Option<Registered> {
        let subscriber = subscriber(matchers, grants);
        if subscriber.subscriptions.is_empty() {
            return None;
        }
        let number = self.local.begin(subscriber)?;
        Some(Registered {
            subscriptions: Arc::clone(self),
            number,
        })
    }

    /// Announces the end of all subscriptions of this node, for which it waits a while. Further ones are neither
    /// announced nor listed.
    pub(crate) async fn end_all(&self) {
        self.local.end_all();
        self.local.announced(ENDED_WITHIN).await;
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        self.announcer.abort();
    }
}

/// A connection under a new name, with one subscription by each matcher.
fn subscriber(matchers: &[Matcher], grants: &Grants) -> Subscriber {
    let name: Arc<str> = document::random_id().into();
    let mut payloads = HashMap::new();
    let mut payload = |matcher: &Matcher| {
        let value = grants.payload(matcher.pattern.text())?;
        // Matchers that have the same one share its text.
        let text = payloads
            .entry(std::ptr::from_ref(value))
            .or_insert_with(|| Arc::from(value.to_string()));
        Some(Arc::clone(text))
    };
    let mut named = HashSet::new();
    let subscriptions = matchers.iter().filter_map(|matcher| {
        let text = matcher.pattern.text();
        let match_type = matcher.match_type;
        let is_new = named.insert((match_type, text));
        // What is not announced is not listed: nobody would hear of its end.
        let is_listed = is_new && document::can_be_announced(match_type, text, &name);
        is_listed.then(|| HubSubscription {
            matcher: document::listed_matcher(match_type, text).into(),
            subscriber: Arc::clone(&name),
            payload: payload(matcher),
        })
    });
    Subscriber::new(subscriptions.collect())
}

/// Keeps the subscriptions of a connection.
#[derive(Debug)]
pub(crate) struct Registered {
    subscriptions: Arc<Subscriptions>,
    number: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.subscriptions.local.end(self.number);
    }
}
