//! The seam behind which the log of events lies: in memory, on disk, or in Redis.
//!
//! One node or ten, live delivery comes from [`History::tail`] and replay from [`History::read`], so
//! the order is the same everywhere.
//!
//! # Losing
//! What retention dropped is never passed over: a reader that stands before the trim floor is told
//! so by [`Chunk::gap`], and goes on at the oldest.

pub(crate) mod ids;
mod memory;
mod names;
pub(crate) mod retained;
mod sync_policy;
pub(crate) mod times;
mod window;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::event::Fields;
use crate::{
    event::{Event, EventId, Fetched, Selector, Stored},
    stats::{Count, Latency},
};

pub use memory::Memory;
pub use names::{NameKind, NameRange, Names};
pub use sync_policy::SyncPolicy;
pub use window::LogPosition;
pub(crate) use window::{Follower, Tail};
pub use window::{Retention, Window};

/// Most retained values, since nothing evicts them.
pub const MAX_RETAINED_VALUES: usize = 10_000;
/// Most bytes of retained keys and values in all.
pub const MAX_RETAINED_BYTES: usize = 64 << 20;

/// A log of events. Implementations know nothing of subscribers.
pub trait History: Send + Sync + 'static {
    /// Takes the whole batch in one atomic step, or nothing of it, and answers when it is as durable
    /// as was promised. Dropping the future does not undo what was begun. `hold` is dropped once the
    /// events are in the window, or sure never to come there.
    fn append(
        &self,
        batch: Batch,
        hold: ReservationGuard,
    ) -> BoxFuture<'_, Result<Appended, AppendError>>;

    /// The events after a place that `selector` admits, in order, at most `limit` of them (one at
    /// least, if there is one), and the position up to which was looked: it may skip ids.
    fn read<'a>(
        &'a self,
        from: From<'a>,
        selector: &'a Selector,
        limit: Limit,
    ) -> BoxFuture<'a, Result<Chunk, Unavailable>>;

    /// The window into which everything that was appended comes, in order, by this node or another,
    /// once it is as durable as was promised.
    fn tail(&self) -> Arc<Window>;

    /// Per key its value and the id it was written at, all read at one head.
    fn retained<'a>(
        &'a self,
        keys: &'a [&'a str],
    ) -> BoxFuture<'a, Result<RetainedAt, Unavailable>>;

    /// Names in use, one page of them. What is listed changes with every append, so that pages are not
    /// of one moment; a name that is there all the while is in one of them.
    fn names<'a>(
        &'a self,
        kind: NameKind,
        range: NameRange<'a>,
    ) -> BoxFuture<'a, Result<Names, Unavailable>>;

    /// What the log holds now.
    fn bounds(&self) -> Bounds;

    /// What this history counts about itself.
    fn stats(&self) -> &Stats;

    /// Whether it can take an append now, as far as it knows.
    ///
    /// # Errors
    /// Why not.
    fn health(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    /// Waits until everything is as durable as it will be, and lets go of files and connections.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// What is appended in one step.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub events: Vec<Event>,
    /// Values to retain, written at the position of the batch's last event.
    pub retain: Vec<Retain>,
    /// What must be so, or nothing is written.
    pub preconditions: Vec<Precondition>,
}

impl std::convert::From<Event> for Batch {
    fn from(event: Event) -> Self {
        vec![event].into()
    }
}

impl std::convert::From<Vec<Event>> for Batch {
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

/// What a history counts about itself; what it does not have stays zero.
#[derive(Debug, Default)]
pub struct Stats {
    /// From the beginning of a commit until it is as durable as was promised.
    pub commit_latency: Latency,
    pub commits: Count,
    /// Events that were written by these commits.
    pub committed: Count,
    /// Bytes of its files, or of the server that keeps it.
    pub size_bytes: Count,
    /// How often it was lost and is there again.
    pub reconnects: Count,
    /// Events that are known to be in the log and are not in the window yet.
    pub tail_lag: Count,
}

/// A value to keep under a key, outside of the events' retention; `None` removes it.
#[derive(Debug, Clone)]
pub struct Retain {
    pub key: String,
    pub value: Option<Bytes>,
}

/// The id at which a retained key must have been written; `None`: it must not be there.
#[derive(Debug, Clone)]
pub struct Precondition {
    pub key: String,
    pub written_at: Option<EventId>,
}

/// The positions of a batch's events, in its order. An event whose own id history still holds has
/// the position of its first publish, and was not stored again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    pub ids: Vec<EventId>,
}

/// Why nothing was appended, but for [`AppendError::OutcomeUnknown`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendError {
    /// A retained key was written at another id than expected.
    Conflict {
        key: String,
        written_at: Option<EventId>,
    },
    /// The retained values would outgrow [`MAX_RETAINED_VALUES`] or [`MAX_RETAINED_BYTES`].
    RetainedFull,
    /// A batch without events cannot retain anything.
    NoEvents,
    /// Nothing was kept.
    Unavailable(Unavailable),
    /// It may have been kept: the reply was lost, or a sync failed.
    OutcomeUnknown(Unavailable),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { key, .. } => write!(f, "the value {key} was changed by somebody else"),
            Self::RetainedFull => write!(
                f,
                "at most {MAX_RETAINED_VALUES} values of {MAX_RETAINED_BYTES} bytes in all are retained"
            ),
            Self::NoEvents => f.write_str("a value is retained together with an event only"),
            Self::Unavailable(why) | Self::OutcomeUnknown(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for AppendError {}

/// History cannot be reached; the text is for the operator's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable(pub String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "history is unavailable: {}", self.0)
    }
}

impl std::error::Error for Unavailable {}

/// Where a read begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From<'a> {
    /// After a position that this process was given by history; it may be one that was skipped.
    After(EventId),
    /// After what a client brought: a position or an own id. Not known means a gap.
    Brought(&'a str),
    /// At the first event that history took at or after this time, in milliseconds since the epoch.
    Since(u64),
    /// At the first event that history took at most so many milliseconds ago, by the log's own clock.
    Ago(u64),
    Earliest,
    /// At the last so many events that the selector admits.
    Last(usize),
}

impl From<'_> {
    /// The same by a clock that shows this time.
    #[must_use]
    pub fn by_clock(self, now_ms: u64) -> Self {
        match self {
            Self::Ago(ms) => Self::Since(now_ms.saturating_sub(ms)),
            from => from,
        }
    }
}

/// How much one read may take.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    pub events: usize,
    /// By [`Event::cost`].
    pub bytes: usize,
}

/// An event that a read found.
#[derive(Debug)]
pub enum Found {
    /// In memory, where others find it too.
    Shared(Arc<Stored>),
    /// Brought from somewhere else for this read alone.
    Fetched(Fetched),
}

impl Found {
    #[must_use]
    pub fn id(&self) -> EventId {
        match self {
            Self::Shared(stored) => stored.id(),
            Self::Fetched(fetched) => fetched.id(),
        }
    }

    /// Bytes that nobody but this read holds.
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Self::Shared(_) => 0,
            Self::Fetched(fetched) => fetched.packed_bytes(),
        }
    }

    /// As [`Stored::time_ms`].
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        match self {
            Self::Shared(stored) => stored.time_ms(),
            Self::Fetched(fetched) => fetched.time_ms(),
        }
    }

    pub fn fields(&self) -> Fields<'_> {
        match self {
            Self::Shared(stored) => stored.event().fields(),
            Self::Fetched(fetched) => fetched.fields(),
        }
    }

    /// About as many bytes as its text takes.
    pub fn text_bytes(&self) -> usize {
        match self {
            Self::Shared(stored) => stored.event().data().len(),
            Self::Fetched(fetched) => fetched.packed_bytes(),
        }
    }

    #[must_use]
    pub fn event(&self) -> &Event {
        match self {
            Self::Shared(stored) => stored.event(),
            Self::Fetched(fetched) => fetched.event(),
        }
    }
}

/// What one read found.
#[derive(Debug)]
pub struct Chunk {
    /// The log that was read.
    pub epoch: u64,
    /// The position after which was read.
    pub after: EventId,
    /// Something between what was asked and `after` is lost, or the place was never known.
    pub gap: bool,
    pub events: Vec<Found>,
    /// Every event up to here that the selector admits is in `events`.
    pub read_to: EventId,
    /// The oldest event of the log, of any topic.
    pub oldest: Option<EventId>,
}

/// Retained values as of one head.
#[derive(Debug, Clone)]
pub struct RetainedAt {
    pub head: EventId,
    /// In the order of the keys asked for.
    pub values: Vec<Option<(Bytes, EventId)>>,
}

/// What a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Which log it is.
    pub epoch: u64,
    /// The last id that retention dropped, or the log's birth id.
    pub trim_floor: EventId,
    pub oldest: Option<EventId>,
    /// The last id given, or the birth id.
    pub head: EventId,
    pub events: usize,
    /// By [`Event::cost`].
    pub bytes: usize,
}
