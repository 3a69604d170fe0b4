//! Where a stream begins.

use std::{sync::Arc, time::Instant};

use super::{Stage, Step, Subscription, next::send};
use crate::{
    broadcaster::{
        item::Item,
        polls, reconnects,
        replay::{found::Replay, origin::Origin},
        start::Start,
    },
    event::EventId,
    history::Unavailable,
    sse::Notice,
};

impl Subscription {
    pub(super) fn open(&mut self, start: Start) -> Step {
        let streams = self.inner.subscribers.get();
        let retry = Notice::Retry(reconnects::opening(streams));
        let deadline = self.selector.deadline();
        // The clock would be checked too late.
        if deadline.is_some_and(|deadline| deadline <= Instant::now() + polls::LONGEST) {
            self.stage = Stage::Disconnected;
            return send(retry);
        }
        if self.read_state() {
            return send(retry);
        }
        if start != Start::Live {
            let origin = self.inner.positions.brought(start.clone());
            self.locate(start, &origin);
            return send(retry);
        }
        self.stage = Stage::Open;
        let at = self.shard.last_sent(self.index);
        // History was not reached yet, so that there is no position: it is sent with the first.
        if at == EventId::new(0, 0) {
            return send(retry);
        }
        if self.has_latest() {
            self.begin_with_latest(at);
            return send(retry);
        }
        self.connected = true;
        let connected = Notice::Connected(self.shown(at));
        self.send_all([retry, connected].map(Item::Notice))
    }

    pub(super) fn locate(&mut self, start: Start, origin: &Origin) -> Step {
        let replays = &self.inner.replays;
        let encoding = self.encoder.map(|_| self.encoding().key());
        let locating = replays.locate(&self.selector, encoding, origin);
        self.stage = Stage::Locating(Box::new((start, locating)));
        Step::Again
    }

    pub(super) fn has_located(&mut self, found: Result<Arc<Replay>, Unavailable>) -> Step {
        let Stage::Locating(locating) = std::mem::replace(&mut self.stage, Stage::Open) else {
            return Step::Again;
        };
        let start = locating.0;
        match found {
            // The position of the state is lost already: it is sent anew instead.
            Ok(replay) if replay.gap && self.read_state() => Step::Again,
            // To hold on to what was read while the last events wait for room could make others wait for each other.
            Ok(replay) if replay.gap && self.has_latest() => {
                self.begin(&start, &replay.without_events())
            }
            Ok(replay) => self.begin(&start, &replay),
            Err(_) => self.refuse(),
        }
    }

    fn begin(&mut self, start: &Start, replay: &Replay) -> Step {
        if let Some(state) = &mut self.state {
            state.are_complete();
        }
        if replay.gap {
            self.told_to = self.inner.window.head().id;
        }
        let after = self.inner.positions.id_before(start);
        let gap = replay.gap.then(|| {
            self.shard.has_sent_gap(self.index, after, replay.after);
            self.gap(start.requested(), replay.after, replay.oldest)
        });
        let is_first = !std::mem::replace(&mut self.connected, true);
        let connected = is_first.then(|| {
            // Behind a state it is the state's position, which the client did not choose.
            let start = if self.state.is_none() {
                start
            } else {
                &Start::Live
            };
            let positions = &self.inner.positions;
            Notice::Connected(positions.shown_start(replay.after, start, &self.selector, self.salt))
        });
        let sent = replay.last_id().unwrap_or(replay.after);
        let window = &self.inner.window;
        let expiring = self
            .shard
            .has_begun(window, self.index, replay.after, replay.read_to(), sent)
            .map(|after| Notice::Expiring { after });
        let begun = [connected, expiring].into_iter().flatten();
        let begun: Vec<_> = begun.map(Item::Notice).chain(self.found(replay)).collect();
        match gap {
            Some(gap) if self.has_latest() => {
                self.send_latest_behind_gap(gap, (after, replay.after), begun)
            }
            gap => {
                let gap = gap.map(Item::Notice).into_iter();
                self.send_all(gap.chain(begun).collect::<Vec<_>>())
            }
        }
    }

    /// Sends these one behind the other.
    pub(super) fn send_all(&mut self, items: impl Into<Vec<Item>>) -> Step {
        let mut items = items.into();
        items.reverse();
        self.stage = Stage::Sending(items);
        Step::Again
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use futures_util::{StreamExt as _, future::BoxFuture};

    use super::*;
    use crate::{
        Event, Memory, Options, Selector,
        broadcaster::{Broadcaster, Snapshot, Snapshots},
        history::Retention,
        sse::{Position, PositionCipher},
    };

    /// Hides nothing: an encrypted position differs only in its kind.
    #[derive(Debug)]
    struct Plain;

    impl PositionCipher for Plain {
        fn encrypt(&self, id: EventId, _: u32) -> [u8; 16] {
            let number = (u128::from(id.ms()) << 64) | u128::from(id.seq());
            number.to_be_bytes()
        }

        fn decrypt(&self, encrypted: [u8; 16]) -> EventId {
            let (ms, seq) = encrypted.split_at(8);
            let part = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
            EventId::new(part(ms), part(seq))
        }
    }

    /// No state, as of this position.
    struct Empty(EventId);

    impl Snapshots for Empty {
        fn take(&self) -> BoxFuture<'static, Result<Snapshot, Unavailable>> {
            let snapshot = Snapshot::last(self.0, Vec::new());
            Box::pin(async move { Ok(snapshot) })
        }
    }

    async fn connected(mut subscription: Subscription) -> Position {
        while let Some(item) = subscription.next().await {
            if let Item::Notice(Notice::Connected(at)) = item {
                return at;
            }
        }
        panic!("the stream has ended");
    }

    #[tokio::test]
    async fn the_id_of_a_private_event_counts_as_unknown_where_its_client_guessed_it() {
        let options = Options::default().position_cipher(Arc::new(Plain));
        let memory = Memory::new(Retention::default());
        let broadcaster = Broadcaster::start(memory, options).unwrap();
        let private = Event::builder("").topic("a").private().build().unwrap();
        let id = broadcaster.publish_one(private).await.unwrap();
        let encrypted = Position::Encrypted(Plain.encrypt(id, 0));
        let unknown = EventId::new(id.ms(), id.seq() + 1).to_string();
        let all = Selector::all;

        let with_state = broadcaster.subscribe_to_state(all(), Arc::new(Empty(id)));
        assert_eq!(connected(with_state.unwrap()).await, encrypted);
        let after = |text: String| broadcaster.subscribe(all(), Start::After(text)).unwrap();
        assert_eq!(
            connected(after(id.to_string())).await,
            connected(after(unknown)).await
        );
        assert_eq!(connected(after(encrypted.to_string())).await, encrypted);
        let live = broadcaster.subscribe(all(), Start::Live).unwrap();
        assert_eq!(connected(live).await, encrypted);
    }
}
