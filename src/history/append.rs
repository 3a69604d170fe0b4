//! What is appended in one step, and the ids that it gets.

use std::fmt;

use bytes::Bytes;

use crate::event::{Event, EventId, Traceparent};

/// What is appended in one step: events, and values to retain with them.
///
/// # Examples
/// ```
/// use sse_broadcaster::{
///     Broadcaster, Event, Memory, Options,
///     broadcaster::PublishError,
///     history::{Batch, Precondition, Retain, Retention},
/// };
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// let price = |data: &str| Event::builder(data).topic("price").build();
///
/// // Events alone are batches, too.
/// let appended = broadcaster.publish(vec![price("11")?, price("12")?]).await?;
/// assert_eq!(appended.ids.len(), 2);
///
/// // An event, and the value that it stands for, unless another publisher has written that value meanwhile.
/// let write = |data: &'static str, written_at| {
///     let batch = Batch::from(price(data)?)
///         .retain(Retain::new("price", Some(data.into())))
///         .precondition(Precondition::new("price", written_at));
///     Ok::<_, Box<dyn std::error::Error>>(batch)
/// };
/// let first = broadcaster.publish(write("13", None)?).await?;
/// let late = broadcaster.publish(write("14", None)?).await;
/// assert!(matches!(late, Err(PublishError::Conflict(_))));
/// broadcaster.publish(write("14", Some(first.ids[0]))?).await?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Batch {
    /// In the order in which they get their ids; at least one.
    pub events: Vec<Event>,
    /// Values to retain, each written at the position of the batch's last event, or of the one that it
    /// [belongs to](Retain::of_event).
    pub retain: Vec<Retain>,
    /// What has to hold, or nothing is written.
    pub preconditions: Vec<Precondition>,
    /// The span of the publish, which is passed to [`Options::observer`](crate::Options::observer). Histories ignore it.
    pub traceparent: Option<Box<Traceparent>>,
}

impl Batch {
    /// Adds a value to retain, or to remove. Of several for one key the last that is written counts.
    #[must_use]
    pub fn retain(mut self, retain: Retain) -> Self {
        self.retain.push(retain);
        self
    }

    /// Adds a condition without which nothing is written.
    #[must_use]
    pub fn precondition(mut self, precondition: Precondition) -> Self {
        self.preconditions.push(precondition);
        self
    }

    /// Sets the span that publishes.
    #[must_use]
    pub fn traceparent(mut self, traceparent: Traceparent) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }
}

impl From<Event> for Batch {
    fn from(event: Event) -> Self {
        vec![event].into()
    }
}

impl From<Vec<Event>> for Batch {
    fn from(events: Vec<Event>) -> Self {
        Self {
            events,
            ..Self::default()
        }
    }
}

/// What a publisher keeps reserved until its events are in the window.
#[derive(Default)]
pub struct ReservationGuard(Option<Box<dyn Send>>);

impl ReservationGuard {
    pub(crate) fn new(reserved: impl Send + 'static) -> Self {
        Self(Some(Box::new(reserved)))
    }
}

impl fmt::Debug for ReservationGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReservationGuard")
            .field(&self.0.is_some())
            .finish()
    }
}

/// A value to keep under a key, outside of the events' retention, or to remove.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Retain {
    /// Any text.
    pub key: String,
    /// `None` removes what is there.
    pub value: Option<Bytes>,
    /// The index of the event in its batch that this belongs to; `None`, the default, for the whole batch.
    pub of_event: Option<usize>,
}

impl Retain {
    /// Writes this value under the key; `None` removes what is there. It is written at the position of the batch's last
    /// event, if any event of the batch is appended.
    pub fn new(key: impl Into<String>, value: Option<Bytes>) -> Self {
        Self {
            key: key.into(),
            value,
            of_event: None,
        }
    }

    /// Has it belong to the event at this index of the batch: it is written at that event's position, and not at all
    /// where that event is a repeat, which is not appended again, or where the batch has no such event.
    ///
    /// ```
    /// use sse_broadcaster::{Event, history::{Batch, Retain}};
    ///
    /// let price = |data: &str| Event::builder(data).topic("price").idempotency_key(data).build();
    /// let batch = Batch::from(vec![price("11")?, price("12")?])
    ///     .retain(Retain::new("last price", Some("12".into())).of_event(1));
    /// assert_eq!(batch.retain[0].of_event, Some(1));
    /// # Ok::<_, sse_broadcaster::event::Invalid>(())
    /// ```
    #[must_use]
    pub fn of_event(mut self, index: usize) -> Self {
        self.of_event = Some(index);
        self
    }
}

/// The id at which a retained value must have been written.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Precondition {
    /// The key of the value.
    pub key: String,
    /// `None`: there must be no value.
    pub written_at: Option<EventId>,
}

impl Precondition {
    /// The value under the key must have been written at this id; `None`: there must be no value.
    pub fn new(key: impl Into<String>, written_at: Option<EventId>) -> Self {
        Self {
            key: key.into(),
            written_at,
        }
    }
}

/// The positions of a batch's events, in its order. An event whose idempotency key history still
/// holds has the position of its first publish, and was not appended again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// As many as the batch has events.
    pub ids: Vec<EventId>,
}
