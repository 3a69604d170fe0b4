//! Reads of history that end, for clients that want what there is and no stream.

use std::{sync::Arc, time::Instant};

use super::{
    Broadcaster,
    inner::Inner,
    replay::{buffers::Lease, origin::Origin, rate_limiter::RateLimiter},
    start::Start,
    visible_positions::Salt,
};
use crate::{
    event::{EventId, Selector},
    history::{Chunk, Found, From, Limit, Unavailable},
    sse::Position,
};

/// Most that is read at once, but for one larger event: a client that stops reading pins no more.
const CHUNK: Limit = Limit {
    events: 256,
    bytes: 64 << 10,
};

/// How many times its text an event takes at most, encoded as well.
const ENCODED: usize = 7;

/// A bounded read of history, chunk by chunk: see [`Broadcaster::read_history`].
#[derive(Debug)]
pub struct HistoryReader {
    inner: Arc<Inner>,
    selector: Selector,
    epoch: u64,
    /// As of the first chunk: what is published while it reads is left to the next read.
    head: EventId,
    /// How far was looked: a position that a client need not be able to resume from.
    read_to: EventId,
    start: Start,
    /// The position where the read began.
    after: EventId,
    /// The event that was given last.
    last: Option<EventId>,
    salt: Salt,
    missing: Option<Missing>,
    /// It begins at a position of the client: what was erased behind that is missing.
    lacks_erased: bool,
    /// What was read and not given yet.
    events: Vec<Found>,
    remaining: usize,
    ended: bool,
    pace: RateLimiter,
    /// For what was read last, and for what its caller makes of it.
    lease: Option<Lease>,
}

/// What is missing before the first event of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// Where the read was to begin, as far as that can be named.
    pub requested: String,
    /// The oldest event of history, of any topic.
    pub oldest: Option<Position>,
}

impl Broadcaster {
    /// Reads at most `max_events` events, one at least, that `selector` admits, oldest first, from `start` up to
    /// history's head as of this call. [`Start::Live`] begins at that head and finds nothing.
    ///
    /// ```
    /// # use sse_broadcaster::{Broadcaster, Event, Memory, Options, Selector, Start, history::Retention};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
    /// for data in ["one", "two", "three"] {
    ///     broadcaster.publish(Event::builder(data).topic("news").build()?).await?;
    /// }
    /// let news = Selector::topics(&["news"])?;
    /// let mut reader = broadcaster.read_history(news, Start::Earliest, 100).await?;
    /// let mut read = Vec::new();
    /// while let Some(events) = reader.next().await? {
    ///     read.extend(events.iter().map(|found| found.event().data().to_owned()));
    /// }
    /// assert_eq!(read, ["one", "two", "three"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// History cannot be reached.
    pub async fn read_history(
        &self,
        selector: Selector,
        start: Start,
        max_events: usize,
    ) -> Result<HistoryReader, Unavailable> {
        let bounds = self.bounds();
        let mut reader = HistoryReader {
            inner: Arc::clone(&self.inner),
            selector,
            epoch: bounds.epoch,
            head: bounds.head,
            read_to: bounds.head,
            last: None,
            start,
            after: bounds.head,
            salt: self.inner.positions.salt(),
            missing: None,
            lacks_erased: false,
            events: Vec::new(),
            remaining: max_events.max(1),
            ended: false,
            pace: self.inner.replays.rate_limiter(),
            lease: None,
        };
        let origin = self.inner.positions.brought(reader.start.clone());
        let chunk = reader.read(Some(&origin)).await?;
        reader.lacks_erased = origin.is_position() && !chunk.gap;
        if chunk.epoch != bounds.epoch {
            reader.epoch = chunk.epoch;
            reader.head = chunk.read_to;
        }
        reader.after = chunk.after;
        reader.missing = chunk.gap.then(|| Missing {
            requested: reader.start.requested(),
            oldest: chunk.oldest.map(|id| reader.shown(id)),
        });
        reader.take(chunk);
        Ok(reader)
    }
}

impl HistoryReader {
    /// The next events, about 64 KiB of them or one larger event alone; `None` at the end. Where
    /// retention overtakes it, it ends before what is lost: a further read from
    /// [`position`](Self::position) begins with what is [missing](Self::missing). Dropping the future
    /// loses nothing.
    ///
    /// # Errors
    /// History cannot be reached; a later call tries again.
    pub async fn next(&mut self) -> Result<Option<Vec<Found>>, Unavailable> {
        while self.events.is_empty() && !self.ended {
            if let Some(until) = self.pace.wait(Instant::now()) {
                tokio::time::sleep_until(until.into()).await;
            }
            let chunk = self.read(None).await?;
            let lacks_erased = self.lacks_erased && chunk.erased.is_some();
            if chunk.gap || lacks_erased || chunk.epoch != self.epoch {
                self.ended = true;
            } else {
                self.take(chunk);
            }
        }
        let events = std::mem::take(&mut self.events);
        Ok((!events.is_empty()).then_some(events))
    }

    /// Reads on, or first from `origin`.
    async fn read(&mut self, origin: Option<&Origin>) -> Result<Chunk, Unavailable> {
        let limit = Limit {
            events: CHUNK.events.min(self.remaining),
            ..CHUNK
        };
        let (history, buffers) = (&self.inner.history, self.inner.replays.buffers());
        self.lease = None;
        let mut lease = buffers.lease(buffers.most_encoded(limit)).await?;
        let chunk = if let Some(origin) = origin {
            let live = From::After(self.head);
            origin.read(&**history, &self.selector, limit, live).await
        } else {
            let from = From::After(self.read_to);
            history.read(from, &self.selector, limit).await
        }?;
        let text = chunk.events.iter().map(Found::text_bytes);
        lease.shrink_to(ENCODED * text.sum::<usize>());
        self.lease = Some(lease);
        Ok(chunk)
    }

    /// Takes over the chunk's events as far as the head.
    fn take(&mut self, chunk: Chunk) {
        let mut events = chunk.events;
        let within = events.partition_point(|found| found.id() <= self.head);
        self.read_to = if within < events.len() {
            self.head
        } else {
            chunk.read_to
        };
        events.truncate(within);
        self.remaining = self.remaining.saturating_sub(events.len());
        self.ended = self.remaining == 0 || self.read_to >= self.head;
        if let Some(last) = events.last() {
            self.last = Some(last.id());
        }
        let bytes = events.iter().map(Found::text_bytes).sum();
        self.pace.spend(bytes, Instant::now());
        self.events = events;
    }

    /// What history no longer holds of what was asked for.
    #[must_use]
    pub fn missing(&self) -> Option<&Missing> {
        self.missing.as_ref()
    }

    /// History's head as of the call.
    #[must_use]
    pub fn head(&self) -> Position {
        self.shown(self.head)
    }

    fn shown(&self, id: EventId) -> Position {
        self.inner.positions.shown(id, &self.selector, self.salt)
    }

    /// The id behind which a further read goes on, once [`next`](Self::next) has given `None`.
    #[must_use]
    pub fn position(&self) -> Position {
        match self.last {
            _ if !self.has_more() => self.shown(self.head),
            Some(last) => Position::Id(last),
            None => {
                let positions = &self.inner.positions;
                positions.shown_start(self.after, &self.start, &self.selector, self.salt)
            }
        }
    }

    /// Whether history held more up to the head, of these topics or others, once [`next`](Self::next)
    /// has given `None`.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.read_to < self.head
    }
}
