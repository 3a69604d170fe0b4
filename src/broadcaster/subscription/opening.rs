//! Where a stream begins.

use std::sync::Arc;

use super::{Stage, Step, Subscription, next::send};
use crate::{
    broadcaster::{inner::Inner, item::Item, reconnects, replay::found::Replay, start::Start},
    event::EventId,
    history::Unavailable,
    sse::Notice,
};

impl Subscription {
    pub(super) fn open(&mut self, start: Start) -> Step {
        let streams = self.inner.subscribers.get();
        let retry = Notice::Retry(reconnects::opening(streams));
        if self.read_state() {
            return send(retry);
        }
        if start != Start::Live {
            self.locate(start);
            return send(retry);
        }
        self.stage = Stage::Open;
        let at = self.shard.last_sent(self.index);
        // History was not reached yet, so that there is no position: it is sent with the first.
        if at == EventId::new(0, 0) {
            return send(retry);
        }
        self.connected = true;
        let connected = Notice::Connected(self.shown(at));
        self.send_all([retry, connected].map(Item::Notice))
    }

    pub(super) fn locate(&mut self, start: Start) -> Step {
        let Inner {
            positions, replays, ..
        } = &*self.inner;
        let from = positions.decrypted(start.clone());
        let locating = replays.locate(&self.selector, self.encoder, &from);
        self.stage = Stage::Locating(start, locating);
        Step::Again
    }

    pub(super) fn has_located(&mut self, found: Result<Arc<Replay>, Unavailable>) -> Step {
        let Stage::Locating(start, _) = std::mem::replace(&mut self.stage, Stage::Open) else {
            return Step::Again;
        };
        match found {
            // The position of the state is lost already: it is sent anew instead.
            Ok(replay) if replay.gap && self.read_state() => Step::Again,
            Ok(replay) => self.begin(&start, &replay),
            Err(_) => self.refuse(),
        }
    }

    fn begin(&mut self, start: &Start, replay: &Replay) -> Step {
        if let Some(state) = &mut self.state {
            state.are_complete();
        }
        let gap = replay
            .gap
            .then(|| self.gap(start.requested(), replay.after, replay.oldest));
        let is_first = !std::mem::replace(&mut self.connected, true);
        let connected = is_first.then(|| {
            let positions = &self.inner.positions;
            let brought = match start {
                Start::After(text) => text,
                _ => "",
            };
            Notice::Connected(positions.shown_again(replay.after, &self.selector, brought))
        });
        let sent = replay.last_id().unwrap_or(replay.after);
        let window = &self.inner.window;
        self.shard
            .has_begun(window, self.index, replay.read_to(), sent);
        let notices = [gap, connected].into_iter().flatten();
        let items: Vec<_> = notices
            .map(Item::Notice)
            .chain(self.found(replay))
            .collect();
        self.send_all(items)
    }

    /// Sends these one behind the other.
    pub(super) fn send_all(&mut self, items: impl Into<Vec<Item>>) -> Step {
        self.stage = Stage::Sending(items.into().into_iter());
        Step::Again
    }
}
