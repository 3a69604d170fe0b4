use std::time::Instant;

use super::{Broadcaster, PublishError, observer::Append, replay::origin::find_event, size::Size};
use crate::{
    event::{Event, EventId, IdempotencyKey, Topic, Traceparent},
    history::{AppendError, Appended, Batch, ReservationGuard},
};

/// A batch is at most this part of the window.
const BATCH_SHARE: usize = 4;

impl Broadcaster {
    /// Publishes a batch in one step: all of it or nothing. Returns when it is in history; it is
    /// delivered also when this future is dropped after that. The last event of each topic of which
    /// [a rule](super::Options::topic_rules) keeps it is retained in the same step.
    ///
    /// # Errors
    /// See [`PublishError`]. While the server lags it waits, at most `publish_wait`.
    pub async fn publish(&self, batch: impl Into<Batch>) -> Result<Appended, PublishError> {
        let called = Instant::now();
        let mut batch = batch.into();
        let size = self.size_of(&batch)?;
        let inner = &*self.inner;
        let reserved = self.reserve(size).await?;
        inner.options.topic_rules.retain_latest(&mut batch);
        let keyed = if inner.positions.are_hidden() {
            keyed(&batch)
        } else {
            Vec::new()
        };
        let head = inner.window.head().id;
        let traceparent = batch.traceparent.as_deref().copied();
        let events = batch.events.len();
        let started = Instant::now();
        let appended = inner
            .history
            .append(batch, reserved)
            .await
            .map_err(PublishError::from);
        if let Some(traceparent) = traceparent {
            self.report_append(&traceparent, started, events, &appended);
        }
        let appended = appended?;
        self.check_repeats(&keyed, &appended.ids, head).await?;
        inner.stats.published.add(appended.ids.len() as u64);
        inner.stats.publish_latency.observe(called.elapsed());
        Ok(appended)
    }

    /// Room in the window for what is about to be appended. While the server lags it waits, at most `publish_wait`.
    pub(super) async fn reserve(&self, size: Size) -> Result<ReservationGuard, PublishError> {
        let wait = self.inner.options.publish_wait;
        let reservation = self.inner.quota.reserve(size, wait).await;
        let reservation = reservation.ok_or(PublishError::Overloaded)?;
        // Checked behind the reservation, which a drain waits for.
        if self.is_draining() {
            return Err(PublishError::Draining);
        }
        Ok(ReservationGuard::new(reservation))
    }

    fn report_append(
        &self,
        traceparent: &Traceparent,
        started: Instant,
        events: usize,
        appended: &Result<Appended, PublishError>,
    ) {
        if let Some(observer) = &self.inner.options.observer {
            observer.appended(&Append {
                traceparent,
                started,
                events,
                result: appended.as_ref().map_err(Clone::clone),
            });
        }
    }

    /// Keys are common to all publishers. Where not all may read everything, one that used the key of another's event must
    /// neither learn its id nor take it for its own.
    async fn check_repeats(
        &self,
        keyed: &[Keyed],
        ids: &[EventId],
        head: EventId,
    ) -> Result<(), PublishError> {
        for event in keyed {
            let Some(id) = ids.get(event.index).filter(|id| **id <= head) else {
                continue;
            };
            let Ok(Some(first)) = find_event(&*self.inner.history, *id).await else {
                continue;
            };
            let first = first.event();
            if first.topics() != &*event.topics || first.is_private() != event.private {
                let key = event.key.as_str().to_owned();
                return Err(PublishError::KeyReused { key });
            }
        }
        Ok(())
    }

    /// Publishes one event, and returns its id: that of the first publish where the event repeats one by its
    /// idempotency key.
    ///
    /// ```
    /// # use sse_broadcaster::{Broadcaster, Event, Memory, Options, history::Retention};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
    /// let event = Event::builder("hello").topic("news").idempotency_key("greeting").build()?;
    /// let id = broadcaster.publish_one(event.clone()).await?;
    /// assert_eq!(broadcaster.publish_one(event).await?, id);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub async fn publish_one(&self, event: Event) -> Result<EventId, PublishError> {
        let appended = self.publish(event).await?;
        let id = appended.ids.first().copied();
        id.ok_or(PublishError::Conflict(AppendError::NoEvents))
    }

    /// The same as [`publish`](Self::publish), from a thread that may wait: one that is not async, or that of
    /// `tokio::task::spawn_blocking`.
    ///
    /// # Errors
    /// As [`publish`](Self::publish), and [`PublishError::WouldBlock`] in an async context.
    pub fn publish_blocking(&self, batch: impl Into<Batch>) -> Result<Appended, PublishError> {
        let published = self.block_on(self.publish(batch));
        published.unwrap_or(Err(PublishError::WouldBlock))
    }

    /// Most events that are taken in one batch.
    #[must_use]
    pub fn max_batch_events(&self) -> usize {
        self.inner.window.retention().events / BATCH_SHARE
    }

    /// Most bytes of events, by [`Event::most_memory`], that are taken in one batch.
    #[must_use]
    pub fn max_batch_bytes(&self) -> usize {
        self.inner.window.retention().bytes / BATCH_SHARE
    }

    fn size_of(&self, batch: &Batch) -> Result<Size, PublishError> {
        let max = self.inner.options.max_event_bytes;
        let lengths = batch.events.iter().map(|event| event.data().len());
        if let Some(bytes) = lengths.max().filter(|bytes| *bytes > max) {
            return Err(PublishError::EventTooLarge { bytes, max });
        }
        let (max_events, max_bytes) = (self.max_batch_events(), self.max_batch_bytes());
        let bytes = batch.events.iter().map(Event::most_memory).sum::<usize>();
        if batch.events.len() > max_events || bytes > max_bytes {
            return Err(PublishError::BatchTooLarge {
                max_events,
                max_bytes,
            });
        }
        Ok(Size {
            events: batch.events.len() as u64,
            bytes: bytes as u64,
        })
    }
}

/// What is compared with the event that has the same key.
struct Keyed {
    index: usize,
    key: IdempotencyKey,
    topics: Box<[Topic]>,
    private: bool,
}

fn keyed(batch: &Batch) -> Vec<Keyed> {
    let events = batch.events.iter().enumerate();
    let keyed = events.filter_map(|(index, event)| {
        Some(Keyed {
            index,
            key: event.idempotency_key()?.clone(),
            topics: event.topics().into(),
            private: event.is_private(),
        })
    });
    keyed.collect()
}
