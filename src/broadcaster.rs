//! Publish once, deliver to all. A [`Broadcaster`] owns one shard per worker thread, and each shard
//! holds its subscribers in a `parking_lot::Mutex<Vec<sse::Sender>>` (`broadcaster/shard.rs`, which
//! has the rules of that lock). Shards follow the history: an append rings their bells, their walks
//! tell the senders that match, and each sender's [`Subscription`] takes all that is due to it.
//!
//! # Falling behind
//! A subscriber is a cursor in the log. One that reads slowly reads on from history and costs nobody
//! anything. A *server* that is behind makes its publishers wait, and never cuts a subscriber.

mod blocking;
mod buffers;
mod encoded_stream;
mod error;
mod history_reader;
mod index;
#[cfg(all(test, shuttle))]
mod interleavings;
mod item;
mod polls;
mod position;
mod publish_quota;
mod rate_limiter;
mod read_ahead;
mod reconnects;
mod shard;
mod single_flight;
mod size;
mod snapshot;
mod start;
mod stats;
mod subscription;
mod walk;
mod window_slice;

use std::{
    cell::RefCell,
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use tokio::{runtime::Handle, sync::Notify, time::timeout_at};

use crate::{
    event::{Event, EventId, Selector},
    history::{
        self, AppendError, Appended, Batch, Bounds, Follower, History, NameKind, NameRange, Names,
        ReservationGuard, RetainedAt, Unavailable, Window,
    },
};
use polls::Polls;
use publish_quota::PublishQuota;
use shard::{Attended, Shard};
use single_flight::ReplaySingleFlight;
use size::Size;

pub use buffers::ReplayBuffers;
pub use encoded_stream::{Disconnected, EncodedStream, MAX_PIECE_BYTES, Part};
pub use error::{PublishError, StartError, SubscribeError};
pub use history_reader::{HistoryReader, Missing};
pub use item::{Events, Item};
pub use snapshot::{Snapshot, Snapshots};
pub use start::Start;
pub use stats::{Ended, Stats};
pub use subscription::Subscription;

/// Fewest events that the window must have room for.
pub const MIN_WINDOW_EVENTS: usize = 16;
/// How many events of the largest size the window must have room for.
pub const MIN_WINDOW_LARGEST: usize = 8;
/// A batch is at most this part of the window.
const BATCH_SHARE: usize = 4;

/// How a broadcaster behaves. Durations of zero mean "at once" but for `ping_interval`, which has a
/// millisecond at least.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many threads serve subscribers; each gets a shard of its own. At least one.
    pub shards: usize,
    /// Longest time for which a stream is sent nothing.
    pub ping_interval: Duration,
    /// How long a publish waits for room while this server is behind.
    pub publish_wait: Duration,
    /// Longest data of one event, in bytes.
    pub max_event_bytes: usize,
    pub max_subscribers: usize,
    /// How fast one stream is given what is past, beyond its first megabyte; 0 is as fast as it
    /// takes it. What is live is not held back.
    pub replay_bytes_per_second: u64,
    /// Most bytes that are held in all of what was read of the past for streams, until their clients
    /// have taken it. Reads wait while there is no room.
    pub replay_buffer_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shards: std::thread::available_parallelism().map_or(2, Into::into),
            ping_interval: Duration::from_secs(4),
            publish_wait: Duration::from_secs(5),
            max_event_bytes: 1 << 20,
            max_subscribers: usize::MAX,
            replay_bytes_per_second: 20_000_000,
            replay_buffer_bytes: 64 << 20,
        }
    }
}

/// See the module. A handle: clones are the same broadcaster, which ends with the last of them and
/// of its subscriptions.
#[derive(Clone)]
pub struct Broadcaster {
    inner: Arc<Inner>,
}

struct Inner {
    history: Arc<dyn History>,
    window: Arc<Window>,
    shards: Arc<[Arc<Shard>]>,
    /// Threads that were given a shard so far.
    threads: AtomicUsize,
    quota: Arc<PublishQuota>,
    replays: ReplaySingleFlight,
    buffers: Arc<ReplayBuffers>,
    stats: Arc<Stats>,
    options: Options,
    subscribers: AtomicUsize,
    left: Notify,
    draining: AtomicBool,
    runtime: Handle,
}

thread_local! {
    /// Which shard of which broadcaster this thread's subscribers belong to.
    static SHARDS: RefCell<Vec<(std::sync::Weak<Inner>, usize)>> = const { RefCell::new(Vec::new()) };
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
        let least_bytes = MIN_WINDOW_LARGEST * Event::largest_memory(options.max_event_bytes);
        let retention = window.retention();
        if retention.events < MIN_WINDOW_EVENTS || retention.bytes < least_bytes {
            return Err(StartError::WindowTooSmall {
                least_events: MIN_WINDOW_EVENTS,
                least_bytes,
            });
        }
        let stats = Arc::new(Stats::default());
        let new_shard = |_| Arc::new(Shard::new(&window, Arc::clone(&stats)));
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
            quota,
            history,
            window,
            shards,
            threads: AtomicUsize::new(0),
            replays: ReplaySingleFlight::default(),
            buffers: ReplayBuffers::new(
                options.replay_buffer_bytes,
                options.max_event_bytes,
                &runtime,
            ),
            stats,
            subscribers: AtomicUsize::new(0),
            left: Notify::new(),
            draining: AtomicBool::new(false),
            runtime,
            options,
        });
        inner.runtime.spawn(ping(
            Arc::downgrade(&inner),
            Polls::new(inner.options.ping_interval),
        ));
        Ok(Self { inner })
    }

    /// Publishes a batch in one step: all of it or nothing. Answers when it is in history; it is
    /// delivered also when this future is dropped after that.
    ///
    /// # Errors
    /// See [`PublishError`]. While the server is behind it waits, at most `publish_wait`.
    pub async fn publish(&self, batch: impl Into<Batch>) -> Result<Appended, PublishError> {
        let called = Instant::now();
        let batch = batch.into();
        let size = self.size_of(&batch)?;
        let inner = &*self.inner;
        let reservation = inner.quota.reserve(size, inner.options.publish_wait).await;
        let reservation = reservation.ok_or(PublishError::Overloaded)?;
        // Asked behind the reservation, which a drain waits for.
        if self.is_draining() {
            return Err(PublishError::Draining);
        }
        let appended = inner
            .history
            .append(batch, ReservationGuard::new(reservation))
            .await?;
        inner.stats.published.add(appended.ids.len() as u64);
        inner.stats.publish_latency.observe(called.elapsed());
        Ok(appended)
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

    /// What becomes of the future; `None` in an async context, where it must not be waited for.
    pub fn block_on<F: Future>(&self, future: F) -> Option<F::Output> {
        blocking::may_block().then(|| self.inner.runtime.block_on(future))
    }

    /// What streams hold of the past.
    #[must_use]
    pub fn replay_buffers(&self) -> &Arc<ReplayBuffers> {
        &self.inner.buffers
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

    /// A stream for one subscriber, served by this thread's shard.
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
        let shard = Arc::clone(self.shard_of_this_thread());
        if !shard.is_attended() {
            let runtime = Handle::try_current().map_err(|_| SubscribeError::NoRuntime)?;
            runtime.spawn(self.attend());
        }
        let taken = self.inner.subscribers.fetch_add(1, Ordering::SeqCst);
        if taken >= self.inner.options.max_subscribers {
            self.inner.has_left();
            return Err(SubscribeError::Full);
        }
        let inner = Arc::clone(&self.inner);
        let mut subscription = Subscription::new(inner, shard, selector, start, state);
        // A publisher may have seen the first of a shard before its place, and waited for that.
        self.inner.quota.freed();
        // A drain that began meanwhile may have passed this one over.
        if self.is_draining() {
            subscription.ends_as(Ended::Refused);
            return Err(SubscribeError::Draining);
        }
        Ok(subscription)
    }

    /// The walks of this thread's shard, to be spawned on the thread that polls its subscriptions:
    /// there a wake costs least, and subscriptions are polled before the next walk. Subscribing
    /// spawns it where nobody did. It ends with the broadcaster.
    pub fn attend(&self) -> impl Future<Output = ()> + Send + 'static {
        let shard = Arc::clone(self.shard_of_this_thread());
        let inner = Arc::downgrade(&self.inner);
        let duty = shard.attend().map(|attended| Duty {
            _attended: attended,
            _freed: Freed(inner.clone()),
        });
        async move {
            let Some(_duty) = duty else { return };
            while let Some(inner) = inner.upgrade() {
                if shard.walk(&inner.window).await {
                    inner.quota.freed();
                    // Those that were woken first: what they take now, the next walk need not.
                    tokio::task::yield_now().await;
                } else {
                    drop(inner);
                    shard.bell.notified().await;
                }
            }
        }
    }

    fn shard_of_this_thread(&self) -> &Arc<Shard> {
        let inner = &self.inner;
        let index = SHARDS.with_borrow_mut(|known| {
            known.retain(|(broadcaster, _)| broadcaster.strong_count() > 0);
            let found = known
                .iter()
                .find(|(broadcaster, _)| std::ptr::eq(broadcaster.as_ptr(), Arc::as_ptr(inner)));
            if let Some((_, index)) = found {
                return *index;
            }
            let index = inner.threads.fetch_add(1, Ordering::Relaxed) % inner.shards.len();
            known.push((Arc::downgrade(inner), index));
            index
        });
        &inner.shards[index]
    }

    /// Ends every stream so that its client comes back: publishing ends, what was published is
    /// delivered, each stream is sent a reconnection time of its own, the more streams the more they
    /// differ but by no more than `within`, and is cut. Returns once all are gone, or after `within`, when the
    /// history is closed.
    ///
    /// Dropping the future takes nothing back: publishing stays ended, and streams that were asked to end do so
    /// with what is due to them. Those that were not asked yet stay open, nobody ends them after `within`, and the
    /// history is not closed. A further call goes on.
    pub async fn drain(&self, within: Duration) {
        let inner = &*self.inner;
        let deadline = Instant::now() + within;
        inner.draining.store(true, Ordering::SeqCst);
        while !inner.quota.is_free() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let streams = inner.subscribers.load(Ordering::SeqCst);
        for shard in inner.shards.iter() {
            shard.drain(|| reconnects::drained(streams, within), deadline);
        }
        let _ = timeout_at(deadline.into(), async {
            loop {
                let left = inner.left.notified();
                tokio::pin!(left);
                left.as_mut().enable();
                if inner.subscribers.load(Ordering::SeqCst) == 0 {
                    return;
                }
                left.await;
            }
        })
        .await;
        for shard in inner.shards.iter() {
            shard.wake_all();
        }
        inner.history.close().await;
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::SeqCst)
    }

    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.inner.stats
    }

    #[must_use]
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// What history holds now.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.inner.history.bounds()
    }

    /// Values that were retained, as of one position.
    ///
    /// # Errors
    /// History cannot be reached.
    pub async fn retained(&self, keys: &[&str]) -> Result<RetainedAt, Unavailable> {
        let mut retained = self.inner.history.retained(keys).await?;
        let found = retained.values.iter_mut().flatten();
        self.inner
            .buffers
            .hold_fetched(found.map(|(value, _)| value))?;
        Ok(retained)
    }

    /// The topics whose events history holds, but for those that begin with `$`, in the order of their
    /// bytes, each with the id of its newest event.
    ///
    /// # Errors
    /// History cannot be reached.
    pub async fn topics(&self, range: NameRange<'_>) -> Result<Names, Unavailable> {
        self.inner.history.names(NameKind::Topics, range).await
    }

    /// The keys of retained values, likewise, each with the id that its value was written at.
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

    /// Whether history can take a publish now, as far as it knows.
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

    /// A reconnection time for one that is sent away: not everybody comes back at once.
    #[must_use]
    pub fn spread_retry() -> Duration {
        reconnects::refused()
    }

    /// Counts one that was sent away at the door.
    pub fn count_refused(&self) {
        self.inner.stats.count_end(Ended::Refused);
    }
}

struct Following {
    shards: Arc<[Arc<Shard>]>,
    quota: std::sync::Weak<PublishQuota>,
}

impl Follower for Following {
    fn pushed(&self) {
        for shard in self.shards.iter().filter(|shard| shard.is_occupied()) {
            shard.bell.notify_one();
        }
    }

    fn room(&self, events: u64, bytes: u64) -> BoxFuture<'_, ()> {
        let quota = self.quota.upgrade();
        Box::pin(async move {
            if let Some(quota) = quota {
                quota.wait_for(Size { events, bytes }).await;
            }
        })
    }
}

/// What walks a shard. Where it ends, nobody waits for that shard any more, and then publishers are
/// told: the fields are dropped in this order.
struct Duty {
    _attended: Attended,
    _freed: Freed,
}

struct Freed(std::sync::Weak<Inner>);

impl Drop for Freed {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.quota.freed();
        }
    }
}

impl Inner {
    fn has_left(&self) {
        if self.subscribers.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.left.notify_waiters();
        }
        // A shard that nobody is left on makes no publisher wait.
        self.quota.freed();
    }
}

impl fmt::Debug for Broadcaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcaster")
            .field("options", &self.inner.options)
            .field("stats", &self.inner.stats)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // For the walks to see that it is over.
        for shard in self.shards.iter() {
            shard.bell.notify_one();
        }
    }
}

/// Pings quiet streams and prunes those that are stale, until the broadcaster is gone.
async fn ping(broadcaster: std::sync::Weak<Inner>, polls: Polls) {
    let mut ticks = tokio::time::interval(polls.every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let Some(inner) = broadcaster.upgrade() else {
            return;
        };
        // Drops what has grown too old while nobody publishes.
        let _ = inner.history.bounds();
        inner.replays.forget(Instant::now());
        for shard in inner.shards.iter() {
            shard.prune_stale(Instant::now(), polls);
        }
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
