//! What comes next on a stream that is open, as its shard decides.

use std::{
    task::Context,
    time::{Duration, SystemTime},
};

use super::{Stage, Step, Subscription};
use crate::{
    broadcaster::{Broadcaster, item::Item, shard::poll::Next, stats::Ended},
    event::EventId,
    sse::{Gap, Notice, Ping, Position},
};

impl Subscription {
    /// What the shard has next.
    pub(super) fn next_step(&mut self, cx: &mut Context<'_>) -> Step {
        let next = self.shard.next(self.index, cx.waker());
        if self.past.is_some() && !matches!(next, Next::Read { .. }) {
            self.end_past();
        }
        match next {
            Next::Send { events, settled } => {
                self.settled = settled && !self.announces_head;
                self.inner.stats.delivered.add(events.count() as u64);
                Step::Send(Item::Events(events))
            }
            Next::Wait {
                complete_to: Some(at),
            } if self.announces_head => self.come_to_head(at),
            Next::Read { after } => self.read_on(after),
            Next::Position(at) => send(Notice::Position(Some(self.shown(at)))),
            Next::Gap { last_sent, at } => self.pass_gap(last_sent, at),
            timed => self.by_clock(&timed),
        }
    }

    /// What the clock brings while history is read.
    pub(super) fn wait_for_history(&mut self, cx: &mut Context<'_>) -> Step {
        let next = self
            .shard
            .next_while_reading(self.index, self.connected, cx.waker());
        self.by_clock(&next)
    }

    fn by_clock(&mut self, next: &Next) -> Step {
        match next {
            Next::Ping(Ping::Comment) => send(Notice::Ping),
            Next::Ping(Ping::Block) => send(Notice::Position(self.position())),
            Next::Heartbeat => send(Notice::Heartbeat(SystemTime::now())),
            Next::Expiring { after } => send(Notice::Expiring { after: *after }),
            Next::End { retry, ended } => self.end(*ended, *retry),
            Next::Cut => {
                self.ended = Ended::GrantEnded;
                self.stage = Stage::Disconnected;
                Step::Again
            }
            _ => Step::Wait,
        }
    }

    /// History went on in another epoch.
    fn pass_gap(&mut self, last_sent: EventId, at: EventId) -> Step {
        if self.state.is_none() && !std::mem::replace(&mut self.connected, true) {
            self.shard.begins_after(self.index, at);
            if self.has_latest() {
                self.begin_with_latest(at);
                return Step::Again;
            }
            return send(Notice::Connected(self.shown(at)));
        }
        self.head = self.head.min(at);
        let oldest = self.inner.history.bounds().oldest;
        self.read_state_behind_gap();
        let requested = self.shown(last_sent).to_string();
        self.shard.has_sent_gap(self.index, last_sent, at);
        let gap = self.gap(requested, at, oldest);
        if self.has_latest() {
            let then = vec![Item::Notice(Notice::Position(Some(self.shown(at))))];
            return self.send_latest_behind_gap(gap, (last_sent, at), then);
        }
        send(gap)
    }

    pub(super) fn gap(
        &self,
        requested: String,
        position: EventId,
        oldest: Option<EventId>,
    ) -> Notice {
        self.inner.stats.gaps.add(1);
        Notice::Gap(Box::new(Gap {
            requested,
            // The last events of topics come before it.
            position: (!self.has_latest()).then(|| self.shown(position)),
            oldest: oldest.map(|id| self.shown(id)),
        }))
    }

    /// Ends the stream with a time after which its client is to come back.
    fn end(&mut self, ended: Ended, after: Duration) -> Step {
        self.stage = Stage::Disconnected;
        self.ended = ended;
        send(Notice::Reconnect {
            after,
            position: self.position(),
        })
    }

    /// History cannot be reached: the client is to come back later, with the id that it has.
    pub(super) fn refuse(&mut self) -> Step {
        self.end(Ended::Refused, Broadcaster::spread_retry())
    }

    /// Where the client goes on if it is cut now; `None` before it was sent a position, so that it keeps the one
    /// that it came with.
    fn position(&self) -> Option<Position> {
        let last_sent = || self.shown(self.shard.last_sent(self.index));
        self.connected.then(last_sent)
    }
}

pub(super) fn send(notice: Notice) -> Step {
    Step::Send(Item::Notice(notice))
}
