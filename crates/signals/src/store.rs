//! Reading and writing documents by name.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::Value;

use super::{
    Condition, Document, Patch, SignalError, SignalName, change, document, name::TOPIC_PREFIX,
    numbers::is_identical, single_flight::SingleFlight,
};
use sse_broadcaster::{
    broadcaster::{Broadcaster, PublishError},
    event::EventId,
    history::{AppendError, NameRange, Names},
};

/// How long a write is retried while others write the same document.
const CONTENTION_LIMIT: Duration = Duration::from_secs(5);
/// Longest wait between two attempts.
const MAX_BACKOFF: Duration = Duration::from_millis(50);

/// The signals of one history, by name. A handle: clones are the same, and share the reads of documents for
/// streams. For one signal with a type of its own, see [`Signal`](super::Signal).
///
/// # Ordering
/// All writes of one history have one order. A write takes effect only on the document that it has read;
/// where another writer was faster, it is repeated on the new one.
///
/// # Cancellation
/// A write whose future is dropped may or may not have been done: read the signal to know.
///
/// ```
/// use serde_json::json;
/// use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
/// use sse_broadcaster_signals::{Condition, Patch, SignalName, Signals};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// let signals = Signals::new(&broadcaster);
/// let name: SignalName = "counter".parse()?;
/// let written = signals.set(&name, &Condition::is_new(), json!({ "n": 1 })).await?;
/// assert!(written.created);
/// let patch = Patch::merge_patch(br#"{"n":2}"#)?;
/// signals.patch(&name, &Condition::default(), &patch).await?;
/// let document = signals.get(&name).await?.expect("it was set");
/// assert_eq!(document.value, json!({ "n": 2 }));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Signals {
    pub(super) broadcaster: Broadcaster,
    pub(super) single_flight: Arc<SingleFlight>,
}

/// The result of a write.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Written {
    /// The document after the write; `None` where it was removed.
    pub document: Option<Document>,
    /// There was no document before.
    pub created: bool,
    /// The position of the change; `None` where the write changed nothing, and so published nothing.
    pub published: Option<EventId>,
}

impl Signals {
    /// The signals in the history of this broadcaster.
    #[must_use]
    pub fn new(broadcaster: &Broadcaster) -> Self {
        Self {
            broadcaster: broadcaster.clone(),
            single_flight: Arc::default(),
        }
    }

    /// The broadcaster that publishes the changes.
    #[must_use]
    pub fn broadcaster(&self) -> &Broadcaster {
        &self.broadcaster
    }

    /// Longest document, in bytes of compact JSON: a quarter of the longest event, at most
    /// [`MAX_DOCUMENT_BYTES`](super::MAX_DOCUMENT_BYTES).
    #[must_use]
    pub fn max_document_bytes(&self) -> usize {
        document::max_bytes(self.broadcaster.options().max_event_bytes)
    }

    /// The document as compact JSON, and its version; `None` where there is none.
    ///
    /// # Errors
    /// [`Unavailable`](SignalError::Unavailable) while history is unreachable.
    pub async fn text(&self, name: &SignalName) -> Result<Option<(Bytes, EventId)>, SignalError> {
        let mut retained = self.broadcaster.retained(&[name.topic()]).await?;
        Ok(retained.values.pop().flatten())
    }

    /// The names of the existing signals, in the order of their bytes, each with its version.
    ///
    /// # Errors
    /// [`Unavailable`](SignalError::Unavailable) while history is unreachable.
    pub async fn names(&self, range: NameRange<'_>) -> Result<Names, SignalError> {
        let topic = |name: &str| format!("{TOPIC_PREFIX}{name}");
        let (prefix, after) = (topic(range.prefix), topic(range.after));
        let range = range.prefix(&prefix).after(&after);
        let mut names = self.broadcaster.retained_keys(range).await?;
        for (name, _) in &mut names.found {
            name.drain(..TOPIC_PREFIX.len());
        }
        Ok(names)
    }

    /// The document and its version; `None` where there is none.
    ///
    /// # Errors
    /// [`Unavailable`](SignalError::Unavailable) while history is unreachable.
    pub async fn get(&self, name: &SignalName) -> Result<Option<Document>, SignalError> {
        let text = self.text(name).await?;
        text.map(|(text, version)| {
            let value = document::read(&text)?;
            Ok(Document { value, version })
        })
        .transpose()
    }

    /// Sets the document, whatever it was, and publishes the change if there is one.
    ///
    /// # Errors
    /// [`Changed`](SignalError::Changed) where the condition does not hold, [`TooLarge`](SignalError::TooLarge)
    /// and `too_deep` for a document beyond the bounds, [`Full`](SignalError::Full) where history retains no
    /// more, [`Contended`](SignalError::Contended) after 5 seconds of other writers; see [`SignalError`].
    pub async fn set(
        &self,
        name: &SignalName,
        condition: &Condition,
        value: Value,
    ) -> Result<Written, SignalError> {
        self.write(name, condition, |_| Ok(Some(value.clone())))
            .await
    }

    /// Patches the document, and publishes the change if there is one.
    ///
    /// # Errors
    /// [`Missing`](SignalError::Missing) where there is no document, [`Patch`](SignalError::Patch) where the
    /// patch does not fit it, and those of [`set`](Self::set).
    pub async fn patch(
        &self,
        name: &SignalName,
        condition: &Condition,
        patch: &Patch,
    ) -> Result<Written, SignalError> {
        let change = |old: Option<&Value>| {
            let old = old.ok_or(SignalError::Missing)?;
            patch.apply(old.clone()).map(Some)
        };
        self.write(name, condition, change).await
    }

    /// Removes the document, and publishes that.
    ///
    /// # Errors
    /// [`Missing`](SignalError::Missing) where there is no document, and those of [`set`](Self::set).
    pub async fn remove(
        &self,
        name: &SignalName,
        condition: &Condition,
    ) -> Result<Written, SignalError> {
        let change = |old: Option<&Value>| old.map_or(Err(SignalError::Missing), |_| Ok(None));
        self.write(name, condition, change).await
    }

    /// Replaces the document by the result of `change`; `None` is no document. `change` is called again, with
    /// the newer document, each time another writer was faster.
    ///
    /// # Errors
    /// Those of `change`, and those of [`set`](Self::set).
    pub async fn write(
        &self,
        name: &SignalName,
        condition: &Condition,
        mut change: impl FnMut(Option<&Value>) -> Result<Option<Value>, SignalError>,
    ) -> Result<Written, SignalError> {
        let begun = Instant::now();
        let mut backoff = Duration::from_millis(1);
        loop {
            let old = self.get(name).await?;
            let version = old.as_ref().map(|old| old.version);
            let value = old.as_ref().map(|old| &old.value);
            if !condition.holds(version) {
                // A condition is ignored where the request would fail without it (RFC 9110, 13.2.1).
                return Err(match change(value) {
                    Err(SignalError::Missing) => SignalError::Missing,
                    _ => SignalError::Changed { version },
                });
            }
            let new = change(value)?;
            let is_unchanged = match (value, &new) {
                (Some(old), Some(new)) => is_identical(old, new),
                (old, new) => old.is_none() && new.is_none(),
            };
            if is_unchanged {
                return Ok(Written {
                    document: old,
                    created: false,
                    published: None,
                });
            }
            let max_bytes = self.max_document_bytes();
            let batch = change::batch(name, (value, version), new.as_ref(), max_bytes)?;
            match self.broadcaster.publish(batch).await {
                Ok(appended) => {
                    let version = appended.ids[0];
                    return Ok(Written {
                        document: new.map(|value| Document { value, version }),
                        created: old.is_none(),
                        published: Some(version),
                    });
                }
                Err(PublishError::Conflict(AppendError::Conflict { .. }))
                    if begun.elapsed() < CONTENTION_LIMIT =>
                {
                    // At random, so that competing writers do not collide again.
                    tokio::time::sleep(backoff.mul_f32(fastrand::f32())).await;
                    backoff = (backoff * 2).min(MAX_BACKOFF);
                }
                Err(why) => return Err(why.into()),
            }
        }
    }
}
