//! The handle, and what a stream holds of it.

use std::{fmt, sync::Arc};

use sse_broadcaster::{
    event::{SelectedTopics, Topic},
    history::Unavailable,
    internal::Shown,
};
use sse_broadcaster_access::Grants;
use sse_broadcaster_signals::Signals;
use tokio::task::JoinHandle;

use crate::{
    MAX_TOPIC_BYTES, PresenceOptions, Webhooks,
    local::{Key, Local},
    signal::SignalWriter,
    store::{Counts, Members, Store},
    webhook,
    writer::Writer,
};

/// Longest data of a user for others, as JSON.
const MAX_DATA_BYTES: usize = 4 << 10;

/// Who is on which topic. A handle: clones are the same. The tasks behind it end with the last one.
///
/// ```
/// use std::sync::Arc;
/// use sse_broadcaster::{Broadcaster, Memory, Options, Selector, history::Retention};
/// use sse_broadcaster_access::{Grants, PatternSet};
/// use sse_broadcaster_presence::{MemoryStore, Presence, PresenceOptions};
/// use sse_broadcaster_signals::Signals;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// let options = PresenceOptions::new(PatternSet::all());
/// let presence = Presence::start(options, Arc::new(MemoryStore::new()), &Signals::new(&broadcaster));
///
/// let selector = Selector::topics(&["room"])?;
/// let anna = Grants::builder().user("anna").build();
/// let connection = presence.connect(selector.selected(), &anna);
/// while presence.counts("room").await?.users == 0 {
///     tokio::task::yield_now().await;
/// }
/// drop(connection);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Presence(Arc<Handle>);

struct Handle {
    options: PresenceOptions,
    local: Arc<Local>,
    store: Arc<dyn Store>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Presence {
    /// Begins on the current Tokio runtime. Changes are published by the broadcaster of `signals`.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn start(options: PresenceOptions, store: Arc<dyn Store>, signals: &Signals) -> Self {
        let local = Arc::new(Local::new(options.grace));
        let signal_writer = Arc::new(SignalWriter::new(&store, signals));
        let writer = Writer {
            local: Arc::clone(&local),
            store: Arc::clone(&store),
            signals: Arc::clone(&signal_writer),
            broadcaster: signals.broadcaster().clone(),
            heartbeat: options.heartbeat,
            webhooks: options.webhooks.clone(),
        };
        let tasks = [
            tokio::spawn(writer.run()),
            tokio::spawn(async move { signal_writer.run().await }),
        ];
        Self(Arc::new(Handle {
            options,
            local,
            store,
            tasks,
        }))
    }

    /// Whether the topic has presence. Topics that begin with `$` have none, nor those of more than
    /// [`MAX_TOPIC_BYTES`].
    #[must_use]
    pub fn has(&self, topic: &str) -> bool {
        topic.len() <= MAX_TOPIC_BYTES
            && !topic.starts_with('$')
            && self.0.options.topics.matches(topic)
    }

    /// Counts a connection that subscribes to these topics, until what is returned is dropped; `None` if none of the
    /// topics has presence. All topics (`*`) have none.
    #[must_use]
    pub fn connect(&self, selected: &SelectedTopics, grants: &Grants) -> Option<Connection> {
        let SelectedTopics::Topics(topics) = selected else {
            return None;
        };
        let topics = topics.iter().map(Topic::as_str);
        let mut topics = topics.filter(|topic| self.has(topic)).peekable();
        topics.peek()?;
        let user: Option<Arc<str>> = grants.user().filter(|user| !user.is_empty()).map(Arc::from);
        let keys = topics.map(|topic| Key {
            topic: topic.into(),
            user: user.clone(),
        });
        let keys: Box<[Key]> = keys.collect();
        let webhooks = self.0.options.webhooks.clone().map(|webhooks| {
            let id = format!("{:032x}", fastrand::u128(..));
            webhooks.push(webhook::connected(&id, &keys));
            (webhooks, id.into())
        });
        // After `connected`, which is sent before `join`.
        self.0.local.join(&keys, |topic| data(grants, topic));
        Some(Connection {
            keys,
            local: Arc::clone(&self.0.local),
            webhooks,
        })
    }

    /// How many users, and groups of connections without one, are on topics of this node; a user counts on each topic.
    #[must_use]
    pub fn local_members(&self) -> usize {
        self.0.local.len()
    }

    /// The endpoint of the application that receives events, if there is one.
    #[must_use]
    pub fn webhooks(&self) -> Option<&Webhooks> {
        self.0.options.webhooks.as_ref()
    }

    /// How many users and connections the topic has, on all nodes.
    ///
    /// # Errors
    /// While the store is unreachable.
    pub async fn counts(&self, topic: &str) -> Result<Counts, Unavailable> {
        self.0.store.counts(topic).await
    }

    /// The users on the topic, on all nodes, from the one after `after`.
    ///
    /// # Errors
    /// While the store is unreachable.
    pub async fn members(
        &self,
        topic: &str,
        after: &str,
        limit: usize,
    ) -> Result<Members, Unavailable> {
        self.0.store.members(topic, after, limit).await
    }
}

/// Data of the client for others on this topic.
fn data(grants: &Grants, topic: &str) -> Option<Arc<str>> {
    let data = grants.payload(topic)?.to_string();
    if data.len() > MAX_DATA_BYTES {
        log::warn!(
            "presence: the data of user {} has {} bytes; at most {MAX_DATA_BYTES} are shown to others, and this is \
             left out",
            Shown(grants.user().unwrap_or_default()),
            data.len()
        );
        return None;
    }
    Some(data.into())
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence")
            .field("options", &self.0.options)
            .field("store", &self.0.store)
            .finish_non_exhaustive()
    }
}

/// An open connection that counts on its topics until it is dropped, and for the grace that follows.
pub struct Connection {
    keys: Box<[Key]>,
    local: Arc<Local>,
    /// Where its end is sent, and the name of the connection there.
    webhooks: Option<(Webhooks, Box<str>)>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some((webhooks, id)) = &self.webhooks {
            webhooks.push(webhook::disconnected(id, &self.keys));
        }
        self.local.leave(&self.keys);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
