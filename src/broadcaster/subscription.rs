//! One subscriber's stream. Its shard decides what is next (`shard/poll.rs`); here that becomes items.

mod latest;
mod next;
mod opening;
mod past;
mod replay;
mod state;

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, stream::Stream};

use self::{
    latest::ReadingLatest,
    past::Past,
    state::{Snapshotting, StateParts},
};
use super::{
    inner::Inner,
    item::Item,
    replay::{Reading, single_flight::Locating},
    shard::{Shard, sender_indexes::SenderIndex},
    snapshot::Snapshots,
    start::Start,
    stats::Ended,
    visible_positions::Salt,
};
use crate::{
    encoding::{ContentCoding, Encoder, Sse, StreamEncoding},
    event::{EventId, Selector},
    sse::{Ending, MAX_HEARTBEAT, MIN_HEARTBEAT, Position},
};

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
/// is out of reach. The last item is then a [`Notice::Reconnect`](crate::sse::Notice::Reconnect), except where the
/// grant is over. It also ends behind the event that has finished the last of its topics
/// ([`EventBuilder::finish`](crate::event::EventBuilder::finish)). Dropping it unsubscribes.
///
/// # Slow readers
/// While it is not polled nothing is kept for it; polled again it reads on from history. What history
/// has dropped by then is announced as a [`Notice::Gap`](crate::sse::Notice::Gap).
#[allow(clippy::struct_excessive_bools, reason = "each stands for itself")]
pub struct Subscription {
    inner: Arc<Inner>,
    shard: Arc<Shard>,
    index: SenderIndex,
    selector: Arc<Selector>,
    /// Who encodes its items, where an `EncodedStream` does.
    encoder: Option<&'static dyn Encoder>,
    /// By which coding these are compressed.
    coding: Option<Arc<dyn ContentCoding>>,
    stage: Stage,
    ended: Ended,
    /// History's head when the stream was opened.
    head: EventId,
    /// The stream is to be sent that it has come to `head`.
    announces_head: bool,
    settled: bool,
    /// What was yielded last is from history, and may be held for this stream alone.
    is_past: bool,
    /// Boxed, since a live stream reads nothing.
    past: Option<Box<Past>>,
    /// What is sent whole at the beginning and behind every gap, where the stream is of that kind.
    state: Option<Box<StateParts>>,
    /// The client was sent a position.
    connected: bool,
    /// What was erased up to here is no gap to it: a gap has told it, or it began behind that, without a position.
    told_to: EventId,
    salt: Salt,
}

/// Most streams are open, and a variant that is larger than the others is boxed.
enum Stage {
    Opening(Box<Start>),
    /// The state is being read.
    Snapshotting(Snapshotting),
    /// It is being sent, or, without a position, a part of it.
    SendingState(Box<state::SendingState>),
    /// The last events of topics are being read.
    Latest(Box<ReadingLatest>),
    /// Where its events begin is being read. The start is as the client asked for it.
    Locating(Box<(Start, Locating)>),
    Open,
    /// Several items are due, the last of these first.
    Sending(Vec<Item>),
    /// Behind what the shard holds, further chunks of history are read.
    Replaying(Reading),
    Disconnected,
}

/// What came of one stage.
enum Step {
    Send(Item),
    Wait,
    /// Another stage follows.
    Again,
}

impl Subscription {
    pub(super) fn new(
        inner: Arc<Inner>,
        shard: Arc<Shard>,
        selector: Selector,
        start: Start,
        snapshots: Option<Arc<dyn Snapshots>>,
    ) -> Self {
        let selector = shard.share(selector);
        let head = inner.window.head().id;
        let told_to = match start {
            Start::After(_) => EventId::new(0, 0),
            _ => head,
        };
        let live = start == Start::Live && snapshots.is_none();
        let index = shard.join(&inner.window, &selector, live);
        Self {
            salt: inner.positions.salt(),
            inner,
            shard,
            index,
            selector,
            encoder: None,
            coding: None,
            stage: Stage::Opening(Box::new(start)),
            ended: Ended::Gone,
            head,
            announces_head: false,
            settled: false,
            is_past: false,
            past: None,
            state: snapshots.map(StateParts::new).map(Box::new),
            connected: false,
            told_to,
        }
    }

    /// History's head when the stream was opened: what a replay has to come to.
    #[must_use]
    pub fn head(&self) -> Position {
        self.shown(self.head)
    }

    /// This position as the client may see it.
    fn shown(&self, id: EventId) -> Position {
        self.inner.positions.shown(id, &self.selector, self.salt)
    }

    /// Has a replay end with a `position`, if no event had the id of [`head`](Self::head) or a later
    /// one, so that its client can tell that it has everything up to there.
    pub fn announce_head(&mut self) {
        self.announces_head = true;
    }

    /// Has the stream carry an event `heartbeat` at the latest every so often, within
    /// [`MIN_HEARTBEAT`] and [`MAX_HEARTBEAT`], so that a page notices a connection that has died silently.
    pub fn send_heartbeat(&mut self, every: Duration) {
        let every = every.clamp(MIN_HEARTBEAT, MAX_HEARTBEAT);
        self.shard.set_heartbeat(self.index, every);
    }

    pub(super) fn shard(&self) -> &Arc<Shard> {
        &self.shard
    }

    pub(super) fn index(&self) -> SenderIndex {
        self.index
    }

    /// What the stream's end is counted as when it is dropped; [`Ended::Gone`] unless set, or
    /// [`Ended::Disconnected`] if an operator has ended it.
    pub fn ends_as(&mut self, ended: Ended) {
        self.ended = ended;
    }

    /// Has its items encoded by this encoder, which shared reads have room for.
    pub(super) fn set_encoder(&mut self, encoder: &'static dyn Encoder) {
        self.encoder = Some(encoder);
    }

    /// Has them compressed by this coding.
    pub(super) fn set_coding(&mut self, coding: Arc<dyn ContentCoding>) {
        self.coding = Some(coding);
    }

    /// How its items are encoded.
    pub(super) fn encoding(&self) -> StreamEncoding<'_> {
        StreamEncoding {
            encoder: self.encoder.unwrap_or(&Sse),
            coding: self.coding.as_deref(),
            is_public: !self.selector.admits_by_grants(),
        }
    }

    /// What was yielded last is from history, and counts against the budget of replays.
    pub(super) fn is_past(&self) -> bool {
        self.is_past
    }

    /// Behind what was just yielded nothing is due, and the waker is registered: to poll again before
    /// it is woken would find nothing.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Something else is about to be sent.
    pub(super) fn unsettle(&mut self) {
        self.settled = false;
    }

    /// The next poll yields an item at once, which belongs to the same step.
    pub(super) fn has_items_at_hand(&self) -> bool {
        matches!(&self.stage, Stage::Sending(items) if !items.is_empty())
    }

    /// Events that were yielded last were encoded to so many bytes.
    pub(super) fn has_encoded(&mut self, bytes: usize) {
        if self.is_past {
            self.spend(bytes);
        }
    }

    pub(super) fn count_bytes(&self, bytes: usize) {
        self.inner.stats.bytes_sent.add(bytes as u64);
    }

    /// The next item, or `None` when the stream is to be cut.
    pub(super) fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        self.settled = false;
        loop {
            self.is_past = !matches!(self.stage, Stage::Open);
            let step = match &mut self.stage {
                Stage::Opening(start) => {
                    let start = std::mem::take(&mut **start);
                    self.open(start)
                }
                Stage::Snapshotting(snapshotting) => match snapshotting.poll_unpin(cx) {
                    Poll::Ready(read) => self.has_read_state(read),
                    Poll::Pending => self.wait_for_history(cx),
                },
                Stage::SendingState(sending) => match sending.next_block() {
                    Ok(block) => Step::Send(Item::State(block)),
                    Err(at) => self.has_sent_state(at),
                },
                Stage::Latest(latest) => match latest.reading.poll_unpin(cx) {
                    Poll::Ready(read) => self.has_read_latest(read),
                    Poll::Pending => self.wait_for_history(cx),
                },
                Stage::Locating(locating) => match locating.1.poll_unpin(cx) {
                    Poll::Ready(found) => self.has_located(found),
                    Poll::Pending => self.wait_for_history(cx),
                },
                Stage::Replaying(reading) => match reading.as_mut().poll(cx) {
                    Poll::Ready(read) => self.has_replayed(read, cx),
                    Poll::Pending => self.wait_for_history(cx),
                },
                Stage::Sending(items) => match items.pop() {
                    Some(item) => Step::Send(item),
                    None => self.go_on(),
                },
                Stage::Open => self.next_step(cx),
                Stage::Disconnected => return Poll::Ready(None),
            };
            match step {
                Step::Send(item) => {
                    self.end_if_finished(&item);
                    return Poll::Ready(Some(item));
                }
                Step::Wait => return Poll::Pending,
                Step::Again => {}
            }
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.ended == Ended::Finished
    }

    /// Ends the stream behind an event that has finished the last of its topics.
    fn end_if_finished(&mut self, item: &Item) {
        let Item::Events(events) = item else { return };
        let is_finished = events.end_with_finish()
            && self
                .inner
                .window
                .finished_at(&self.selector)
                .is_some_and(|at| at <= events.last_id());
        if is_finished {
            self.stage = Stage::Disconnected;
            self.ended = Ended::Finished;
            self.settled = false;
        }
    }

    fn go_on(&mut self) -> Step {
        self.stage = Stage::Open;
        Step::Again
    }
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
        let ended = match (self.ended, self.shard.leave(self.index)) {
            // It was cut without having been polled again.
            (Ended::Gone, Some(Ending::Disconnect { .. })) => Ended::Disconnected,
            (ended, _) => ended,
        };
        self.inner.stats.count_end(ended);
        self.inner.has_left();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("selector", &self.selector)
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}
