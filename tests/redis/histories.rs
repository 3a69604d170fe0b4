//! Nodes without a server of their own: histories on one Redis, used as a program uses them.

use std::{future::Future, net::SocketAddr};

use sse_broadcaster::{
    Event, EventId, Selector,
    history::{
        AppendError, Appended, Chunk, EraseScope, Erased, Erasure, From, History, Limit,
        ReservationGuard, Retention,
    },
};
use sse_broadcaster_redis::{Redis, RedisOptions};
use tokio::runtime::Runtime;

use crate::support::wait_until;

pub const ALL: Limit = Limit::new(usize::MAX, usize::MAX);

/// A node without a server of its own.
pub struct Node {
    runtime: Runtime,
    pub history: Redis,
}

impl Node {
    pub fn start(redis: SocketAddr, log: usize, window: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let options = RedisOptions::new(format!("redis://{redis}"))
            .retention(Retention::new().events(log))
            .window(Retention::new().events(window));
        let history = {
            let _entered = runtime.enter();
            Redis::connect(options).unwrap()
        };
        let node = Self { runtime, history };
        node.wait_for_health();
        node
    }

    pub fn wait_for_health(&self) {
        wait_until("history is there", || {
            self.history.health().is_ok() && self.history.bounds().epoch != 0
        });
    }

    fn run<T>(&self, task: impl Future<Output = T>) -> T {
        self.runtime.block_on(task)
    }

    pub fn try_publish(&self, topic: &str, data: &str) -> Result<Appended, AppendError> {
        let event = Event::builder(data).topic(topic).build().unwrap();
        let append = self
            .history
            .append(event.into(), ReservationGuard::default());
        self.run(append)
    }

    pub fn publish(&self, topic: &str, data: &str) -> EventId {
        self.try_publish(topic, data).unwrap().ids[0]
    }

    pub fn try_erase(&self, topic: &str) -> Result<Erased, AppendError> {
        let erasure = Erasure {
            topic: topic.parse().unwrap(),
            up_to: None,
            scope: EraseScope::Every,
        };
        self.run(self.history.erase(erasure, ReservationGuard::default()))
    }

    pub fn erase(&self, topic: &str) -> usize {
        self.try_erase(topic).unwrap().events
    }

    pub fn head(&self) -> EventId {
        self.history.bounds().head
    }

    /// Waits until its window has come as far as another's, which has come to this.
    pub fn wait_for(&self, other: &Self, least: EventId) {
        wait_until("the windows are as far", || {
            other.head() > least && self.head() == other.head()
        });
    }

    pub fn read(&self, from: From<'_>) -> Chunk {
        self.run(self.history.read(from, &Selector::all(), ALL))
            .unwrap()
    }
}

pub fn data(chunk: &Chunk) -> Vec<&str> {
    let data = chunk.events.iter().map(|found| found.event().data());
    data.collect()
}
