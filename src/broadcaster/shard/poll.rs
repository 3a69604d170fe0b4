//! What a stream does next when it is polled. Its cursor, and the last id that its client was sent, move here.

use std::{
    task::Waker,
    time::{Duration, Instant},
};

use super::{Shard, ShardState, recent::Due, sender_indexes::SenderIndex};
use crate::{
    broadcaster::{item::Events, replay::found::ReadTo, stats::Ended},
    event::EventId,
    history::Window,
    sse::{Cursor, Ending, Ping, Sender},
};

/// What a polled stream has to do next.
pub(in crate::broadcaster) enum Next {
    /// Nothing is due; the waker is registered. Everything up to `complete_to` was sent or not asked for, where
    /// that is known.
    Wait {
        complete_to: Option<EventId>,
    },
    Ping(Ping),
    /// The heartbeat that its client asked for.
    Heartbeat,
    /// The grant, and the stream with it, ends in so long.
    Expiring {
        after: Duration,
    },
    /// Everything up to this id was sent.
    Position(EventId),
    /// With `settled` nothing else is due, and the waker is registered.
    Send {
        events: Events,
        settled: bool,
    },
    /// Read on from history.
    Read {
        after: EventId,
    },
    /// History went on under another epoch.
    Gap {
        last_sent: EventId,
        at: EventId,
    },
    /// Cuts the stream behind this reconnection time: the server is going away, or an operator ends the stream.
    End {
        retry: Duration,
        ended: Ended,
    },
    /// Cuts the stream at once: its grant is over.
    Cut,
}

impl Next {
    /// Nothing else is due, so that the stream is to be woken for what comes.
    fn is_last(&self) -> bool {
        matches!(self, Self::Wait { .. } | Self::Send { settled: true, .. })
    }
}

impl Shard {
    /// Decides what a stream does next, and keeps its waker when that is nothing. What is returned counts as
    /// sent.
    pub(in crate::broadcaster) fn next(&self, index: SenderIndex, waker: &Waker) -> Next {
        let (next, replaced) = {
            let mut senders = self.senders.lock();
            let state = &mut *self.state.lock();
            let sender = &mut senders[index];
            let next = self.decide(sender, state);
            let replaced = next.is_last().then(|| sender.register(waker));
            (next, replaced)
        };
        drop(replaced);
        next
    }

    fn decide(&self, sender: &mut Sender, state: &mut ShardState) -> Next {
        if let Some(end) = state.must_end_now(sender) {
            return end;
        }
        if let Some(at) = sender.gap.take().map(|at| *at) {
            let last_sent = sender.has_been_sent(at);
            return Next::Gap { last_sent, at };
        }
        if sender.timers.take_heartbeat() {
            return Next::Heartbeat;
        }
        if let Some(after) = sender.take_expiring() {
            return Next::Expiring { after };
        }
        // One of the two is in an older epoch: the walk that announces the other wakes this stream.
        if sender.epoch != state.position.epoch {
            return Next::Wait { complete_to: None };
        }
        if let Cursor::Due(id) = sender.cursor {
            if id < state.recent.from() {
                return Next::Read { after: id };
            }
            self.count_caught_up(sender);
            sender.cursor = Cursor::Live(id.max(state.position.id));
            if let Some(Due { events, more }) = state.recent.due(&sender.selector, id) {
                let last = events.last_id();
                sender.has_been_sent(last);
                if more {
                    let epoch = sender.epoch;
                    self.move_cursor(sender, state, ReadTo { epoch, id: last });
                }
                let settled = sender.is_settled();
                return Next::Send { events, settled };
            }
        }
        state.due_beside_events(sender)
    }

    /// What is due to a stream by the clock while it waits for history, between two blocks. Otherwise
    /// its waker is kept. That its grant ends is for one that is `connected` only.
    pub(in crate::broadcaster) fn next_while_reading(
        &self,
        index: SenderIndex,
        connected: bool,
        waker: &Waker,
    ) -> Next {
        let (next, replaced) = {
            let mut senders = self.senders.lock();
            let state = self.state.lock();
            let sender = &mut senders[index];
            let next = state.must_end_now(sender);
            let next = next.or_else(|| sender.timers.take_heartbeat().then_some(Next::Heartbeat));
            let next = next.or_else(|| {
                let after = connected.then(|| sender.take_expiring()).flatten()?;
                Some(Next::Expiring { after })
            });
            match next.or_else(|| sender.timers.take_ping().map(Next::Ping)) {
                Some(next) => (next, None),
                None => (Next::Wait { complete_to: None }, sender.register(waker)),
            }
        };
        drop(replaced);
        next
    }

    /// A stream begins after a position: history was read up to here, and `sent` is the last id that it is sent with
    /// that. How long it will last, if its client is to be sent that at once.
    pub(in crate::broadcaster) fn has_begun(
        &self,
        window: &Window,
        index: SenderIndex,
        after: EventId,
        read_to: ReadTo,
        sent: EventId,
    ) -> Option<Duration> {
        let mut senders = self.senders.lock();
        let state = &mut *self.state.lock();
        if let Some(connections) = &mut state.connections {
            connections.begins_after(index, after);
        }
        let sender = &mut senders[index];
        sender.has_been_sent(sent);
        if sender.cursor == Cursor::Opening {
            sender.begin_in(read_to.epoch, window.head().epoch);
        }
        self.move_cursor(sender, state, read_to);
        sender.take_expiring()
    }

    /// History was read up to here, and `sent` is the last id that the stream is sent with that, if any is. The
    /// last id that it was sent before; `None` where that was in another epoch, so that what was read follows
    /// on nothing: a gap announces where to go on.
    pub(in crate::broadcaster) fn has_read(
        &self,
        index: SenderIndex,
        read_to: ReadTo,
        sent: Option<EventId>,
    ) -> Option<EventId> {
        let mut senders = self.senders.lock();
        let state = self.state.lock();
        let sender = &mut senders[index];
        if !self.move_cursor(sender, &state, read_to) {
            return None;
        }
        let last_sent = sender.last_sent;
        if let Some(sent) = sent {
            sender.has_been_sent(sent);
        }
        Some(last_sent)
    }

    /// Sets the cursor to what was read, right before what is due, so that history overtakes it only with that.
    /// False where that was read in another epoch.
    fn move_cursor(&self, sender: &mut Sender, state: &ShardState, read_to: ReadTo) -> bool {
        let ReadTo { epoch, id } = read_to;
        if sender.gap.is_some() || sender.epoch != epoch {
            return false;
        }
        if epoch != state.position.epoch || id < state.recent.from() {
            sender.cursor = Cursor::Due(id);
            return true;
        }
        self.count_caught_up(sender);
        let next = state.recent.next(&sender.selector, id);
        sender.cursor = next.map_or(Cursor::Live(id), Cursor::Due);
        true
    }

    /// The last id that the client was sent.
    pub(in crate::broadcaster) fn last_sent(&self, index: SenderIndex) -> EventId {
        self.senders.lock()[index].last_sent
    }

    /// Has the client sent this position, unless it was sent it or a later one.
    pub(in crate::broadcaster) fn reach(&self, index: SenderIndex, position: EventId) -> bool {
        let sender = &mut self.senders.lock()[index];
        let is_new = sender.last_sent < position;
        if is_new {
            sender.has_been_sent(position);
        }
        is_new
    }
}

impl Sender {
    /// A block was sent, the last with this id. Returns the id before.
    fn has_been_sent(&mut self, last: EventId) -> EventId {
        self.timers.sent_block();
        std::mem::replace(&mut self.last_sent, last)
    }
}

impl ShardState {
    fn must_end_now(&self, sender: &Sender) -> Option<Next> {
        match sender.ending? {
            // One that is gone is not polled.
            Ending::Expired | Ending::Gone => Some(Next::Cut),
            Ending::Disconnect { retry_ms } => Some(end_after(retry_ms, Ended::Disconnected)),
            Ending::Drain { retry_ms } => {
                let is_over = self.drain_deadline? <= Instant::now();
                is_over.then(|| end_after(retry_ms, Ended::Drained))
            }
        }
    }

    /// What is due to a sender of the shard's epoch that was sent all events.
    fn due_beside_events(&self, sender: &mut Sender) -> Next {
        if let Some(Ending::Drain { retry_ms }) = sender.ending {
            return end_after(retry_ms, Ended::Drained);
        }
        if let Some(at) = self.positions.due(sender.last_sent) {
            sender.has_been_sent(at);
            return Next::Position(at);
        }
        if let Some(ping) = sender.timers.take_ping() {
            return Next::Ping(ping);
        }
        let is_live = matches!(sender.cursor, Cursor::Live(_));
        let complete_to = is_live.then(|| self.complete_to(sender)).flatten();
        Next::Wait { complete_to }
    }
}

fn end_after(retry_ms: u32, ended: Ended) -> Next {
    Next::End {
        retry: Duration::from_millis(retry_ms.into()),
        ended,
    }
}
