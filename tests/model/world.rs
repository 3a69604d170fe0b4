//! A broadcaster that a test drives step by step: nothing happens but by a step, and nothing is polled that was
//! not woken.

mod flag;
mod publishing;
mod rest;
mod shape;
mod subscribing;

use std::{fmt, future::Future, pin::Pin, sync::Arc, thread, time::Duration};

use sse_broadcaster::{Broadcaster, EventId, Memory, Options, history::Retention};
use tokio::runtime::Runtime;

use self::publishing::Publisher;
pub use self::{flag::Flag, publishing::NewEvent, shape::Shape, subscribing::Client};
use crate::{
    model::gate::{Gate, Gated, Reads, birth},
    model::oracle::{Log, Published},
};

/// Longer than any number of steps moves the clock.
const PUBLISH_WAIT: Duration = Duration::from_secs(1 << 20);
/// How often the clock is advanced before a stream that is sent nothing receives its ping.
pub const TICKS_PER_PING: u32 = 7;
const PING_INTERVAL: Duration = Duration::from_secs(4);

type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

struct Walker {
    task: Task<()>,
    woken: Arc<Flag>,
}

pub struct World {
    shape: Shape,
    pub broadcaster: Broadcaster,
    gate: Gate,
    walkers: Vec<Walker>,
    publishers: Vec<Publisher>,
    pub clients: Vec<Client>,
    pub log: Log,
    /// How many events of the log retention has dropped.
    dropped: usize,
    published: usize,
    runtime: Runtime,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

/// Calls it on a new thread, which is assigned the next shard.
fn on_a_new_thread<T: Send>(call: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(call).join()).expect("a thread")
}

impl World {
    pub fn new(shape: Shape) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let retention = Retention::new()
            .events(shape.events)
            .bytes(shape.bytes)
            .age(shape.age);
        let history = Gated {
            memory: Memory::new(retention),
            gate: Gate::default(),
        };
        let (gate, log) = (history.gate.clone(), Log::new(birth(&history)));
        let options = Options::default()
            .shards(shape.shards)
            .ping_interval(PING_INTERVAL)
            .publish_wait(PUBLISH_WAIT)
            .max_event_bytes(shape.data_bytes);
        let guard = runtime.enter();
        let broadcaster = Broadcaster::start(history, options).unwrap();
        drop(guard);
        // Pings come an interval after the ping task has started.
        runtime.block_on(tokio::task::yield_now());
        let mut world = Self {
            shape,
            broadcaster,
            gate,
            walkers: Vec::new(),
            publishers: Vec::new(),
            clients: Vec::new(),
            log,
            dropped: 0,
            published: 0,
            runtime,
        };
        world.attend();
        world
    }

    fn attend(&mut self) {
        for _ in 0..self.shape.shards {
            let broadcaster = &self.broadcaster;
            let task: Task<()> = if self.shape.shards > 1 {
                on_a_new_thread(|| Box::pin(broadcaster.attend()))
            } else {
                Box::pin(broadcaster.attend())
            };
            let woken = Flag::raised();
            self.walkers.push(Walker { task, woken });
        }
    }

    /// Drops the tasks of the walks, wherever they are.
    pub fn stop_walking(&mut self) {
        self.walkers.clear();
    }

    /// Drops them, and starts others.
    pub fn replace_walkers(&mut self) {
        self.stop_walking();
        self.attend();
    }

    /// Polls each walk that was woken once; whether any was.
    pub fn walk(&mut self) -> bool {
        let _guard = self.runtime.enter();
        let mut walked = false;
        for walker in &mut self.walkers {
            walked |= walker.woken.is_raised();
            let ended = walker.woken.poll(|cx| walker.task.as_mut().poll(cx));
            assert!(ended.is_pending(), "walks end with the broadcaster");
        }
        walked
    }

    /// Advances the clock by an interval of pings.
    pub fn ping(&mut self) {
        for _ in 0..TICKS_PER_PING {
            self.tick();
        }
    }

    /// Advances the clock to the next check of the ping task.
    pub fn tick(&mut self) {
        self.runtime.block_on(async {
            tokio::time::advance(PING_INTERVAL / 8).await;
            tokio::task::yield_now().await;
        });
    }

    /// Waits until all events so far are too old to be kept, where age has a bound.
    pub fn expire_events(&mut self) {
        if let Some(age) = self.shape.age {
            thread::sleep(age + Duration::from_millis(1));
        }
        self.trim();
    }

    pub fn set_reads(&mut self, reads: Reads) {
        self.gate.set(reads);
    }

    /// How often history was read so far.
    pub fn reads(&self) -> usize {
        self.gate.reads()
    }

    pub fn floor(&self) -> EventId {
        self.broadcaster.bounds().trim_floor
    }

    /// The events that history holds.
    fn held(&self) -> &[Published] {
        &self.log.events[self.dropped..]
    }
}
