//! Publishers, and what they have published.

use std::{sync::Arc, task::Poll};

use sse_broadcaster::{Event, EventId, broadcaster::PublishError, history::Appended};

use super::{Task, World, flag::Flag};
use crate::model::oracle::{self, Published};

/// An event to publish.
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub topics: u8,
    pub private: bool,
    pub key: Option<u8>,
}

pub(super) struct Publisher {
    batch: Vec<(NewEvent, Event)>,
    task: Task<Result<Appended, PublishError>>,
    woken: Arc<Flag>,
}

impl World {
    /// Publishes the batch, cut to what one publish may have.
    pub fn publish(&mut self, mut batch: Vec<NewEvent>, data_bytes: usize) {
        batch.truncate(self.shape.events / 4);
        let (mut events, mut bytes) = (Vec::new(), 0);
        for new in batch {
            self.published += 1;
            let data = format!(
                "{:0>1$}",
                self.published,
                data_bytes.min(self.shape.data_bytes)
            );
            let event = oracle::event(new.topics, new.private, new.key, data);
            bytes += event.most_memory();
            if bytes <= self.shape.bytes / 4 {
                events.push((new, event));
            }
        }
        let batch: Vec<Event> = events.iter().map(|(_, event)| event.clone()).collect();
        let broadcaster = self.broadcaster.clone();
        self.publishers.push(Publisher {
            batch: events,
            task: Box::pin(async move { broadcaster.publish(batch).await }),
            woken: Flag::raised(),
        });
        self.poll_publishers();
    }

    /// Polls each publisher that was woken; whether any was.
    pub fn poll_publishers(&mut self) -> bool {
        let mut went_on = false;
        for mut publisher in std::mem::take(&mut self.publishers) {
            went_on |= publisher.woken.is_raised();
            let guard = self.runtime.enter();
            let polled = publisher.woken.poll(|cx| publisher.task.as_mut().poll(cx));
            drop(guard);
            match polled {
                Poll::Pending => self.publishers.push(publisher),
                Poll::Ready(Ok(appended)) => self.keep(publisher.batch, &appended.ids),
                Poll::Ready(Err(error)) => panic!("refused: {error}"),
            }
        }
        went_on
    }

    /// Drops a publisher that waits for room: nothing of it was kept.
    pub fn drop_a_publisher(&mut self) {
        self.publishers.pop();
    }

    fn keep(&mut self, batch: Vec<(NewEvent, Event)>, ids: &[EventId]) {
        assert_eq!(batch.len(), ids.len());
        let dropped = self.dropped;
        for ((new, event), id) in batch.into_iter().zip(ids) {
            let held = &self.log.events[dropped..];
            let first = held
                .iter()
                .find(|held| new.key.is_some() && held.key == new.key);
            if let Some(first) = first {
                assert_eq!(
                    *id, first.id,
                    "a repeated idempotency key has the position of the first"
                );
            } else {
                let event = Published::new(*id, new.topics, new.key, &event);
                self.log.push(event);
            }
        }
        self.trim();
    }

    fn held_bytes(&self) -> usize {
        let held = self.held().iter();
        let topics = held.clone().fold(0, |all, event| all | event.topics);
        let topics = oracle::names(topics).len();
        held.map(|event| event.memory).sum::<usize>() + topics * oracle::NEW_TOPIC_BYTES
    }

    pub(super) fn trim(&mut self) {
        while self.held().len() > self.shape.events || self.held_bytes() > self.shape.bytes {
            self.dropped += 1;
        }
        let bounds = self.broadcaster.bounds();
        assert_eq!(bounds.head, self.log.head());
        if self.shape.age.is_some() {
            self.dropped = self.log.index_after(bounds.trim_floor);
        }
        assert_eq!(bounds.trim_floor, self.log.before(self.dropped));
        assert_eq!(bounds.events, self.held().len());
    }
}
