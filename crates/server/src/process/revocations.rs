//! Revocations, kept in history: each node has them within a second, and processes that start later do.
//!
//! All rules in force are one retained value, which a write replaces on condition that it is still the one that was
//! read. The event beside it has the new rule. Each node looks every [`POLL_INTERVAL`] at what came into its window, so
//! that a rule arrives however many other events do; after a gap, and at the start, it reads the retained value.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::value::RawValue;
use sse_broadcaster::{
    broadcaster::{Broadcaster, PublishError},
    event::{Event, EventId, Selector},
    history::{AppendError, Batch, Chunk, From, History, Limit, Precondition, Retain, Unavailable},
};
use sse_broadcaster_access::revocation::{Revocations, Rule, RuleError};
use sse_broadcaster_http::REVOCATIONS_TOPIC;

#[cfg(test)]
mod revocations_tests;

/// How often a node looks for new rules.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long the start waits for the rules.
const START_WITHIN: Duration = Duration::from_secs(2);
/// How often it tries to read the rules while history cannot be reached.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// How long a write is tried again while others write, or while the server lags.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// Longest wait between two tries of a write.
const MAX_BACKOFF: Duration = Duration::from_millis(50);
/// Most bytes of all rules: some 10,000 of usual length.
const MAX_BYTES: usize = 1 << 20;
/// Most that is taken from the window in one step.
const STEP: Limit = Limit::new(1_000, 1 << 20);
/// In place of a rule in an event: the retained value is to be read.
const READ_ALL: &str = "{}";

/// Why a rule was not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RevokeError {
    #[error(transparent)]
    Rule(#[from] RuleError),
    #[error("the revocations would be longer than {MAX_BYTES} bytes")]
    TooLong,
    #[error("others changed the revocations each time; try again in a moment")]
    Contended,
    #[error(transparent)]
    Publish(PublishError),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The revocations of a history.
pub(crate) struct KeptRevocations {
    broadcaster: Broadcaster,
    history: Arc<dyn History>,
    current: Arc<Revocations>,
}

/// Up to where the window was read, and of which epoch that is.
#[derive(Clone, Copy)]
struct ReadTo {
    epoch: u64,
    id: EventId,
}

impl KeptRevocations {
    /// Reads the rules, for at most [`START_WITHIN`], so that none is missing when the first client comes; then begins
    /// to follow them, on the current Tokio runtime.
    pub(crate) async fn start(
        broadcaster: &Broadcaster,
        history: Arc<dyn History>,
        current: Arc<Revocations>,
    ) -> Arc<Self> {
        let kept = Arc::new(Self {
            broadcaster: broadcaster.clone(),
            history,
            current,
        });
        // Tried again, and reported, by what follows.
        let _ = tokio::time::timeout(START_WITHIN, kept.read_all()).await;
        let followed = Arc::clone(&kept);
        tokio::spawn(async move { followed.follow().await });
        kept
    }

    /// All rules in force on this node.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        self.current.rules()
    }

    /// Keeps the rule, then applies it here; other nodes follow. Returns it with its end.
    ///
    /// Dropping the future may leave the rule kept.
    ///
    /// # Errors
    /// A rule without conditions or one too many; history that cannot be reached: then nothing was kept, but for
    /// [`PublishError::OutcomeUnknown`].
    pub(crate) async fn revoke(&self, rule: Rule) -> Result<Rule, RevokeError> {
        let rule = self.current.complete(rule)?;
        self.write(Some(&rule)).await?;
        Ok(self.current.add(rule)?)
    }

    /// Writes what this node knows and history does not have, and the new rule.
    async fn write(&self, new: Option<&Rule>) -> Result<(), RevokeError> {
        let begun = Instant::now();
        let mut backoff = Duration::from_millis(1);
        loop {
            let (kept, version) = self.read().await?;
            let Some(text) = self.merged(kept, new.cloned()).await? else {
                return Ok(());
            };
            if text.len() > MAX_BYTES {
                return Err(RevokeError::TooLong);
            }
            let batch = Batch::from(self.event(new))
                .retain(Retain::new(REVOCATIONS_TOPIC, Some(Bytes::from(text))))
                .precondition(Precondition::new(REVOCATIONS_TOPIC, version));
            let is_conflict = match self.broadcaster.publish(batch).await {
                Ok(_) => return Ok(()),
                Err(PublishError::Conflict(AppendError::Conflict { .. })) => true,
                Err(PublishError::Overloaded) if begun.elapsed() < WRITE_LIMIT => false,
                Err(why) => return Err(RevokeError::Publish(why)),
            };
            if is_conflict && begun.elapsed() >= WRITE_LIMIT {
                return Err(RevokeError::Contended);
            }
            // At random, so that competing writers do not collide again.
            tokio::time::sleep(backoff.mul_f32(fastrand::f32())).await;
            backoff = (backoff * 2).min(MAX_BACKOFF);
        }
    }

    /// The value that history has, and its version.
    async fn read(&self) -> Result<(Bytes, Option<EventId>), Unavailable> {
        let mut retained = self.history.retained(&[REVOCATIONS_TOPIC]).await?;
        Ok(match retained.values.pop().flatten() {
            Some((text, version)) => (text, Some(version)),
            None => (Bytes::new(), None),
        })
    }

    /// The value of all rules in force, those that have ended left out; `None` if all that are wanted are kept. Not on
    /// this thread: 10,000 rules take some 10 ms.
    async fn merged(&self, kept: Bytes, new: Option<Rule>) -> Result<Option<String>, RevokeError> {
        let current = Arc::clone(&self.current);
        let merging = tokio::task::spawn_blocking(move || {
            let kept = rules_of(&kept);
            let known = texts(&kept);
            // Each rule has its end already, so that the lifetime has no effect.
            let merged = Revocations::new(Duration::ZERO);
            merged.add_all(kept.into_iter().chain(current.rules()).chain(new))?;
            let merged = texts(&merged.rules());
            // Rules that have ended need not be removed at once.
            let is_kept = |rule| known.binary_search(rule).is_ok();
            let value = || format!("[{}]", merged.join(","));
            Ok((!merged.iter().all(is_kept)).then(value))
        });
        let failed = |_| Unavailable::new("the revocations could not be read");
        merging.await.map_err(failed)?
    }

    fn event(&self, new: Option<&Rule>) -> Event {
        let text = new.and_then(|rule| serde_json::to_string(rule).ok());
        let max = self.broadcaster.options().max_event_bytes;
        let text = text.filter(|text| text.len() <= max);
        let event = Event::builder(text.as_deref().unwrap_or(READ_ALL));
        let event = event.topic(REVOCATIONS_TOPIC).private();
        event
            .build_internal()
            .expect("a topic and data without line breaks are valid")
    }

    /// Applies rules as they come. Never ends.
    async fn follow(&self) {
        let selector = Selector::topics(&[REVOCATIONS_TOPIC]);
        let selector = selector.expect("a valid topic").with_private();
        let window = self.history.tail();
        let mut read_to = None;
        let mut is_failing = false;
        loop {
            let Some(from) = read_to else {
                // Before the value is read: what comes meanwhile is read once more.
                let bounds = window.bounds();
                match self.read_all().await {
                    Ok(()) => {
                        is_failing = false;
                        read_to = Some(ReadTo {
                            epoch: bounds.epoch,
                            id: bounds.head,
                        });
                    }
                    Err(why) => {
                        if !std::mem::replace(&mut is_failing, true) {
                            log::warn!(
                                "revocations stay as they are until history can be read: {why}"
                            );
                        }
                        tokio::time::sleep(RETRY_INTERVAL).await;
                    }
                }
                continue;
            };
            tokio::time::sleep(POLL_INTERVAL).await;
            let chunk = window.read(From::After(from.id), &selector, STEP);
            read_to = self.apply(&chunk, from);
        }
    }

    /// Where the next read begins; `None` if the retained value is to be read.
    fn apply(&self, chunk: &Chunk, from: ReadTo) -> Option<ReadTo> {
        if chunk.gap || chunk.epoch != from.epoch {
            return None;
        }
        let mut is_all = true;
        for found in &chunk.events {
            let rule = serde_json::from_str(found.fields().data());
            is_all &= rule.is_ok_and(|rule| self.current.add(rule).is_ok());
        }
        is_all.then_some(ReadTo {
            epoch: chunk.epoch,
            id: chunk.read_to,
        })
    }

    /// Applies all rules that history has. If history has lost some, they are written again.
    async fn read_all(&self) -> Result<(), RevokeError> {
        let (kept, _) = self.read().await?;
        let (text, current) = (kept.clone(), Arc::clone(&self.current));
        // More than fit here did not fit there either.
        let adding = move || current.add_all(rules_of(&text)).ok();
        let _ = tokio::task::spawn_blocking(adding).await;
        match self.merged(kept, None).await {
            Ok(Some(_)) => self.write(None).await,
            _ => Ok(()),
        }
    }
}

/// What cannot be read as a rule is left out: a later version wrote it.
fn rules_of(text: &[u8]) -> Vec<Rule> {
    let values: Vec<&RawValue> = serde_json::from_slice(text).unwrap_or_default();
    let rules = values.iter();
    let rules = rules.filter_map(|value| serde_json::from_str(value.get()).ok());
    rules.collect()
}

/// In one order, so that equal rules are equal texts.
fn texts(rules: &[Rule]) -> Vec<String> {
    let texts = rules
        .iter()
        .filter_map(|rule| serde_json::to_string(rule).ok());
    let mut texts: Vec<_> = texts.collect();
    texts.sort_unstable();
    texts
}
