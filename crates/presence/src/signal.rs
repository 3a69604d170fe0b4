//! The counts of a topic as a signal.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::json;
use sse_broadcaster::event::Invalid;
use sse_broadcaster_signals::{Condition, SignalError, SignalName, Signals};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout_at},
};

use crate::store::Store;

/// What the names of the signals begin with; the topic follows.
pub(crate) const SIGNAL_PREFIX: &str = "$presence/";
/// Shortest time between two changes of one signal.
const INTERVAL: Duration = Duration::from_millis(500);
/// Maximum number of signals that this node has created and not removed. History keeps 10,000 values in all, and clients
/// that only connect must not use up the space for other signals and for revocations.
const MAX_SIGNALS: usize = 2_500;
/// How long to wait after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often a change is tried again while other nodes change the same signal.
const MAX_ATTEMPTS: usize = 5;

/// The signal with the counts of a topic: `$presence/` and the topic.
///
/// # Errors
/// For a topic of more than [`MAX_TOPIC_BYTES`](crate::MAX_TOPIC_BYTES), or that is no topic.
pub fn signal_name(topic: &str) -> Result<SignalName, Invalid> {
    SignalName::new(&format!("{SIGNAL_PREFIX}{topic}"))
}

/// The topic with presence, if `name` is the name of the signal with its counts.
#[must_use]
pub fn topic_of_signal(name: &str) -> Option<&str> {
    name.strip_prefix(SIGNAL_PREFIX)
}

/// The task that writes signals.
pub(crate) struct SignalWriter {
    pub(crate) signals: Signals,
    store: Arc<dyn Store>,
    /// Topics whose counts may have changed, and when to write them. As many as there are topics with connections, or
    /// that had one just before, at most.
    due: Mutex<HashMap<Arc<str>, Instant>>,
    touched: Notify,
    created: AtomicUsize,
}

impl SignalWriter {
    pub(crate) fn new(store: &Arc<dyn Store>, signals: &Signals) -> Self {
        Self {
            signals: signals.clone(),
            store: Arc::clone(store),
            due: Mutex::default(),
            touched: Notify::new(),
            created: AtomicUsize::new(0),
        }
    }

    /// The counts of these topics may have changed.
    pub(crate) fn touch(&self, topics: impl IntoIterator<Item = Arc<str>>) {
        let now = Instant::now();
        let mut due = self.due.lock();
        for topic in topics {
            due.entry(topic).or_insert(now);
        }
        drop(due);
        self.touched.notify_one();
    }

    /// Never ends.
    pub(crate) async fn run(&self) {
        let mut is_failing = false;
        loop {
            let now = Instant::now();
            for topic in self.take_due(now) {
                let again = match self.write(&topic).await {
                    Ok(again) => again,
                    Err(why) => {
                        if !is_failing {
                            log::warn!(
                                "presence: a signal cannot be written and is retried: {why}"
                            );
                        }
                        Some(RETRY_AFTER)
                    }
                };
                is_failing = again == Some(RETRY_AFTER);
                if let Some(again) = again {
                    let mut due = self.due.lock();
                    due.entry(topic).or_insert(now + again);
                }
            }
            self.wait().await;
        }
    }

    async fn wait(&self) {
        let next = self.due.lock().values().min().copied();
        match next {
            // A new topic may be due before it.
            Some(at) => drop(timeout_at(at, self.touched.notified()).await),
            None => self.touched.notified().await,
        }
        // What changes at once is written at once.
        sleep_until(Instant::now() + Duration::from_millis(5)).await;
    }

    fn take_due(&self, now: Instant) -> Vec<Arc<str>> {
        let mut due = self.due.lock();
        let topics = due.iter().filter(|(_, at)| **at <= now);
        let topics: Vec<_> = topics.map(|(topic, _)| Arc::clone(topic)).collect();
        for topic in &topics {
            due.remove(topic);
        }
        topics
    }

    /// Writes the counts, and returns after how long they are to be written again: where another node, or this one,
    /// wrote them just before. A topic that nobody is on any more gets zeros first, which is what a page shows, and
    /// loses its signal the next time.
    async fn write(&self, topic: &str) -> Result<Option<Duration>, SignalError> {
        if !self.store.claim_signal(topic, INTERVAL).await? {
            return Ok(Some(INTERVAL));
        }
        let name = signal_name(topic)?;
        for _ in 0..MAX_ATTEMPTS {
            // Read before the counts, so that a write with older counts fails.
            let old = self.signals.get(&name).await?;
            let counts = self.store.counts(topic).await?;
            let document = json!({ "users": counts.users, "connections": counts.connections });
            let is_over = counts.connections == 0;
            let shows_it = old.as_ref().is_some_and(|old| old.value == document);
            let condition = match &old {
                None if is_over || self.is_full() => return Ok(None),
                None => Condition::is_new(),
                Some(old) => Condition::is(old.version),
            };
            let removes = is_over && shows_it;
            let written = if removes {
                self.signals.remove(&name, &condition).await.map(drop)
            } else {
                self.signals
                    .set(&name, &condition, document)
                    .await
                    .map(drop)
            };
            match written {
                Err(SignalError::Changed { .. } | SignalError::Missing) => {}
                Err(why) => return Err(why),
                Ok(()) => {
                    self.count(old.is_none(), removes);
                    return Ok((is_over && !removes).then_some(INTERVAL));
                }
            }
        }
        Ok(Some(INTERVAL))
    }

    fn is_full(&self) -> bool {
        self.created.load(Ordering::Relaxed) >= MAX_SIGNALS
    }

    /// Only the one task that writes counts. A signal that another node has created may be removed here.
    fn count(&self, is_created: bool, is_removed: bool) {
        let created = self.created.load(Ordering::Relaxed) + usize::from(is_created);
        let created = created.saturating_sub(usize::from(is_removed));
        self.created.store(created, Ordering::Relaxed);
    }
}
