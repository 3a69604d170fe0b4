//! One subscriber's stream: a cursor in the log, and nothing else kept for it.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture, stream::Stream};

use super::{
    Broadcaster, Inner,
    buffers::Lease,
    index::SenderIndex,
    rate_limiter::RateLimiter,
    read_ahead::{self, ReadAhead, Reading},
    reconnects,
    shard::{Next, Shard},
    single_flight::{Locating, Replay},
    snapshot::{Snapshot, Snapshots},
    start::Start,
    stats::Ended,
    window_slice::{Batch, CHUNK},
};
use crate::{
    event::{EventId, Format, Selector},
    history::{Chunk, Unavailable},
    sse::{self, Frame, MAX_HEARTBEAT, MIN_HEARTBEAT},
};

/// Longest piece that is yielded at once: whoever writes it copies it.
pub const MAX_PIECE_BYTES: usize = 32 << 10;
/// Up to here pieces are put together, which is cheaper than to write each by itself.
const MAX_JOINED_BYTES: usize = 4 << 10;
/// How many parts of its state one stream may be sent in a row before it is cut. More than any state has:
/// it changes faster than its client reads, or history loses its position again and again; and without
/// all of it, what follows would be changes of something that the client does not have.
const MAX_PARTS_IN_A_ROW: u16 = 1_000;

/// The stream was cut, so that its client comes back: because the server drains, its grant is over,
/// or history is out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disconnected;

impl fmt::Display for Disconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream is cut for its client to come back")
    }
}

impl std::error::Error for Disconnected {}

/// The body of one `text/event-stream`, already encoded. Each item is all that is due, up to 32 KiB.
///
/// # Ending
/// It never ends by itself but with [`Disconnected`], after a `Pending` that lets what was yielded before be
/// flushed. Dropping it is all that is needed to unsubscribe.
///
/// # Slow readers
/// While it is not polled nothing is kept for it; polled again it reads on from history. What history
/// has dropped by then is announced as a `gap`.
#[allow(clippy::struct_excessive_bools, reason = "each stands for itself")]
pub struct Subscription {
    broadcaster: Arc<Inner>,
    shard: Arc<Shard>,
    place: SenderIndex,
    selector: Arc<Selector>,
    format: Format,
    /// The last id that the client was told.
    told: EventId,
    /// Where history was read to.
    read: EventId,
    stage: Stage,
    /// What is left of the last that was due.
    rest: Bytes,
    ended: Ended,
    /// History's head when the stream was opened.
    head: EventId,
    /// Whether the stream is still to be told that it has come to `head`.
    tell_head: bool,
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
    Telling(Box<Telling>),
    /// The answer has begun; where its events begin is being looked up.
    Locating(Start, Locating),
    Open,
    /// What is due is sent in pieces, so that what others share is not copied.
    Sending(std::vec::IntoIter<Bytes>),
    /// Behind what the shard holds, further chunks of history are read.
    Replaying(Reading),
    Disconnected {
        flushed: bool,
    },
}

/// Boxed, since most streams never do.
struct Telling {
    at: Option<EventId>,
    blocks: std::vec::IntoIter<Bytes>,
}

impl Subscription {
    pub(super) fn new(
        broadcaster: Arc<Inner>,
        shard: Arc<Shard>,
        selector: Selector,
        format: Format,
        start: Start,
        state: Option<Arc<dyn Snapshots>>,
    ) -> Self {
        let selector = Arc::new(selector);
        let head = broadcaster.window.head().id;
        let live = start == Start::Live && state.is_none();
        let (place, told) = shard.join(&broadcaster.window, &selector, live);
        Self {
            pace: RateLimiter::new(broadcaster.options.replay_bytes_per_second),
            broadcaster,
            shard,
            place,
            selector,
            format,
            told,
            read: told,
            stage: Stage::Opening(start),
            rest: Bytes::new(),
            ended: Ended::Gone,
            head,
            tell_head: false,
            settled: false,
            is_past: false,
            ahead: ReadAhead::default(),
            state,
            parts: 0,
            connected: false,
        }
    }

    /// History's head when the stream was opened: what a replay has to come to.
    #[must_use]
    pub fn head(&self) -> EventId {
        self.head
    }

    /// Has a replay end with a `position`, if no event had the id of [`head`](Self::head) or a later
    /// one, so that its client knows that it has everything up to there.
    pub fn tell_head(&mut self) {
        self.tell_head = true;
    }

    /// Has the stream carry an event `heartbeat` at the latest every so often, within
    /// [`MIN_HEARTBEAT`] and [`MAX_HEARTBEAT`], so that a page notices a connection that has died silently.
    pub fn send_heartbeat(&mut self, every: Duration) {
        let every = every.clamp(MIN_HEARTBEAT, MAX_HEARTBEAT);
        self.shard.set_heartbeat(self.place, every);
    }

    /// The next piece of what is due, or `None` when the stream is to be cut.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(mut due) = ready!(self.poll_due(cx)) else {
            return Poll::Ready(None);
        };
        let piece = due.split_to(due.len().min(MAX_PIECE_BYTES));
        self.rest = due;
        Poll::Ready(Some(piece))
    }

    /// Has what was yielded yielded again, next.
    pub fn put_back(&mut self, due: Bytes) {
        self.rest = due;
    }

    /// What was yielded last is of the past, and counts against the budget of replays.
    pub fn is_past(&self) -> bool {
        self.is_past
    }

    /// Behind what was just yielded nothing is due, and the waker is registered: to poll again before
    /// that is rung would find nothing.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// All that is due in one step, never nothing, or `None` when the stream is to be cut.
    pub fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.settled = false;
        if !self.rest.is_empty() {
            return Poll::Ready(Some(std::mem::take(&mut self.rest)));
        }
        loop {
            self.is_past = !matches!(self.stage, Stage::Open);
            let step = match &mut self.stage {
                Stage::Opening(start) => {
                    let start = std::mem::take(start);
                    Step::Send(self.open(start))
                }
                Stage::Taking(taking) => match taking.poll_unpin(cx) {
                    Poll::Ready(taken) => self.begin_to_tell(taken),
                    Poll::Pending => self.meanwhile(cx),
                },
                Stage::Telling(telling) => {
                    let (at, block) = (telling.at, telling.blocks.next());
                    let tell = block.map(|block| Step::Send(self.count_sent(block)));
                    tell.unwrap_or_else(|| self.has_told(at))
                }
                Stage::Locating(_, reading) => match reading.poll_unpin(cx) {
                    Poll::Ready(read) => self.has_located(read),
                    Poll::Pending => self.meanwhile(cx),
                },
                Stage::Replaying(reading) => match reading.as_mut().poll(cx) {
                    Poll::Ready(read) => self.has_replayed(read, cx),
                    Poll::Pending => self.meanwhile(cx),
                },
                Stage::Sending(pieces) => {
                    let piece = pieces.next();
                    let send = piece.map(|piece| Step::Send(self.count_sent(piece)));
                    send.unwrap_or_else(|| self.has_sent())
                }
                Stage::Open => self.step(cx),
                Stage::Disconnected { .. } => return Poll::Ready(None),
            };
            match step {
                // In chunks nothing would be the end of the answer.
                Step::Send(bytes) if bytes.is_empty() => {}
                Step::Send(bytes) => return Poll::Ready(Some(bytes)),
                Step::Wait => return Poll::Pending,
                Step::Again => {}
            }
        }
    }

    fn open(&mut self, start: Start) -> Bytes {
        let streams = self.broadcaster.subscribers.load(Ordering::Relaxed);
        let opening = Frame::opening(reconnects::opening(streams));
        if self.tell_state() {
            return self.count_sent(opening);
        }
        if start == Start::Live {
            self.stage = Stage::Open;
            // History was not reached yet, so that there is no position: it is sent with the first.
            if self.told == EventId::new(0, 0) {
                return self.count_sent(opening);
            }
            self.connected = true;
            return self.sent([opening, Frame::connected(self.told)].concat());
        }
        self.locate(start);
        self.count_sent(opening)
    }

    /// What the clock brings while history is read.
    fn meanwhile(&mut self, cx: &mut Context<'_>) -> Step {
        match self.shard.meanwhile(self.place, cx.waker()) {
            Next::Ping { is_block } => Step::Send(self.ping(is_block)),
            Next::Heartbeat => Step::Send(self.heartbeat()),
            Next::End(retry) => self.end(retry),
            _ => Step::Wait,
        }
    }

    fn begin_to_tell(&mut self, taken: Result<(Snapshot, Lease), Unavailable>) -> Step {
        match taken {
            Ok((Snapshot { at, blocks, more }, lease)) => {
                let at = (!more).then_some(at);
                let blocks = lease.hold_unshared(blocks).into_iter();
                self.stage = Stage::Telling(Box::new(Telling { at, blocks }));
                Step::Again
            }
            Err(_) => Step::Send(self.send_away()),
        }
    }

    fn has_sent(&mut self) -> Step {
        self.stage = Stage::Open;
        Step::Again
    }

    fn has_told(&mut self, at: Option<EventId>) -> Step {
        if let Some(at) = at {
            return self.locate(Start::After(at.to_string()));
        }
        self.tell_state();
        Step::Again
    }

    fn locate(&mut self, start: Start) -> Step {
        let locating = self.broadcaster.replays.locate(
            (&self.broadcaster.history, &self.broadcaster.buffers),
            &self.selector,
            self.format,
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
            // What the state was as of is lost already: it is told anew instead.
            Ok(replay) if replay.gap && self.tell_state() => Step::Again,
            Ok(replay) => self.begin(&start, &replay),
            Err(_) => Step::Send(self.send_away()),
        }
    }

    fn has_replayed(
        &mut self,
        read: Result<(Chunk, Lease), Unavailable>,
        cx: &mut Context<'_>,
    ) -> Step {
        self.stage = Stage::Open;
        let Ok((chunk, lease)) = read else {
            return Step::Send(self.send_away());
        };
        self.read_ahead(chunk.read_to, cx);
        if let Some(step) = self.replay(&Replay::of(&chunk, self.format, lease)) {
            return step;
        }
        // A read that found nothing lets others go on: it may be the walk of this very thread that has
        // to say where this stream stands.
        cx.waker().wake_by_ref();
        Step::Wait
    }

    /// Has the state sent next, or what is left of it, where the stream is of that kind; or the stream
    /// cut.
    fn tell_state(&mut self) -> bool {
        self.tell_state_by(|state| state.take())
    }

    fn tell_state_by(
        &mut self,
        take: impl FnOnce(&dyn Snapshots) -> BoxFuture<'static, Result<Snapshot, Unavailable>>,
    ) -> bool {
        let Some(state) = &self.state else {
            return false;
        };
        if self.parts >= MAX_PARTS_IN_A_ROW {
            self.stage = Stage::Disconnected { flushed: false };
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
        let mut out = Vec::new();
        if replay.gap {
            self.broadcaster.stats.gaps.add(1);
            let requested = start.requested();
            out.extend_from_slice(&Frame::gap(&requested, replay.after, replay.oldest));
        }
        if !std::mem::replace(&mut self.connected, true) {
            out.extend_from_slice(&Frame::connected(replay.after));
        }
        self.told = replay.after;
        self.has_read(replay.epoch, replay.read_to, true);
        let batch = self.take(replay).map(|batch| batch.bytes);
        let end = self.reached_head(replay);
        self.send([Some(out.into()), batch, end])
    }

    fn replay(&mut self, replay: &Replay) -> Option<Step> {
        if !self.has_read(replay.epoch, replay.read_to, replay.batch.is_some()) {
            return None;
        }
        let mut out = Vec::new();
        if replay.gap {
            self.broadcaster.stats.gaps.add(1);
            let requested = self.told.to_string();
            out.extend_from_slice(&Frame::gap(&requested, replay.after, replay.oldest));
            self.told = replay.after;
            if self.tell_state_by(|state| state.take_behind_gap()) {
                return Some(Step::Send(self.sent(out)));
            }
        }
        let batch = self.take(replay).map(|batch| batch.bytes);
        let end = self.reached_head(replay);
        let is_any = !out.is_empty() || batch.is_some() || end.is_some();
        is_any.then(|| self.send([Some(out.into()), batch, end]))
    }

    /// Sends these one behind the other; short ones in one piece.
    fn send(&mut self, parts: [Option<Bytes>; 3]) -> Step {
        let mut pieces: Vec<Bytes> = Vec::new();
        for part in parts.into_iter().flatten().filter(|part| !part.is_empty()) {
            match pieces.last_mut() {
                Some(last) if last.len() + part.len() <= MAX_JOINED_BYTES => {
                    *last = [&last[..], &part].concat().into();
                }
                _ => pieces.push(part),
            }
        }
        self.stage = Stage::Sending(pieces.into_iter());
        Step::Again
    }

    fn reached_head(&mut self, replay: &Replay) -> Option<Bytes> {
        if !self.tell_head || replay.read_to < self.head {
            return None;
        }
        self.tell_head = false;
        (self.told < self.head).then(|| {
            self.told = self.head;
            Frame::position(Some(self.head))
        })
    }

    fn has_read(&self, epoch: u64, to: EventId, is_sent: bool) -> bool {
        let window = &self.broadcaster.window;
        self.shard
            .has_read(window, self.place, (epoch, to), is_sent)
    }

    fn take(&mut self, replay: &Replay) -> Option<Batch> {
        self.read = replay.read_to;
        let batch = replay.batch.clone()?;
        self.told = batch.last;
        self.pace.spend(batch.bytes.len(), Instant::now());
        self.broadcaster.stats.replayed.add(batch.events);
        self.broadcaster.stats.delivered.add(batch.events);
        Some(batch)
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Step {
        match self.shard.next(self.place, self.told, cx.waker()) {
            // What the shard holds may end before the head, and what comes next may never match.
            Next::Wait if self.tell_head && self.read < self.broadcaster.window.head().id => {
                self.read_on(self.read.max(self.told))
            }
            Next::Wait => Step::Wait,
            Next::Ping { is_block } => Step::Send(self.ping(is_block)),
            Next::Heartbeat => Step::Send(self.heartbeat()),
            Next::Position(at, frame) => {
                self.told = at;
                Step::Send(self.count_sent(frame))
            }
            Next::Live {
                slice,
                after,
                settled,
            } => {
                let Some(batch) = slice.batch(&self.selector, self.format, after) else {
                    return Step::Again;
                };
                self.told = batch.last;
                if batch.more {
                    self.has_read(slice.tail.to.epoch, batch.last, true);
                }
                self.settled = settled && !batch.more && !self.tell_head;
                self.broadcaster.stats.delivered.add(batch.events);
                Step::Send(self.count_sent(batch.bytes))
            }
            Next::Read(after) => self.read_on(after),
            Next::Gap(gap) => {
                let lost = std::mem::replace(&mut self.told, gap.at);
                self.read = gap.at;
                if self.state.is_none() && !std::mem::replace(&mut self.connected, true) {
                    return Step::Send(self.count_sent(Frame::connected(gap.at)));
                }
                self.head = self.head.min(gap.at);
                self.broadcaster.stats.gaps.add(1);
                let oldest = self.broadcaster.history.bounds().oldest;
                let frame = Frame::gap(&lost.to_string(), gap.at, oldest);
                self.tell_state_by(|state| state.take_behind_gap());
                Step::Send(self.count_sent(frame))
            }
            Next::End(retry) => self.end(retry),
        }
    }

    /// Begins the end of the stream: the cut, behind a reconnection time where there is one.
    fn end(&mut self, retry: Option<Duration>) -> Step {
        self.stage = Stage::Disconnected { flushed: false };
        let Some(retry) = retry else {
            return Step::Again;
        };
        self.ended = Ended::Drained;
        Step::Send(self.come_back(retry))
    }

    fn come_back(&self, retry: Duration) -> Bytes {
        self.count_sent(Frame::come_back(retry, self.position()))
    }

    /// Where the client goes on if it is cut now; `None` before it was told, lest it pass over what it
    /// came back for.
    fn position(&self) -> Option<EventId> {
        self.connected.then_some(self.told)
    }

    fn ping(&self, is_block: bool) -> Bytes {
        self.count_sent(if is_block {
            Frame::position(self.position())
        } else {
            Bytes::from_static(sse::PING)
        })
    }

    fn heartbeat(&self) -> Bytes {
        self.count_sent(Frame::heartbeat(SystemTime::now()))
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
    fn send_away(&mut self) -> Bytes {
        self.stage = Stage::Disconnected { flushed: false };
        self.ended = Ended::Refused;
        self.come_back(Broadcaster::spread_retry())
    }

    fn sent(&self, bytes: Vec<u8>) -> Bytes {
        self.count_sent(bytes.into())
    }

    fn count_sent(&self, bytes: Bytes) -> Bytes {
        self.broadcaster.stats.bytes_sent.add(bytes.len() as u64);
        bytes
    }

    /// What the stream's end is counted as when it is dropped; [`Ended::Gone`] unless said otherwise.
    pub fn ends_as(&mut self, ended: Ended) {
        self.ended = ended;
    }
}

enum Step {
    Send(Bytes),
    Wait,
    Again,
}

impl Stream for Subscription {
    type Item = Result<Bytes, Disconnected>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(bytes) = ready!(self.poll_piece(cx)) {
            return Poll::Ready(Some(Ok(bytes)));
        }
        match &mut self.stage {
            Stage::Disconnected { flushed } if !*flushed => {
                *flushed = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            _ => Poll::Ready(Some(Err(Disconnected))),
        }
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
            .field("format", &self.format)
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}
