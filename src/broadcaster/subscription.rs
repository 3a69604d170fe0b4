//! One subscriber's stream: a cursor in the log, and nothing else kept for it.

use std::{
    any::TypeId,
    fmt,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture, stream::Stream};

use super::{
    Broadcaster, Inner,
    buffers::Lease,
    encoded_stream::EncodedStream,
    index::SenderIndex,
    item::{Events, Item},
    rate_limiter::RateLimiter,
    read_ahead::{self, ReadAhead, Reading},
    reconnects,
    shard::{Next, Shard},
    single_flight::{Locating, Replay},
    snapshot::{Snapshot, Snapshots},
    start::Start,
    stats::Ended,
    window_slice::CHUNK,
};
use crate::{
    encoding::{self, Encoder},
    event::{EventId, Selector},
    history::{Chunk, Unavailable},
    sse::{Gap, MAX_HEARTBEAT, MIN_HEARTBEAT, Notice},
};

/// How many parts of its state one stream may be sent in a row before it is cut. More than any state has:
/// it changes faster than its client reads, or history loses its position again and again; and without
/// all of it, what follows would be changes of something that the client does not have.
const MAX_PARTS_IN_A_ROW: u16 = 1_000;

/// One subscriber: a stream of [`Item`]s, among them the events that it is due, which are shared and not copied.
///
/// ```
/// use futures_util::StreamExt as _;
/// use sse_broadcaster::{
///     Broadcaster, Event, Memory, Options, Selector, Start, broadcaster::Item, history::Retention,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// let mut subscription = broadcaster.subscribe(Selector::topics(&["news"])?, Start::Live)?;
/// let published = broadcaster.publish(Event::builder("hello").topic("news").build()?).await?;
///
/// while let Some(item) = subscription.next().await {
///     if let Item::Events(events) = item {
///         for found in &events {
///             assert_eq!(found.event().data(), "hello");
///             assert_eq!(found.id(), published.ids[0]);
///         }
///         break;
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Ending
/// It ends with `None` where its client is to come back: because the server drains, its grant is over, or history
/// is out of reach. The last item is then a [`Notice::Reconnect`], except where the grant is over. Dropping it
/// unsubscribes.
///
/// # Slow readers
/// While it is not polled nothing is kept for it; polled again it reads on from history. What history
/// has dropped by then is announced as a [`Notice::Gap`].
#[allow(clippy::struct_excessive_bools, reason = "each stands for itself")]
pub struct Subscription {
    broadcaster: Arc<Inner>,
    shard: Arc<Shard>,
    place: SenderIndex,
    selector: Arc<Selector>,
    /// Who encodes its items, where [`EncodedStream`] does.
    encoder: Option<TypeId>,
    /// The last id that the client was sent.
    last_sent: EventId,
    /// Where history was read to.
    read: EventId,
    stage: Stage,
    ended: Ended,
    /// History's head when the stream was opened.
    head: EventId,
    /// The stream is to be sent that it has come to `head`.
    announces_head: bool,
    settled: bool,
    /// What was yielded last is of the past, and may be held for this stream alone.
    is_past: bool,
    pace: RateLimiter,
    ahead: ReadAhead,
    /// What is sent whole at the beginning and behind every gap, where the stream is of that kind.
    state: Option<Arc<dyn Snapshots>>,
    /// Parts of it since events followed.
    parts: u16,
    connected: bool,
}

enum Stage {
    Opening(Start),
    /// The state is being looked up.
    Taking(BoxFuture<'static, Result<(Snapshot, Lease), Unavailable>>),
    /// It is being sent, or, without a position, a part of it.
    SendingState(Box<SendingState>),
    /// The response has begun; where its events begin is being looked up.
    Locating(Start, Locating),
    Open,
    /// Several items are due, one after the other.
    Sending(std::vec::IntoIter<Item>),
    /// Behind what the shard holds, further chunks of history are read.
    Replaying(Reading),
    Disconnected,
}

/// Boxed, since most streams never do.
struct SendingState {
    at: Option<EventId>,
    blocks: std::vec::IntoIter<Bytes>,
}

impl Subscription {
    pub(super) fn new(
        broadcaster: Arc<Inner>,
        shard: Arc<Shard>,
        selector: Selector,
        start: Start,
        state: Option<Arc<dyn Snapshots>>,
    ) -> Self {
        let selector = Arc::new(selector);
        let head = broadcaster.window.head().id;
        let live = start == Start::Live && state.is_none();
        let (place, last_sent) = shard.join(&broadcaster.window, &selector, live);
        Self {
            pace: RateLimiter::new(broadcaster.options.replay_bytes_per_second),
            broadcaster,
            shard,
            place,
            selector,
            encoder: None,
            last_sent,
            read: last_sent,
            stage: Stage::Opening(start),
            ended: Ended::Gone,
            head,
            announces_head: false,
            settled: false,
            is_past: false,
            ahead: ReadAhead::default(),
            state,
            parts: 0,
            connected: false,
        }
    }

    /// The same as the body of a response, written by this encoder.
    #[must_use]
    pub fn encoded(mut self, encoder: &'static dyn Encoder) -> EncodedStream {
        self.encoder = Some(encoding::id(encoder));
        EncodedStream::new(self, encoder)
    }

    /// History's head when the stream was opened: what a replay has to come to.
    #[must_use]
    pub fn head(&self) -> EventId {
        self.head
    }

    /// Has a replay end with a `position`, if no event had the id of [`head`](Self::head) or a later
    /// one, so that its client knows that it has everything up to there.
    pub fn tell_head(&mut self) {
        self.announces_head = true;
    }

    /// Has the stream carry an event `heartbeat` at the latest every so often, within
    /// [`MIN_HEARTBEAT`] and [`MAX_HEARTBEAT`], so that a page notices a connection that has died silently.
    pub fn send_heartbeat(&mut self, every: Duration) {
        let every = every.clamp(MIN_HEARTBEAT, MAX_HEARTBEAT);
        self.shard.set_heartbeat(self.place, every);
    }

    /// What was yielded last is of the past, and counts against the budget of replays.
    pub(super) fn is_past(&self) -> bool {
        self.is_past
    }

    /// Behind what was just yielded nothing is due, and the waker is registered: to poll again before
    /// that is rung would find nothing.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Something else is about to be sent.
    pub(super) fn unsettle(&mut self) {
        self.settled = false;
    }

    /// The next poll yields an item at once, which belongs to the same step.
    pub(super) fn has_items_at_hand(&self) -> bool {
        matches!(&self.stage, Stage::Sending(items) if items.len() > 0)
    }

    /// Events that were yielded last were encoded to so many bytes.
    pub(super) fn has_encoded(&mut self, bytes: usize) {
        if self.is_past {
            self.pace.spend(bytes, Instant::now());
        }
    }

    pub(super) fn count_bytes(&self, bytes: usize) {
        self.broadcaster.stats.bytes_sent.add(bytes as u64);
    }

    /// The next item, or `None` when the stream is to be cut.
    pub(super) fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        self.settled = false;
        loop {
            self.is_past = !matches!(self.stage, Stage::Open);
            let step = match &mut self.stage {
                Stage::Opening(start) => {
                    let start = std::mem::take(start);
                    self.open(start)
                }
                Stage::Taking(taking) => match taking.poll_unpin(cx) {
                    Poll::Ready(taken) => self.has_taken(taken),
                    Poll::Pending => self.meanwhile(cx),
                },
                Stage::SendingState(sending) => {
                    let (at, block) = (sending.at, sending.blocks.next());
                    let send = block.map(|block| Step::Send(Item::State(block)));
                    send.unwrap_or_else(|| self.has_sent_state(at))
                }
                Stage::Locating(_, reading) => match reading.poll_unpin(cx) {
                    Poll::Ready(read) => self.has_located(read),
                    Poll::Pending => self.meanwhile(cx),
                },
                Stage::Replaying(reading) => match reading.as_mut().poll(cx) {
                    Poll::Ready(read) => self.has_replayed(read, cx),
                    Poll::Pending => self.meanwhile(cx),
                },
                Stage::Sending(items) => {
                    let send = items.next().map(Step::Send);
                    send.unwrap_or_else(|| self.has_sent())
                }
                Stage::Open => self.step(cx),
                Stage::Disconnected => return Poll::Ready(None),
            };
            match step {
                Step::Send(item) => return Poll::Ready(Some(item)),
                Step::Wait => return Poll::Pending,
                Step::Again => {}
            }
        }
    }

    fn open(&mut self, start: Start) -> Step {
        let streams = self.broadcaster.subscribers.load(Ordering::Relaxed);
        let retry = Notice::Retry(reconnects::opening(streams));
        if self.take_state() {
            return send(retry);
        }
        if start != Start::Live {
            self.locate(start);
            return send(retry);
        }
        self.stage = Stage::Open;
        // History was not reached yet, so that there is no position: it is sent with the first.
        if self.last_sent == EventId::new(0, 0) {
            return send(retry);
        }
        self.connected = true;
        self.send_all([retry, Notice::Connected(self.last_sent)].map(Item::Notice))
    }

    /// What the clock brings while history is read.
    fn meanwhile(&mut self, cx: &mut Context<'_>) -> Step {
        match self.shard.meanwhile(self.place, cx.waker()) {
            Next::Ping { is_block } => self.ping(is_block),
            Next::Heartbeat => heartbeat(),
            Next::End(retry) => self.end(retry),
            _ => Step::Wait,
        }
    }

    fn has_taken(&mut self, taken: Result<(Snapshot, Lease), Unavailable>) -> Step {
        match taken {
            Ok((Snapshot { at, blocks, more }, lease)) => {
                let at = (!more).then_some(at);
                let blocks = lease.hold_unshared(blocks).into_iter();
                self.stage = Stage::SendingState(Box::new(SendingState { at, blocks }));
                Step::Again
            }
            Err(_) => self.send_away(),
        }
    }

    fn has_sent(&mut self) -> Step {
        self.stage = Stage::Open;
        Step::Again
    }

    fn has_sent_state(&mut self, at: Option<EventId>) -> Step {
        if let Some(at) = at {
            return self.locate(Start::After(at.to_string()));
        }
        self.take_state();
        Step::Again
    }

    fn locate(&mut self, start: Start) -> Step {
        let locating = self.broadcaster.replays.locate(
            (&self.broadcaster.history, &self.broadcaster.buffers),
            &self.selector,
            self.encoder,
            &start,
        );
        self.stage = Stage::Locating(start, locating);
        Step::Again
    }

    fn has_located(&mut self, read: Result<Arc<Replay>, Unavailable>) -> Step {
        let Stage::Locating(start, _) = std::mem::replace(&mut self.stage, Stage::Open) else {
            return Step::Again;
        };
        match read {
            // What the state was as of is lost already: it is sent anew instead.
            Ok(replay) if replay.gap && self.take_state() => Step::Again,
            Ok(replay) => self.begin(&start, &replay),
            Err(_) => self.send_away(),
        }
    }

    fn has_replayed(
        &mut self,
        read: Result<(Chunk, Lease), Unavailable>,
        cx: &mut Context<'_>,
    ) -> Step {
        self.stage = Stage::Open;
        let Ok((chunk, lease)) = read else {
            return self.send_away();
        };
        self.read_ahead(chunk.read_to, cx);
        if let Some(step) = self.replay(&Replay::of(chunk, lease)) {
            return step;
        }
        // A read that found nothing lets others go on: it may be the walk of this very thread that has
        // to say where this stream stands.
        cx.waker().wake_by_ref();
        Step::Wait
    }

    /// Has the state sent next, or what is left of it, where the stream is of that kind; or the stream
    /// cut.
    fn take_state(&mut self) -> bool {
        self.take_state_by(|state| state.take())
    }

    fn take_state_by(
        &mut self,
        take: impl FnOnce(&dyn Snapshots) -> BoxFuture<'static, Result<Snapshot, Unavailable>>,
    ) -> bool {
        let Some(state) = &self.state else {
            return false;
        };
        if self.parts >= MAX_PARTS_IN_A_ROW {
            self.stage = Stage::Disconnected;
            self.ended = Ended::Refused;
            return true;
        }
        self.parts += 1;
        let (buffers, taking) = (Arc::clone(&self.broadcaster.buffers), take(&**state));
        let taking = async move {
            let lease = buffers.lease(buffers.most_read(CHUNK)).await?;
            Ok((taking.await?, lease))
        };
        self.stage = Stage::Taking(taking.boxed());
        true
    }

    fn begin(&mut self, start: &Start, replay: &Replay) -> Step {
        self.parts = 0;
        let gap = replay.gap.then(|| self.gap(start.requested(), replay));
        let is_first = !std::mem::replace(&mut self.connected, true);
        let connected = is_first.then_some(Notice::Connected(replay.after));
        self.last_sent = replay.after;
        self.has_read(replay.epoch, replay.read_to, true);
        let notices = [gap, connected].into_iter().flatten();
        let items: Vec<_> = notices
            .map(Item::Notice)
            .chain(self.found(replay))
            .collect();
        self.send_all(items)
    }

    fn replay(&mut self, replay: &Replay) -> Option<Step> {
        if !self.has_read(replay.epoch, replay.read_to, replay.events.is_some()) {
            return None;
        }
        let mut gap = None;
        if replay.gap {
            let notice = self.gap(self.last_sent.to_string(), replay);
            self.last_sent = replay.after;
            if self.take_state_by(|state| state.take_behind_gap()) {
                return Some(send(notice));
            }
            gap = Some(Item::Notice(notice));
        }
        let items: Vec<_> = gap.into_iter().chain(self.found(replay)).collect();
        (!items.is_empty()).then(|| self.send_all(items))
    }

    fn gap(&self, requested: String, replay: &Replay) -> Notice {
        self.broadcaster.stats.gaps.add(1);
        Notice::Gap(Box::new(Gap {
            requested,
            position: replay.after,
            oldest: replay.oldest,
        }))
    }

    /// The events that were read, and the end of what there was when the stream began.
    fn found(&mut self, replay: &Replay) -> impl Iterator<Item = Item> + use<> {
        let events = self.take(replay).map(Item::Events);
        events.into_iter().chain(self.reached_head(replay))
    }

    /// Sends these one behind the other.
    fn send_all(&mut self, items: impl Into<Vec<Item>>) -> Step {
        self.stage = Stage::Sending(items.into().into_iter());
        Step::Again
    }

    fn reached_head(&mut self, replay: &Replay) -> Option<Item> {
        if !self.announces_head || replay.read_to < self.head {
            return None;
        }
        self.announces_head = false;
        (self.last_sent < self.head).then(|| {
            self.last_sent = self.head;
            Item::Notice(Notice::Position(Some(self.head)))
        })
    }

    fn has_read(&self, epoch: u64, to: EventId, is_sent: bool) -> bool {
        let window = &self.broadcaster.window;
        self.shard
            .has_read(window, self.place, (epoch, to), is_sent)
    }

    fn take(&mut self, replay: &Replay) -> Option<Events> {
        self.read = replay.read_to;
        let events = replay.events.clone()?;
        self.last_sent = events.last_id();
        self.broadcaster.stats.replayed.add(events.count() as u64);
        self.broadcaster.stats.delivered.add(events.count() as u64);
        Some(events)
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Step {
        match self.shard.next(self.place, self.last_sent, cx.waker()) {
            // What the shard holds may end before the head, and what comes next may never match.
            Next::Wait if self.announces_head && self.read < self.broadcaster.window.head().id => {
                self.read_on(self.read.max(self.last_sent))
            }
            Next::Wait => Step::Wait,
            Next::Ping { is_block } => self.ping(is_block),
            Next::Heartbeat => heartbeat(),
            Next::Position(at) => {
                self.last_sent = at;
                send(Notice::Position(Some(at)))
            }
            Next::Live {
                slice,
                after,
                settled,
            } => {
                let Some(due) = slice.due(&self.selector, after) else {
                    return Step::Again;
                };
                self.last_sent = due.events.last_id();
                if due.more {
                    self.has_read(slice.tail.to.epoch, self.last_sent, true);
                }
                self.settled = settled && !due.more && !self.announces_head;
                self.broadcaster
                    .stats
                    .delivered
                    .add(due.events.count() as u64);
                Step::Send(Item::Events(due.events))
            }
            Next::Read(after) => self.read_on(after),
            Next::Gap(gap) => {
                let lost = std::mem::replace(&mut self.last_sent, gap.at);
                self.read = gap.at;
                if self.state.is_none() && !std::mem::replace(&mut self.connected, true) {
                    return send(Notice::Connected(gap.at));
                }
                self.head = self.head.min(gap.at);
                self.broadcaster.stats.gaps.add(1);
                let oldest = self.broadcaster.history.bounds().oldest;
                self.take_state_by(|state| state.take_behind_gap());
                send(Notice::Gap(Box::new(Gap {
                    requested: lost.to_string(),
                    position: gap.at,
                    oldest,
                })))
            }
            Next::End(retry) => self.end(retry),
        }
    }

    /// Begins the end of the stream: the cut, behind a reconnection time where there is one.
    fn end(&mut self, retry: Option<Duration>) -> Step {
        self.stage = Stage::Disconnected;
        let Some(retry) = retry else {
            return Step::Again;
        };
        self.ended = Ended::Drained;
        self.reconnect(retry)
    }

    fn reconnect(&self, after: Duration) -> Step {
        send(Notice::Reconnect {
            after,
            position: self.position(),
        })
    }

    /// Where the client goes on if it is cut now; `None` before it was sent one, lest it pass over what it
    /// came back for.
    fn position(&self) -> Option<EventId> {
        self.connected.then_some(self.last_sent)
    }

    fn ping(&self, is_block: bool) -> Step {
        send(if is_block {
            Notice::Position(self.position())
        } else {
            Notice::Ping
        })
    }

    fn read_on(&mut self, after: EventId) -> Step {
        let ahead = self.ahead.take(&self.broadcaster, &self.selector, after);
        let reading = ahead
            .unwrap_or_else(|| read_ahead::read(&self.broadcaster, &self.selector, after, CHUNK));
        let wait = self.pace.wait(Instant::now()).map(|until| {
            let _timers = self.broadcaster.runtime.enter();
            tokio::time::sleep_until(until.into())
        });
        self.stage = Stage::Replaying(match wait {
            Some(wait) => Box::pin(wait.then(|()| reading)),
            None => reading,
        });
        Step::Again
    }

    /// Lets the next chunk be read while this one is encoded and sent.
    fn read_ahead(&mut self, read_to: EventId, cx: &mut Context<'_>) {
        if self.pace.wait(Instant::now()).is_none() {
            self.ahead
                .begin(&self.broadcaster, &self.selector, read_to, cx);
        }
    }

    /// History is out of reach: the client is to come back later, with the id it has.
    fn send_away(&mut self) -> Step {
        self.stage = Stage::Disconnected;
        self.ended = Ended::Refused;
        self.reconnect(Broadcaster::spread_retry())
    }

    /// What the stream's end is counted as when it is dropped; [`Ended::Gone`] unless said otherwise.
    pub fn ends_as(&mut self, ended: Ended) {
        self.ended = ended;
    }
}

enum Step {
    Send(Item),
    Wait,
    Again,
}

fn send(notice: Notice) -> Step {
    Step::Send(Item::Notice(notice))
}

fn heartbeat() -> Step {
    send(Notice::Heartbeat(SystemTime::now()))
}

impl Stream for Subscription {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let next = self.poll_item(cx);
        if let Poll::Ready(Some(Item::Events(events))) = &next {
            events.stay_unencoded();
            self.has_encoded(events.text_bytes());
        }
        next
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shard.leave(self.place);
        self.broadcaster.stats.count_end(self.ended);
        self.broadcaster.has_left();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("selector", &self.selector)
            .field("last_sent", &self.last_sent)
            .finish_non_exhaustive()
    }
}
