//! What a stream reads of history behind what its shard holds.

use std::task::Context;

use super::{Stage, Step, Subscription, next::send, past::Past};
use crate::{
    broadcaster::{
        item::Item,
        replay::{buffers::Lease, found::Replay},
        size::CHUNK,
    },
    event::EventId,
    history::{Chunk, Unavailable},
    sse::Notice,
};

impl Subscription {
    pub(super) fn read_on(&mut self, after: EventId) -> Step {
        let replays = &self.inner.replays;
        let past = self.past.as_mut();
        let ahead = past.and_then(|past| past.ahead.take(replays, &self.selector, after));
        let reading = ahead.unwrap_or_else(|| replays.read(&self.selector, after, CHUNK));
        self.stage = Stage::Replaying(match self.waits_until() {
            Some(until) => replays.delayed(until, reading),
            None => reading,
        });
        Step::Again
    }

    pub(super) fn has_replayed(
        &mut self,
        read: Result<(Chunk, Lease), Unavailable>,
        cx: &mut Context<'_>,
    ) -> Step {
        self.stage = Stage::Open;
        let Ok((chunk, lease)) = read else {
            return self.refuse();
        };
        let mut replay = Replay::of(chunk, lease);
        if replay.gap && self.has_latest() {
            replay = replay.without_events();
        }
        self.read_ahead(replay.read_to, cx);
        if let Some(step) = self.replay(&replay) {
            return step;
        }
        // A read that found nothing lets others go on: the shard may first have to be walked by this very thread.
        cx.waker().wake_by_ref();
        Step::Wait
    }

    /// Lets the next chunk be read while this one is encoded and sent.
    fn read_ahead(&mut self, read_to: EventId, cx: &mut Context<'_>) {
        if self.waits_until().is_none() {
            let past = Past::begin(&mut self.past, &self.inner.replays);
            let from = (&self.inner.replays, &*self.inner.window);
            past.ahead.begin(from, &self.selector, read_to, cx);
        }
    }

    fn replay(&mut self, replay: &Replay) -> Option<Step> {
        let is_gap = replay.gap || self.lacks(replay);
        let behind_gap = is_gap.then_some(replay.after);
        let sent = replay.last_id().or(behind_gap);
        let last_sent = self.shard.has_read(self.index, replay.read_to(), sent)?;
        let mut gap = None;
        if is_gap {
            self.told_to = self.inner.window.head().id;
            let requested = self.shown(last_sent).to_string();
            self.shard.has_sent_gap(self.index, last_sent, replay.after);
            let notice = self.gap(requested, replay.after, replay.oldest);
            if self.read_state_behind_gap() {
                return Some(send(notice));
            }
            if self.has_latest() {
                let then = vec![Item::Notice(Notice::Position(Some(
                    self.shown(replay.after),
                )))];
                return Some(self.send_latest_behind_gap(notice, (last_sent, replay.after), then));
            }
            gap = Some(Item::Notice(notice));
        }
        let items: Vec<_> = gap.into_iter().chain(self.found(replay)).collect();
        (!items.is_empty()).then(|| self.send_all(items))
    }

    /// Whether something that was erased is lost for it.
    fn lacks(&self, replay: &Replay) -> bool {
        replay.erased.is_some_and(|erased| erased > self.told_to)
    }

    /// The events that were read, and the position of the head that a replay has come to.
    pub(super) fn found(&mut self, replay: &Replay) -> impl Iterator<Item = Item> + use<> {
        let events = replay.events.clone();
        if let Some(events) = &events {
            self.inner.stats.replayed.add(events.count() as u64);
            self.inner.stats.delivered.add(events.count() as u64);
        }
        let head = (replay.read_to >= self.head).then(|| self.reach_head());
        events
            .map(Item::Events)
            .into_iter()
            .chain(head.flatten().map(Item::Notice))
    }

    /// Everything up to this position was sent, and nothing else is due: the position of the head is, once that is
    /// reached.
    pub(super) fn come_to_head(&mut self, complete_to: EventId) -> Step {
        if complete_to >= self.head {
            return self.reach_head().map_or(Step::Wait, send);
        }
        // What the shard holds may end before the head, and what comes next may never match.
        if complete_to < self.inner.window.head().id {
            return self.read_on(complete_to);
        }
        Step::Wait
    }

    fn reach_head(&mut self) -> Option<Notice> {
        if !std::mem::take(&mut self.announces_head) {
            return None;
        }
        let is_new = self.shard.reach(self.index, self.head);
        is_new.then(|| Notice::Position(Some(self.shown(self.head))))
    }
}
