//! Publish once, deliver to all. A [`Broadcaster`] owns one shard per worker thread, and each shard
//! holds its subscribers in a `parking_lot::Mutex<Vec<sse::Sender>>` (`broadcaster/shard.rs`, which
//! has the rules of that lock). Shards follow the history: an append notifies them, their walks
//! wake the senders that match, and each sender's [`Subscription`] takes all that is due to it.
//!
//! # Falling behind
//! A subscriber is a cursor in the log. One that reads slowly reads on from history and costs nobody
//! anything. A *server* that lags makes its publishers wait, and never cuts a subscriber.

mod aliases;
mod blocking;
mod connections;
mod drain;
mod encoded_stream;
mod erase;
mod error;
mod follower;
mod history_reader;
mod inner;
#[cfg(all(test, shuttle))]
mod interleavings;
mod item;
mod join;
mod observer;
mod options;
mod peer;
mod ping;
mod polls;
mod publish;
mod publish_quota;
mod reconnects;
mod replay;
mod shard;
mod size;
mod snapshot;
mod start;
mod stats;
mod subscriber_count;
mod subscription;
mod thread_shards;
mod topic_figures;
mod topic_retention;
mod visible_positions;
mod walks;

use std::{
    future::Future,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use tokio::runtime::Handle;

use self::{
    follower::Following, inner::Inner, polls::Polls, publish_quota::PublishQuota,
    replay::ReplayReader, shard::Shard, subscriber_count::SubscriberCount,
    thread_shards::ThreadShards, visible_positions::VisiblePositions,
};
use crate::{
    event::{EventId, Selector},
    history::{self, Bounds, History, NameKind, NameRange, Names, RetainedAt, Unavailable},
    sse::Position,
};

pub use connections::{
    Connection, ConnectionFilter, ConnectionId, ConnectionPage, DisconnectWatch, Explanation,
    GapSent, HttpVersion, InvalidConnectionId, Outcome, Peer, Transport,
};
pub use encoded_stream::{Disconnected, EncodedStream, MAX_PIECE_BYTES, Part};
pub use error::{PublishError, StartError, SubscribeError};
pub use history_reader::{HistoryReader, Missing};
pub use item::{Events, Item};
pub use observer::{Append, Delivery, TraceObserver};
pub use options::{MIN_WINDOW_EVENTS, MIN_WINDOW_LARGEST, Options};
pub use replay::buffers::ReplayBuffers;
pub use snapshot::{Snapshot, Snapshots};
pub use start::Start;
pub use stats::{Ended, Stats};
pub use subscription::Subscription;
pub use topic_figures::{RecentEvents, SubscribersByTopic};

/// Publishes events, and has subscribers for them: see the [module](self). A handle: clones are the same
/// broadcaster, which ends with the last of them and of its subscriptions.
///
/// ```
/// use futures_util::StreamExt as _;
/// use sse_broadcaster::{
///     Broadcaster, Event, Memory, Options, Selector, Start, encoding::Sse, history::Retention,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
///
/// // The body of a response to an `EventSource`.
/// let subscription = broadcaster.subscribe(Selector::topics(&["news"])?, Start::Live)?;
/// let mut body = subscription.encoded(&Sse);
/// assert!(body.next().await.unwrap()?.starts_with(b"retry: "));
///
/// broadcaster.publish_one(Event::builder("hello").topic("news").build()?).await?;
/// let sent = body.next().await.unwrap()?;
/// assert!(sent.starts_with(b"data: hello\nid: "));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Broadcaster {
    inner: Arc<Inner>,
}

impl Broadcaster {
    /// Starts to follow `history`, and the ping task, on the current Tokio runtime.
    ///
    /// # Errors
    /// [`StartError::NoRuntime`] outside of a runtime; [`StartError::WindowTooSmall`] when the
    /// window holds fewer than [`MIN_WINDOW_EVENTS`], or [`MIN_WINDOW_LARGEST`] of the largest;
    /// [`StartError::HistoryInUse`] where a broadcaster was started on it before.
    pub fn start(history: impl History, options: Options) -> Result<Self, StartError> {
        Self::on(Arc::new(history), options)
    }

    /// The same on a history that others hold as well.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn on(history: Arc<dyn History>, options: Options) -> Result<Self, StartError> {
        let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let window = history.tail();
        options.check_window(window.retention())?;
        let stats = Arc::new(Stats::default());
        let new_shard = |_| Arc::new(Shard::new(&window, Arc::clone(&stats), &options));
        let shards: Arc<[Arc<Shard>]> = (0..options.shards.max(1)).map(new_shard).collect();
        let quota = Arc::new(PublishQuota::new(Arc::clone(&window), Arc::clone(&shards)));
        let is_first = window.follow(Following {
            shards: Arc::clone(&shards),
            quota: Arc::downgrade(&quota),
        });
        if !is_first {
            return Err(StartError::HistoryInUse);
        }
        let inner = Arc::new(Inner {
            replays: ReplayReader::new(Arc::clone(&history), &options, &runtime),
            positions: VisiblePositions::new(Arc::clone(&window), options.position_cipher.clone()),
            history,
            window,
            shards: ThreadShards::new(shards),
            quota,
            alias_search: tokio::sync::Semaphore::new(1),
            subscribers: SubscriberCount::new(options.max_subscribers),
            stats,
            options,
            runtime,
            draining: AtomicBool::new(false),
        });
        let polls = Polls::new(inner.options.ping_interval);
        inner
            .runtime
            .spawn(ping::ping(Arc::downgrade(&inner), polls));
        let rules = &inner.options.topic_rules;
        if rules.have_limits() {
            let keeping = topic_retention::keep(Arc::downgrade(&inner), rules.clone());
            inner.runtime.spawn(keeping);
        }
        Ok(Self { inner })
    }

    /// How many subscribers there may be at once.
    #[must_use]
    pub fn max_subscribers(&self) -> usize {
        self.inner.subscribers.max()
    }

    /// Changes how many subscribers there may be at once, which [`Options::max_subscribers`] began with. Those that
    /// are there stay, also beyond the new number.
    ///
    /// ```
    /// # use sse_broadcaster::{Broadcaster, Memory, Options, broadcaster::Start, event::Selector, history::Retention};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let options = Options::default().max_subscribers(0);
    /// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), options)?;
    /// assert!(broadcaster.subscribe(Selector::all(), Start::Live).is_err());
    /// broadcaster.set_max_subscribers(1);
    /// assert!(broadcaster.subscribe(Selector::all(), Start::Live).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_max_subscribers(&self, max: usize) {
        self.inner.subscribers.set_max(max);
    }

    /// Whether a stream from this start would have nothing: all of its topics are finished
    /// ([`EventBuilder::finish`](crate::event::EventBuilder::finish)), and the client has what finished the last of them.
    /// False for streams of more than named topics, and where that event is not among the newest in memory.
    ///
    /// ```
    /// # use sse_broadcaster::{Broadcaster, Event, Memory, Options, broadcaster::Start, event::Selector, history::Retention};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
    /// let finish = Event::builder("").topic("job/17").finish().build()?;
    /// let finished = broadcaster.publish(finish).await?.ids[0];
    /// let job = Selector::topics(&["job/17"])?;
    /// assert!(broadcaster.is_finished(&job, &Start::After(finished.to_string())));
    /// assert!(!broadcaster.is_finished(&job, &Start::Live), "it is sent what finished the topic");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_finished(&self, selector: &Selector, start: &Start) -> bool {
        let Start::After(_) = start else { return false };
        let finished_at = self.inner.window.finished_at(selector);
        finished_at.is_some_and(|at| {
            let client_is_at = self.inner.positions.id_before(start);
            (at..=self.inner.window.head().id).contains(&client_is_at)
        })
    }

    /// A stream for one subscriber, served by this thread's shard. A live stream of topics that are all finished
    /// begins with the event that finished the last of them, and ends.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub fn subscribe(
        &self,
        selector: Selector,
        start: Start,
    ) -> Result<Subscription, SubscribeError> {
        self.open(selector, start, None)
    }

    /// A stream that begins with the state, resumed or not, and is sent it again behind every gap;
    /// what comes after the state's position follows.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub fn subscribe_to_state(
        &self,
        selector: Selector,
        state: Arc<dyn Snapshots>,
    ) -> Result<Subscription, SubscribeError> {
        self.open(selector, Start::Live, Some(state))
    }

    fn open(
        &self,
        selector: Selector,
        start: Start,
        state: Option<Arc<dyn Snapshots>>,
    ) -> Result<Subscription, SubscribeError> {
        if self.is_draining() {
            return Err(SubscribeError::Draining);
        }
        let shard = Arc::clone(self.inner.shards.of_this_thread());
        if !shard.is_attended() {
            let runtime = Handle::try_current().map_err(|_| SubscribeError::NoRuntime)?;
            runtime.spawn(self.attend());
        }
        if !self.inner.subscribers.join() {
            return Err(SubscribeError::Full);
        }
        let inner = Arc::clone(&self.inner);
        let start = match start {
            Start::Live if state.is_none() && inner.window.finished_at(&selector).is_some() => {
                Start::Last(1)
            }
            start => start,
        };
        let mut subscription = Subscription::new(inner, shard, selector, start, state);
        // A publisher may have seen that the shard has a subscriber before it moved its position there, and waited.
        self.inner.quota.freed();
        // A drain that began meanwhile may have passed over this one.
        if self.is_draining() {
            subscription.ends_as(Ended::Refused);
            return Err(SubscribeError::Draining);
        }
        Ok(subscription)
    }

    /// Runs the future to its end; `None` in an async context, which must not wait for it.
    pub fn block_on<F: Future>(&self, future: F) -> Option<F::Output> {
        blocking::may_block().then(|| self.inner.runtime.block_on(future))
    }

    /// What streams hold of history.
    #[must_use]
    pub fn replay_buffers(&self) -> &Arc<ReplayBuffers> {
        self.inner.replays.buffers()
    }

    /// What this broadcaster has counted since its start.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.inner.stats
    }

    /// The options that it was started with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// What history holds now.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.inner.history.bounds()
    }

    /// This position as a client of this selector may see it: encrypted by [`Options::position_cipher`] where it is
    /// the id of an event that the client may not read.
    #[must_use]
    pub fn shown_position(&self, id: EventId, selector: &Selector) -> Position {
        let positions = &self.inner.positions;
        positions.shown(id, selector, positions.salt())
    }

    /// The value under each of these keys and the id that it was written at, in their order, as of one position.
    /// Dropping the future has no effect.
    ///
    /// # Errors
    /// History cannot be reached, or there is no room for the values in [`Options::replay_buffer_bytes`].
    pub async fn retained(&self, keys: &[&str]) -> Result<RetainedAt, Unavailable> {
        let mut retained = self.inner.history.retained(keys).await?;
        let found = retained.values.iter_mut().flatten();
        self.replay_buffers()
            .hold_fetched(found.map(|(value, _)| value))?;
        Ok(retained)
    }

    /// The topics whose events history holds, but for those that begin with `$`, in the order of their
    /// bytes, each with the id of its newest event. Dropping the future has no effect.
    ///
    /// # Errors
    /// History cannot be reached.
    pub async fn topics(&self, range: NameRange<'_>) -> Result<Names, Unavailable> {
        self.inner.history.names(NameKind::Topics, range).await
    }

    /// The keys of retained values, in the order of their bytes, each with the id that its value was written at.
    /// Dropping the future has no effect.
    ///
    /// # Errors
    /// History cannot be reached.
    pub async fn retained_keys(&self, range: NameRange<'_>) -> Result<Names, Unavailable> {
        let history = &self.inner.history;
        history.names(NameKind::RetainedKeys, range).await
    }

    /// What history counts about itself.
    #[must_use]
    pub fn history_stats(&self) -> &history::Stats {
        self.inner.history.stats()
    }

    /// Whether history can take a publish now, as of its last contact with what it is kept in.
    ///
    /// # Errors
    /// Why not.
    pub fn history_health(&self) -> Result<(), Unavailable> {
        self.inner.history.health()
    }

    /// How many events the slowest shard has not walked yet.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.inner.quota.lag().events
    }

    /// A reconnection time for a client that is refused: not all come back at once.
    #[must_use]
    pub fn spread_retry() -> Duration {
        reconnects::refused()
    }

    /// Counts a client that was refused before it subscribed.
    pub fn count_refused(&self) {
        self.inner.stats.count_end(Ended::Refused);
    }
}

/// What crosses threads.
const _: () = {
    const fn is_send<T: Send>() {}
    const fn is_sync<T: Sync>() {}
    is_send::<Broadcaster>();
    is_sync::<Broadcaster>();
    is_send::<Subscription>();
    is_send::<EncodedStream>();
    is_send::<Item>();
};
