//! The counts of a topic as a signal.

mod kept;

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde_json::{Value, json};
use sse_broadcaster::event::Invalid;
use sse_broadcaster_signals::{Condition, SignalError, SignalName, Signals};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout_at},
};

use self::kept::Kept;
use crate::store::{Counts, Store};

/// What the names of the signals begin with; the topic follows.
pub(crate) const SIGNAL_PREFIX: &str = "$presence/";
/// Shortest time between two changes of one signal.
const INTERVAL: Duration = Duration::from_millis(500);
/// Most signals that this node writes within [`INTERVAL`]; the others wait. Each write is an event of history, and
/// clients that only connect must not fill history with them.
const MAX_WRITES: usize = 100;
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
    kept: Mutex<Kept>,
}

impl SignalWriter {
    pub(crate) fn new(store: &Arc<dyn Store>, signals: &Signals) -> Self {
        Self {
            signals: signals.clone(),
            store: Arc::clone(store),
            due: Mutex::default(),
            touched: Notify::new(),
            kept: Mutex::default(),
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
            let topics = self.take_due(now);
            let is_full = topics.len() == MAX_WRITES;
            for topic in topics {
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
            if is_full {
                sleep_until(now + INTERVAL).await;
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

    /// Those that are due, at most [`MAX_WRITES`], the longest due first.
    fn take_due(&self, now: Instant) -> Vec<Arc<str>> {
        let mut due = self.due.lock();
        let topics = due.iter().filter(|(_, at)| **at <= now);
        let mut topics: Vec<_> = topics.map(|(topic, at)| (*at, Arc::clone(topic))).collect();
        if topics.len() > MAX_WRITES {
            topics.select_nth_unstable(MAX_WRITES);
            topics.truncate(MAX_WRITES);
        }
        for (_, topic) in &topics {
            due.remove(topic);
        }
        topics.into_iter().map(|(_, topic)| topic).collect()
    }

    /// Writes the counts, and returns after how long they are to be written again: where another node, or this one,
    /// wrote them just before. A topic that nobody is on any more keeps its signal, with zeros, while there is space:
    /// what a page of Datastar has bound to a signal does not follow it once it was removed.
    async fn write(&self, topic: &Arc<str>) -> Result<Option<Duration>, SignalError> {
        if !self.store.claim_signal(topic, INTERVAL).await? {
            return Ok(Some(INTERVAL));
        }
        let name = signal_name(topic)?;
        for _ in 0..MAX_ATTEMPTS {
            // Read before the counts, so that a write with older counts fails.
            let old = self.signals.get(&name).await?;
            let counts = self.store.counts(topic).await?;
            let is_over = counts.connections == 0;
            let condition = match &old {
                None if is_over => {
                    self.kept.lock().forget(topic);
                    return Ok(None);
                }
                None if !self.has_space() => return Ok(None),
                None => Condition::is_new(),
                Some(old) => Condition::is(old.version),
            };
            let document = document(counts);
            if old.as_ref().is_none_or(|old| old.value != document) {
                match self.signals.set(&name, &condition, document).await {
                    Err(SignalError::Changed { .. } | SignalError::Missing) => continue,
                    Err(why) => return Err(why),
                    Ok(_) => {}
                }
            }
            if is_over {
                self.kept.lock().is_at_zero(topic);
            } else {
                self.kept.lock().is_in_use(topic, old.is_none());
            }
            self.remove_surplus().await?;
            return Ok(None);
        }
        Ok(Some(INTERVAL))
    }

    /// Whether a further signal may be created. If not, all are looked at again: other nodes may have set some of them
    /// to zero.
    fn has_space(&self) -> bool {
        let mut kept = self.kept.lock();
        let has_space = kept.has_space();
        let reviewed = if has_space {
            Vec::new()
        } else {
            kept.due_for_review(Instant::now())
        };
        drop(kept);
        self.touch(reviewed);
        has_space
    }

    async fn remove_surplus(&self) -> Result<(), SignalError> {
        loop {
            let Some(topic) = self.kept.lock().take_surplus() else {
                return Ok(());
            };
            if let Err(why) = self.remove_at_zero(&topic).await {
                // It may still be there, and counts.
                self.kept.lock().is_at_zero(&topic);
                return Err(why);
            }
        }
    }

    /// Removes a signal, unless somebody has come meanwhile.
    async fn remove_at_zero(&self, topic: &str) -> Result<(), SignalError> {
        let name = signal_name(topic)?;
        let old = self.signals.get(&name).await?;
        let Some(old) = old.filter(|old| old.value == document(Counts::default())) else {
            return Ok(());
        };
        let condition = Condition::is(old.version);
        match self.signals.remove(&name, &condition).await {
            Ok(_) | Err(SignalError::Changed { .. } | SignalError::Missing) => Ok(()),
            Err(why) => Err(why),
        }
    }

    /// Whether the signal of the topic shows that somebody is there.
    pub(crate) async fn shows_somebody(&self, topic: &str) -> Result<bool, SignalError> {
        let shown = self.signals.get(&signal_name(topic)?).await?;
        Ok(shown.is_some_and(|shown| shown.value != document(Counts::default())))
    }
}

fn document(counts: Counts) -> Value {
    json!({ "users": counts.users, "connections": counts.connections })
}
