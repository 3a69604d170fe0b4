//! A broadcaster on that history, and its readers, driven step by step.

use std::{
    sync::Arc,
    task::{Poll, Wake},
};

use futures_util::{
    StreamExt,
    future::{BoxFuture, FutureExt},
};
use sse_broadcaster::{
    Broadcaster, Event, EventId, Options, Selector, Start, broadcaster::EncodedStream,
    encoding::Sse,
};
use tokio::runtime::Runtime;

use super::{MAX_EVENT_BYTES, history::ReplaceableLog};
use crate::{
    model::wire::{Block, Parser},
    model::world::Flag,
};

pub(super) struct World {
    runtime: Runtime,
    pub(super) history: ReplaceableLog,
    pub(super) broadcaster: Broadcaster,
    walks: BoxFuture<'static, ()>,
    walker: Arc<Flag>,
}

pub(super) struct Reader {
    stream: EncodedStream,
    pub(super) topic: &'static str,
    woken: Arc<Flag>,
    parser: Parser,
    blocks: Vec<Block>,
}

impl World {
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let history = ReplaceableLog::new();
        let options = Options::default()
            .shards(1)
            .max_event_bytes(MAX_EVENT_BYTES);
        let guard = runtime.enter();
        let broadcaster = Broadcaster::start(history.clone(), options).unwrap();
        drop(guard);
        Self {
            walks: broadcaster.attend().boxed(),
            walker: Flag::raised(),
            runtime,
            history,
            broadcaster,
        }
    }

    pub(super) fn logs(&self) -> Vec<Vec<EventId>> {
        self.history.logs.lock().unwrap().clone()
    }

    pub(super) fn log(&self) -> Vec<EventId> {
        self.logs().pop().unwrap()
    }

    pub(super) fn publish(&self, events: usize) -> EventId {
        self.publish_text("x", events)
    }

    pub(super) fn publish_text(&self, text: &str, events: usize) -> EventId {
        let _guard = self.runtime.enter();
        let event = Event::builder(text).topic("a").build().unwrap();
        let appended = self.broadcaster.publish(vec![event; events]).now_or_never();
        *appended
            .expect("there is room")
            .unwrap()
            .ids
            .last()
            .unwrap()
    }

    /// Polls the walk once: it visits the senders of one hold of the lock.
    pub(super) fn walk(&mut self) {
        let walks = &mut self.walks;
        assert!(self.walker.poll(|cx| walks.poll_unpin(cx)).is_pending());
    }

    pub(super) fn join(&self, start: Start) -> Reader {
        self.join_topic("a", start)
    }

    pub(super) fn join_topic(&self, topic: &'static str, start: Start) -> Reader {
        let selector = Selector::topics(&[topic]).unwrap();
        Reader {
            stream: self
                .broadcaster
                .subscribe(selector, start)
                .unwrap()
                .encoded(&Sse),
            topic,
            woken: Flag::raised(),
            parser: Parser::default(),
            blocks: Vec::new(),
        }
    }

    pub(super) fn settle<'a>(&mut self, readers: impl IntoIterator<Item = &'a mut Reader>) {
        let mut readers: Vec<_> = readers.into_iter().collect();
        for _ in 0..20 {
            self.walk();
            for reader in &mut readers {
                while reader.poll() {}
            }
        }
    }
}

impl Reader {
    /// Polls the stream if it was woken; whether it yielded anything.
    pub(super) fn poll(&mut self) -> bool {
        let stream = &mut self.stream;
        match self.woken.poll(|cx| stream.poll_next_unpin(cx)) {
            Poll::Ready(bytes) => {
                self.woken.wake_by_ref();
                self.blocks
                    .extend(self.parser.feed(bytes.unwrap().unwrap()));
                true
            }
            Poll::Pending => false,
        }
    }

    /// Names and ids of the blocks since the last call.
    pub(super) fn seen(&mut self) -> Vec<(String, String)> {
        let blocks = self.blocks.drain(..);
        let named = |block: Block| (block.name.unwrap_or_default(), block.id.unwrap());
        blocks.map(named).collect()
    }
}
