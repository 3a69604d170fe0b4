//! A subscription on its way to a client: its items as bytes.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream::Stream;

use super::{item::Item, stats::Ended, subscription::Subscription};
use crate::{
    encoding::{ContentCoding, Encoder},
    sse::{Notice, Position},
};

/// Longest piece that is yielded at once: the writer copies it.
pub const MAX_PIECE_BYTES: usize = 32 << 10;
/// Up to here what is at hand is put together, which is cheaper than to write each by itself.
const MAX_JOINED_BYTES: usize = 4 << 10;

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

/// What an item is encoded to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Part {
    /// Events, one behind the other.
    Events(Bytes),
    /// A notice, and what it is encoded to.
    Notice(Notice, Bytes),
    /// A piece of the state.
    State(Bytes),
}

impl Part {
    /// The bytes alone.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Events(bytes) | Self::Notice(_, bytes) | Self::State(bytes) => bytes,
        }
    }
}

/// A [`Subscription`] as the body of a response, by one [`Encoder`]. As a `Stream`, each item is all that is due,
/// up to 32 KiB.
///
/// # Ending
/// It never ends by itself but with [`Disconnected`], after a `Pending` that lets what was yielded before be
/// flushed. Dropping it is all that is needed to unsubscribe.
///
/// # Slow readers
/// As with a [`Subscription`]: while it is not polled nothing is kept for it.
#[derive(Debug)]
pub struct EncodedStream {
    subscription: Subscription,
    /// What is left of the last that was due, never nothing. Boxed, since it is rare.
    remaining: Option<Box<Bytes>>,
    flushed: bool,
}

impl Subscription {
    /// The same as the body of a response, written by this encoder.
    #[must_use]
    pub fn encoded(mut self, encoder: &'static dyn Encoder) -> EncodedStream {
        self.set_encoder(encoder);
        EncodedStream {
            subscription: self,
            remaining: None,
            flushed: false,
        }
    }
}

impl EncodedStream {
    /// The same, compressed by this coding. To be called before the stream is polled.
    #[must_use]
    pub fn compressed(mut self, coding: Arc<dyn ContentCoding>) -> Self {
        self.put_back(coding.opening());
        self.subscription.set_coding(coding);
        self
    }

    /// By which coding it is compressed; `None` if it is not.
    #[must_use]
    pub fn coding(&self) -> Option<&dyn ContentCoding> {
        self.subscription.encoding().coding
    }

    /// History's head when the stream was opened: what a replay has to come to.
    #[must_use]
    pub fn head(&self) -> Position {
        self.subscription.head()
    }

    /// What was yielded last is of the past, and counts against the budget of replays.
    #[must_use]
    pub fn is_past(&self) -> bool {
        self.subscription.is_past()
    }

    /// Behind what was just yielded nothing is due, and the waker is registered: to poll again before
    /// that is rung would find nothing.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.subscription.is_settled()
    }

    pub(super) fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// What the stream's end is counted as when it is dropped; [`Ended::Gone`] unless said otherwise.
    pub fn ends_as(&mut self, ended: Ended) {
        self.subscription.ends_as(ended);
    }

    /// Whether it has ended because all of its topics were finished.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.subscription.is_finished()
    }

    /// See [`Subscription::send_heartbeat`].
    pub fn send_heartbeat(&mut self, every: Duration) {
        self.subscription.send_heartbeat(every);
    }

    /// The next item by itself, or `None` when the stream is to be cut.
    pub fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        let Some(item) = ready!(self.subscription.poll_item(cx)) else {
            return Poll::Ready(None);
        };
        let bytes = self.encode(&item);
        Poll::Ready(Some(match item {
            Item::Events(_) => Part::Events(bytes),
            Item::Notice(notice) => Part::Notice(notice, bytes),
            Item::State(_) => Part::State(bytes),
        }))
    }

    fn encode(&mut self, item: &Item) -> Bytes {
        let bytes = match item {
            Item::Events(events) => {
                let bytes = events.encoded(self.subscription.encoding());
                self.subscription.has_encoded(bytes.len());
                bytes
            }
            Item::Notice(notice) => self.subscription.encoding().notice(notice),
            Item::State(text) => self.encode_state(text),
        };
        self.subscription.count_bytes(bytes.len());
        bytes
    }

    /// A block holds its text, where that counts against the budget of replays.
    fn encode_state(&self, text: &Bytes) -> Bytes {
        let encoding = self.subscription.encoding();
        let block = encoding.state(text);
        if encoding.coding.is_none() {
            return block;
        }
        let text = text.clone();
        Bytes::from_owner(Block { block, _text: text })
    }

    /// All that is due in one step, never nothing, or `None` when the stream is to be cut.
    pub fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(remaining) = self.remaining.take() {
            self.subscription.unsettle();
            return Poll::Ready(Some(*remaining));
        }
        loop {
            let Some(item) = ready!(self.subscription.poll_item(cx)) else {
                return Poll::Ready(None);
            };
            let due = self.encode(&item);
            let due = self.join_what_is_at_hand(due, cx);
            // In chunks nothing would be the end of the response.
            if !due.is_empty() {
                return Poll::Ready(Some(due));
            }
        }
    }

    fn join_what_is_at_hand(&mut self, mut due: Bytes, cx: &mut Context<'_>) -> Bytes {
        while due.len() < MAX_JOINED_BYTES && self.subscription.has_items_at_hand() {
            let Poll::Ready(Some(item)) = self.subscription.poll_item(cx) else {
                break;
            };
            let next = self.encode(&item);
            if due.is_empty() {
                due = next;
            } else if due.len() + next.len() <= MAX_JOINED_BYTES {
                due = [due, next].concat().into();
            } else {
                self.put_back(next);
                break;
            }
        }
        due
    }

    /// The next piece of what is due, or `None` when the stream is to be cut.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(mut due) = ready!(self.poll_due(cx)) else {
            return Poll::Ready(None);
        };
        let piece = due.split_to(due.len().min(MAX_PIECE_BYTES));
        self.put_back(due);
        Poll::Ready(Some(piece))
    }

    /// Has what was yielded yielded again, next.
    pub fn put_back(&mut self, due: Bytes) {
        if due.is_empty() {
            return;
        }
        let due = match self.remaining.take() {
            Some(behind) => [due, *behind].concat().into(),
            None => due,
        };
        self.remaining = Some(Box::new(due));
    }
}

/// A compressed text, and the text.
struct Block {
    block: Bytes,
    _text: Bytes,
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.block
    }
}

impl Stream for EncodedStream {
    type Item = Result<Bytes, Disconnected>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(bytes) = ready!(self.poll_piece(cx)) {
            return Poll::Ready(Some(Ok(bytes)));
        }
        if std::mem::replace(&mut self.flushed, true) {
            return Poll::Ready(Some(Err(Disconnected)));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse::Sender;

    /// There may be a million of them. What is rare belongs into a box.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn what_is_kept_for_each_idle_stream_stays_small() {
        assert!(size_of::<EncodedStream>() <= 160);
        assert!(size_of::<Sender>() <= 112);
    }
}
