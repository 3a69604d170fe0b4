//! How streams join the topics with presence.

use std::sync::Arc;

use sse_broadcaster::event::{SelectedTopics, Selector};
use sse_broadcaster_access::Grants;
use sse_broadcaster_presence::{Connection, Presence};

use crate::{AppState, Client};

/// A stream that is about to join the topics with presence that it subscribes to.
#[derive(Debug)]
pub struct Joining {
    presence: Presence,
    topics: SelectedTopics,
    grants: Arc<Grants>,
}

impl Joining {
    /// `None` if none of the selected topics has presence.
    #[must_use]
    pub fn new(state: &AppState, selector: &Selector, client: &Client) -> Option<Self> {
        let presence = state.presence.as_ref()?;
        let SelectedTopics::Topics(topics) = selector.selected() else {
            return None;
        };
        if !topics.iter().any(|topic| presence.has(topic.as_str())) {
            return None;
        }
        Some(Self {
            presence: presence.clone(),
            topics: selector.selected().clone(),
            grants: Arc::clone(client.grants()),
        })
    }

    /// Joins, once the stream is open.
    pub(crate) fn join(self) -> Option<Box<Connection>> {
        let connection = self.presence.connect(&self.topics, &self.grants);
        connection.map(Box::new)
    }
}
