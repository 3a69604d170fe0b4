//! The log of events: the trait of every history, and the history in memory.
//!
//! With one node or ten, live delivery comes from [`History::tail`] and replay from [`History::read`], so the order
//! is the same everywhere.
//!
//! # Loss
//! A read from before the trim floor sets [`Chunk::gap`], and goes on at the oldest event: no loss is silent.
//!
//! # Compatibility
//! What a history is given can gain fields and variants ([`Batch`], [`Limit`], [`NameRange`], [`NameKind`]), but for
//! [`From`], which each history has to know whole. What it returns is built by it, field by field ([`Chunk`],
//! [`Bounds`], [`Names`], [`RetainedAt`], [`Appended`]).

mod append;
pub(crate) mod backoff;
mod bounds;
mod erasure;
mod error;
pub(crate) mod ids;
mod memory;
mod names;
mod position;
mod read;
pub(crate) mod reservations;
pub(crate) mod retained;
mod retention;
mod stats;
mod sync_policy;
pub(crate) mod times;
pub(crate) mod topic_rules;
mod window;

use std::sync::{Arc, LazyLock};

use futures_util::future::{BoxFuture, FutureExt, ready};

use crate::event::Selector;

pub use append::{Appended, Batch, Precondition, ReservationGuard, Retain};
pub use bounds::Bounds;
pub use erasure::{EraseScope, Erased, Erasure, MAX_ERASED_AT_ONCE};
pub use error::{AppendError, Unavailable};
pub use memory::Memory;
pub use names::{NameKind, NameRange, Names};
pub use position::LogPosition;
pub use read::{Chunk, Found, From, Limit};
pub use retained::{MAX_RETAINED_BYTES, MAX_RETAINED_VALUES, RetainedAt};
pub use retention::Retention;
pub use stats::Stats;
pub use sync_policy::{InvalidSyncPolicy, SyncPolicy};
pub use topic_rules::{
    MAX_LATEST_TOPIC_BYTES, MAX_TOPIC_RULES, TooManyTopicRules, TopicRule, TopicRules, latest_key,
};
pub use window::Window;
pub(crate) use window::{Follower, Tail};

/// A log of events. Implementations know nothing of subscribers: live delivery comes from the window that
/// [`tail`](Self::tail) returns, replay from [`read`](Self::read).
///
/// Six methods have to be written; the others are for a history that can be unreachable, counts something, or
/// has something to close.
///
/// # Cancellation
/// Dropping a future that reads has no effect. Dropping the future of [`append`](Self::append) does not undo an
/// append that has begun.
///
/// # Examples
/// A history of one's own, which keeps what fits into the window, and no values:
/// ```
/// use std::{sync::{Arc, Mutex}, time::{SystemTime, UNIX_EPOCH}};
///
/// use futures_util::future::{BoxFuture, FutureExt, ready};
/// use sse_broadcaster::{
///     Broadcaster, Event, EventId, Options, Selector, event::Stored,
///     history::{
///         AppendError, Appended, Batch, Bounds, Chunk, From, History, Limit, NameKind, NameRange, Names,
///         ReservationGuard, RetainedAt, Retention, Unavailable, Window,
///     },
/// };
///
/// struct Newest {
///     window: Arc<Window>,
///     /// Held while the window takes events, so that they come in the order of their ids.
///     last: Mutex<EventId>,
/// }
///
/// impl Newest {
///     fn new() -> Self {
///         let last = EventId::new(0, 0);
///         // Another log has another epoch, so that its ids are not taken for ids of this one.
///         let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
///         let window = Arc::new(Window::new(Retention::default(), epoch, last));
///         Self { window, last: Mutex::new(last) }
///     }
/// }
///
/// impl History for Newest {
///     fn append(
///         &self,
///         batch: Batch,
///         reserved: ReservationGuard,
///     ) -> BoxFuture<'_, Result<Appended, AppendError>> {
///         if !batch.retain.is_empty() || !batch.preconditions.is_empty() {
///             return ready(Err(AppendError::RetainedFull)).boxed();
///         }
///         let mut last = self.last.lock().unwrap();
///         let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
///         let (mut stored, mut ids) = (Vec::new(), Vec::new());
///         for event in batch.events {
///             *last = EventId::new(now.max(last.ms()), last.seq() + 1);
///             ids.push(*last);
///             stored.push(Arc::new(Stored::new(*last, now, event)));
///         }
///         self.window.push(stored);
///         drop(reserved);
///         ready(Ok(Appended { ids })).boxed()
///     }
///
///     fn read<'a>(
///         &'a self,
///         from: From<'a>,
///         selector: &'a Selector,
///         limit: Limit,
///     ) -> BoxFuture<'a, Result<Chunk, Unavailable>> {
///         ready(Ok(self.window.read(from, selector, limit))).boxed()
///     }
///
///     fn tail(&self) -> Arc<Window> {
///         Arc::clone(&self.window)
///     }
///
///     fn retained<'a>(
///         &'a self,
///         keys: &'a [&'a str],
///     ) -> BoxFuture<'a, Result<RetainedAt, Unavailable>> {
///         let head = self.window.bounds().head;
///         ready(Ok(RetainedAt { head, values: vec![None; keys.len()] })).boxed()
///     }
///
///     fn names<'a>(
///         &'a self,
///         kind: NameKind,
///         range: NameRange<'a>,
///     ) -> BoxFuture<'a, Result<Names, Unavailable>> {
///         ready(Ok(match kind {
///             NameKind::Topics => self.window.topics(range),
///             _ => Names::default(),
///         }))
///         .boxed()
///     }
///
///     fn bounds(&self) -> Bounds {
///         self.window.bounds()
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let broadcaster = Broadcaster::start(Newest::new(), Options::default())?;
/// let appended = broadcaster.publish(Event::builder("hello").build()?).await?;
/// assert_eq!(appended.ids[0], broadcaster.bounds().head);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub trait History: Send + Sync + 'static {
    /// Appends the whole batch in one atomic step, or nothing of it, and returns once it is as durable as was
    /// promised. An event whose idempotency key the log still holds is not appended again: its id is that of the
    /// first. `reserved` is to be dropped once the events are in the window, or certain never to be.
    ///
    /// # Errors
    /// [`AppendError::OutcomeUnknown`] where the batch may have been kept; with any other error nothing of it was.
    fn append(
        &self,
        batch: Batch,
        reserved: ReservationGuard,
    ) -> BoxFuture<'_, Result<Appended, AppendError>>;

    /// The events after a position that `selector` admits, in the order of their ids: at most `limit`, and at
    /// least one if there is one, without those that were erased ([`Chunk::erased`]). [`Chunk::read_to`] is the position up to which there are no others; it may be
    /// one that has no event.
    ///
    /// # Errors
    /// [`Unavailable`] where the log cannot be read now. Lost events are no error, but a [`Chunk::gap`].
    fn read<'a>(
        &'a self,
        from: From<'a>,
        selector: &'a Selector,
        limit: Limit,
    ) -> BoxFuture<'a, Result<Chunk, Unavailable>>;

    /// The window into which everything that is appended is pushed, by this node or another, in the order of the
    /// ids, once it is as durable as was promised. Always the same one.
    fn tail(&self) -> Arc<Window>;

    /// For each key its value and the id that it was written at, all of them as of one head.
    ///
    /// # Errors
    /// [`Unavailable`] where the log cannot be read now.
    fn retained<'a>(
        &'a self,
        keys: &'a [&'a str],
    ) -> BoxFuture<'a, Result<RetainedAt, Unavailable>>;

    /// One page of the names in use, in the order of their bytes. Appends change them, so that two pages are not
    /// of one moment; a name that is in use all the while is in one of them.
    ///
    /// # Errors
    /// [`Unavailable`] where the log cannot be read now.
    fn names<'a>(
        &'a self,
        kind: NameKind,
        range: NameRange<'a>,
    ) -> BoxFuture<'a, Result<Names, Unavailable>>;

    /// Erases some events, the oldest first, before retention drops them: at most [`MAX_ERASED_AT_ONCE`], in one atomic
    /// step with the event that tells of it ([`Erasure::event`]), which names the last of them. Where there is
    /// nothing to erase, nothing is appended. What [is left](crate::Event::erased) of an erased event keeps its place and
    /// its id, so that a reader from before it finds a gap, and nobody else does; its idempotency key is forgotten.
    /// `reserved` is as for [`append`](Self::append). By default a history cannot erase.
    ///
    /// # Errors
    /// [`AppendError::OutcomeUnknown`] where they may have been erased; with any other error none was.
    fn erase(
        &self,
        erasure: Erasure,
        reserved: ReservationGuard,
    ) -> BoxFuture<'_, Result<Erased, AppendError>> {
        drop((erasure, reserved));
        let why =
            Unavailable::new("this history cannot erase events before its retention drops them");
        ready(Err(AppendError::Unavailable(why))).boxed()
    }

    /// What the log holds now, as far as this node knows.
    fn bounds(&self) -> Bounds;

    /// What this history counts about itself; nothing by default.
    fn stats(&self) -> &Stats {
        static NOTHING: LazyLock<Stats> = LazyLock::new(Stats::default);
        &NOTHING
    }

    /// Whether the history can append now, as far as it knows; yes by default.
    ///
    /// # Errors
    /// The reason why it cannot.
    fn health(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    /// Waits until everything is as durable as it will be, and releases files and connections; appends fail from
    /// then on. Nothing by default. Dropping the future may leave them open until the history is dropped.
    fn close(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}
