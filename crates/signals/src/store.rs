//! Reading and writing documents.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::Value;

use super::{
    Condition, Document, Patch, SignalError, SignalName, change, document, numbers::is_identical,
    single_flight::SingleFlight,
};
use sse_broadcaster::internal::SIGNAL_TOPICS;
use sse_broadcaster::{
    broadcaster::{Broadcaster, PublishError},
    event::EventId,
    history::{AppendError, NameRange, Names},
};

/// How long a write is tried again while others write the same document.
const CONTENTION_LIMIT: Duration = Duration::from_secs(5);
/// Longest wait between two tries, once they go on failing.
const MAX_BACKOFF: Duration = Duration::from_millis(50);

/// The signals of one history. A handle: clones are the same.
///
/// A write whose future is dropped is done or not: read the signal to know.
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

/// What a write did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Written {
    /// The document behind it; `None` when it is gone.
    pub document: Option<Document>,
    /// There was none before.
    pub created: bool,
    /// The position of the change; `None` where everything was so already, and nothing was published.
    pub published: Option<EventId>,
}

impl Signals {
    /// Those of this broadcaster's history.
    #[must_use]
    pub fn new(broadcaster: &Broadcaster) -> Self {
        Self {
            broadcaster: broadcaster.clone(),
            single_flight: Arc::default(),
        }
    }

    /// The broadcaster that carries the changes.
    #[must_use]
    pub fn broadcaster(&self) -> &Broadcaster {
        &self.broadcaster
    }

    /// Longest document, in bytes of compact JSON.
    #[must_use]
    pub fn max_document_bytes(&self) -> usize {
        document::max_bytes(self.broadcaster.options().max_event_bytes)
    }

    /// The document as compact JSON, and its version.
    ///
    /// # Errors
    /// History cannot be reached.
    pub async fn text(&self, name: &SignalName) -> Result<Option<(Bytes, EventId)>, SignalError> {
        let mut retained = self.broadcaster.retained(&[name.topic()]).await?;
        Ok(retained.values.pop().flatten())
    }

    /// The names of the signals there are, in the order of their bytes, each with its version.
    ///
    /// # Errors
    /// History cannot be reached.
    pub async fn names(&self, range: NameRange<'_>) -> Result<Names, SignalError> {
        let topic = |name: &str| format!("{SIGNAL_TOPICS}{name}");
        let (prefix, after) = (topic(range.prefix), topic(range.after));
        let range = range.prefix(&prefix).after(&after);
        let mut names = self.broadcaster.retained_keys(range).await?;
        for (name, _) in &mut names.found {
            name.drain(..SIGNAL_TOPICS.len());
        }
        Ok(names)
    }

    /// The document, and its version.
    ///
    /// # Errors
    /// History cannot be reached.
    pub async fn get(&self, name: &SignalName) -> Result<Option<Document>, SignalError> {
        let text = self.text(name).await?;
        text.map(|(text, version)| {
            let value = document::read(&text)?;
            Ok(Document { value, version })
        })
        .transpose()
    }

    /// Makes this the document.
    ///
    /// # Errors
    /// See [`SignalError`].
    pub async fn set(
        &self,
        name: &SignalName,
        condition: &Condition,
        value: Value,
    ) -> Result<Written, SignalError> {
        self.write(name, condition, |_| Ok(Some(value.clone())))
            .await
    }

    /// Changes the document that there is.
    ///
    /// # Errors
    /// See [`SignalError`]; [`Missing`](SignalError::Missing) where there is none.
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

    /// Removes the document.
    ///
    /// # Errors
    /// See [`SignalError`]; [`Missing`](SignalError::Missing) where there is none.
    pub async fn remove(
        &self,
        name: &SignalName,
        condition: &Condition,
    ) -> Result<Written, SignalError> {
        let change = |old: Option<&Value>| old.map_or(Err(SignalError::Missing), |_| Ok(None));
        self.write(name, condition, change).await
    }

    /// Changes the document by what `change` makes of it; `None` is no document. It may be called more
    /// than once: once more for each write of another program that was faster, with what that wrote.
    ///
    /// # Errors
    /// Those of `change`, and see [`SignalError`].
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
                    // Not in step with the others.
                    tokio::time::sleep(backoff.mul_f32(fastrand::f32())).await;
                    backoff = (backoff * 2).min(MAX_BACKOFF);
                }
                Err(why) => return Err(why.into()),
            }
        }
    }
}
