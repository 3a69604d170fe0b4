//! The same promises on real threads, with any timing. What each subscriber receives is recorded, and checked once all
//! events that were published are known.

use std::{
    sync::{Arc, Mutex, RwLock},
    thread,
    time::Duration,
};

use fastrand::Rng;
use futures_util::{
    StreamExt,
    future::{join, join_all},
};
use sse_broadcaster::{
    Broadcaster, Event, EventId, Format, Memory, Options, Start, broadcaster::EncodedStream,
    encoding::Sse, history::Retention,
};
use tokio::{runtime::Runtime, sync::Barrier, task::yield_now, time::timeout};

use crate::{
    model::gate::birth,
    model::oracle::{self, EVERY_TOPIC, Interest, Log, Opening, Published, Reader, Received},
    model::seed::seeds,
    model::wire::{Block, Parser},
};

const WINDOW: usize = 64;
const THREADS: usize = 3;
const SUBSCRIBERS: usize = 12;
const PUBLISHERS: usize = 2;
const BATCHES: usize = 800;
/// The last event, which everybody interest for and waits for.
const END: &str = "end";
/// For what must come: only a failure waits so long.
const LONG: Duration = Duration::from_secs(60);

/// What happened to one subscriber, in order.
enum Observation {
    Opened(Opening),
    /// The server wrote it; the trim floor then, or a later one.
    Written(Block, EventId),
}

/// What all take part in.
struct Shared {
    broadcaster: Broadcaster,
    birth: EventId,
    /// Everybody is there: then it begins.
    start: Barrier,
    record: Mutex<Vec<Published>>,
    /// Whether the end may have been published: who begins with what is new would miss it.
    has_ended: RwLock<bool>,
}

struct Subscriber {
    shared: Arc<Shared>,
    interest: Interest,
    format: Format,
    rng: Rng,
    received: Received,
    observations: Vec<Observation>,
}

impl Subscriber {
    fn new(shared: &Arc<Shared>, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        Self {
            shared: Arc::clone(shared),
            interest: Interest {
                topics: rng.u8(0..=EVERY_TOPIC),
                private: rng.bool(),
            },
            format: if rng.bool() {
                Format::Sse
            } else {
                Format::Json
            },
            rng,
            received: Received::default(),
            observations: Vec::new(),
        }
    }

    /// Until it has seen the end, however often it is cut.
    async fn run(mut self) -> Self {
        self.shared.start.wait().await;
        for _ in 0..self.rng.usize(0..50) {
            yield_now().await;
        }
        while !self.connect().await {}
        self
    }

    fn subscribe(&mut self) -> EncodedStream {
        let has_ended = self.shared.has_ended.read().unwrap();
        let start = match &self.received.last_id {
            Some(id) => Start::After(id.clone()),
            None if !*has_ended && self.rng.bool() => Start::Live,
            None => Start::Earliest,
        };
        let broadcaster = &self.shared.broadcaster;
        let stream = broadcaster.subscribe(self.interest.selector(), start.clone());
        let head = broadcaster.bounds().head;
        self.observations.push(Observation::Opened(match start {
            Start::After(id) => Opening::After(id.parse().unwrap()),
            Start::Live => Opening::Live(head),
            _ => Opening::Any,
        }));
        stream.unwrap().encoded(self.format.encoder())
    }

    async fn connect(&mut self) -> bool {
        let mut stream = self.subscribe();
        let (mut written, mut got) = (Parser::default(), Parser::default());
        loop {
            let bytes = stream.next().await.unwrap().unwrap();
            let floor = self.shared.broadcaster.bounds().trim_floor;
            let blocks = written.feed(bytes.iter().copied());
            self.observations.extend(
                blocks
                    .into_iter()
                    .map(|block| Observation::Written(block, floor)),
            );
            let is_cut = self.rng.u8(..) < 12;
            let some = if is_cut {
                self.rng.usize(0..=bytes.len())
            } else {
                bytes.len()
            };
            let mut ended = false;
            for block in got.feed(bytes.into_iter().take(some)) {
                ended |= block.name.is_none() && block.data.contains(END);
                self.received.see(&block);
            }
            if ended || is_cut {
                return ended;
            }
            self.stall().await;
        }
    }

    /// Mostly not at all, sometimes until history has overtaken it, if that comes.
    async fn stall(&mut self) {
        let turns = match self.rng.u8(..) {
            0..4 => 2_000,
            4..32 => self.rng.usize(1..30),
            _ => 0,
        };
        let head = self.shared.broadcaster.bounds().head;
        for _ in 0..turns {
            yield_now().await;
            if self.shared.broadcaster.bounds().trim_floor > head {
                break;
            }
        }
    }

    /// `strict`: walks and polls were on one thread, so that what is lost is known exactly.
    fn judge(self, log: &Log, strict: bool) {
        let (mut reader, mut opening) = (Reader::new(self.interest, self.format), Opening::Any);
        for note in self.observations {
            match note {
                Observation::Opened(of) => {
                    reader = Reader::new(self.interest, self.format);
                    opening = of;
                }
                Observation::Written(block, floor) => {
                    reader.see(&block, log, floor, opening, strict);
                }
            }
        }
        self.received.check(self.interest, log);
    }
}

/// Comes and goes, and reads a little at most.
async fn pass_by(shared: Arc<Shared>, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    shared.start.wait().await;
    for _ in 0..200 {
        let interest = Interest {
            topics: rng.u8(0..=EVERY_TOPIC),
            private: false,
        };
        let start = Start::Last(rng.usize(0..9));
        let broadcaster = &shared.broadcaster;
        let mut stream = broadcaster
            .subscribe(interest.selector(), start)
            .unwrap()
            .encoded(&Sse);
        for _ in 0..rng.usize(0..4) {
            let _ = timeout(Duration::from_millis(1), stream.next()).await;
        }
        drop(stream);
        yield_now().await;
    }
}

impl Shared {
    /// For so many subscribers beside those that pass by, one on each thread.
    fn new(shards: usize, subscribers: usize) -> Arc<Self> {
        let memory = Memory::new(Retention::new().events(WINDOW));
        let birth = birth(&memory);
        let options = Options::default()
            .shards(shards)
            .publish_wait(LONG)
            .ping_interval(Duration::from_millis(5))
            .max_event_bytes(1_000);
        Arc::new(Self {
            broadcaster: Broadcaster::start(memory, options).unwrap(),
            birth,
            start: Barrier::new(subscribers + THREADS + PUBLISHERS),
            record: Mutex::default(),
            has_ended: RwLock::default(),
        })
    }

    async fn publish(&self, topics: &[u8], events: Vec<Event>) {
        let appended = self.broadcaster.publish(events.clone()).await.unwrap();
        let mut record = self.record.lock().unwrap();
        for ((topics, event), id) in topics.iter().zip(&events).zip(appended.ids) {
            record.push(Published::new(id, *topics, None, event));
        }
    }

    async fn publish_at_random(self: Arc<Self>, seed: u64) {
        let (mut rng, mut next) = (Rng::with_seed(seed), seed << 32);
        self.start.wait().await;
        for _ in 0..BATCHES {
            let events = rng.usize(1..=4);
            let topics: Vec<u8> = (0..events).map(|_| rng.u8(1..=EVERY_TOPIC)).collect();
            let event = |topics: &u8| {
                next += 1;
                oracle::event(*topics, rng.u8(..) < 20, None, next.to_string())
            };
            let events = topics.iter().map(event).collect();
            self.publish(&topics, events).await;
            if rng.u8(..) < 8 {
                yield_now().await;
            }
        }
    }

    /// All that is published, and the end behind it.
    async fn play(self: &Arc<Self>) {
        let publish = |seed| tokio::spawn(Arc::clone(self).publish_at_random(seed));
        for published in join_all(seeds(255).take(PUBLISHERS).map(publish)).await {
            published.unwrap();
        }
        *self.has_ended.write().unwrap() = true;
        let end = oracle::event(EVERY_TOPIC, false, None, END.into());
        self.publish(&[EVERY_TOPIC], vec![end]).await;
    }

    /// Subscribers on this runtime, until all have seen the end.
    async fn serve(self: &Arc<Self>, seeds: impl Iterator<Item = u64>) -> Vec<Subscriber> {
        let subscribers = seeds.map(|seed| tokio::spawn(Subscriber::new(self, seed).run()));
        let ended = timeout(LONG, join_all(subscribers)).await;
        let ended = ended.expect("everybody sees the end").into_iter();
        ended.map(|subscriber| subscriber.unwrap()).collect()
    }

    fn judge(&self, subscribers: Vec<Subscriber>, strict: bool) {
        let mut published = std::mem::take(&mut *self.record.lock().unwrap());
        published.sort_by_key(|event| event.id);
        let mut log = Log::new(self.birth);
        for event in published {
            log.push(event);
        }
        for subscriber in subscribers {
            subscriber.judge(&log, strict);
        }
    }
}

fn threads(threads: usize) -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(threads)
        .enable_time()
        .build()
        .unwrap()
}

/// As a worker of a web server does.
fn serve_on_this_thread(shared: &Arc<Shared>, thread: u64) -> Vec<Subscriber> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().build().unwrap();
    runtime.block_on(async {
        tokio::spawn(shared.broadcaster.attend());
        tokio::spawn(pass_by(Arc::clone(shared), thread));
        shared.serve(seeds(thread).take(SUBSCRIBERS)).await
    })
}

#[test]
fn threads_with_a_runtime_and_a_shard_each_keep_the_promises() {
    let home = threads(1);
    let shared = home.block_on(async { Shared::new(THREADS, THREADS * SUBSCRIBERS) });
    let subscribers = thread::scope(|scope| {
        let serve = |thread| {
            let shared = &shared;
            scope.spawn(move || serve_on_this_thread(shared, thread))
        };
        let served: Vec<_> = (0..THREADS as u64).map(serve).collect();
        home.block_on(shared.play());
        let served = served.into_iter();
        served.flat_map(|thread| thread.join().unwrap()).collect()
    });
    shared.judge(subscribers, true);
    assert_eq!(shared.broadcaster.stats().subscribers.get(), 0);
}

#[test]
fn tasks_that_move_between_the_threads_of_one_runtime_keep_the_promises() {
    threads(THREADS).block_on(async {
        let shared = Shared::new(2, 2 * SUBSCRIBERS);
        for seed in 0..THREADS as u64 {
            tokio::spawn(pass_by(Arc::clone(&shared), seed));
        }
        let serving = shared.serve(seeds(0).take(2 * SUBSCRIBERS));
        let (subscribers, ()) = join(serving, shared.play()).await;
        shared.judge(subscribers, false);
    });
}
