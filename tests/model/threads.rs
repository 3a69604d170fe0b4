//! The same promises on real threads, whatever their timing. What each subscriber got is written down
//! and judged once everything that was published is known.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use fastrand::Rng;
use futures_util::{StreamExt, future::join_all};
use sse_broadcaster::{
    Broadcaster, Event, EventId, Form, Memory, Options, Start, history::Retention,
};
use tokio::{runtime, task::yield_now, time::timeout};

use crate::{
    oracle::{self, Asks, Chain, EVERY_TOPIC, Log, Opening, Published, Reader},
    seed::seeds,
    wire::{Block, Parser},
};

const WINDOW: usize = 64;
const THREADS: usize = 3;
const SUBSCRIBERS: usize = 12;
const PUBLISHERS: usize = 2;
const BATCHES: usize = 800;
/// The last event, which everybody asks for and waits for.
const END: &str = "end";
/// For what must come: only a failure waits so long.
const LONG: Duration = Duration::from_secs(60);

/// What happened to one subscriber, in order.
enum Note {
    Opened(Opening),
    /// The server wrote it; the trim floor then, or a later one.
    Written(Block, EventId),
}

struct Subscriber {
    broadcaster: Broadcaster,
    asks: Asks,
    form: Form,
    rng: Rng,
    chain: Chain,
    notes: Vec<Note>,
}

impl Subscriber {
    fn new(broadcaster: Broadcaster, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        Self {
            broadcaster,
            asks: Asks {
                topics: rng.u8(0..=EVERY_TOPIC),
                private: rng.bool(),
            },
            form: if rng.bool() { Form::Sse } else { Form::Json },
            rng,
            chain: Chain::default(),
            notes: Vec::new(),
        }
    }

    /// Until it has seen the end, however often it is cut.
    async fn run(mut self) -> Self {
        while !self.connect().await {}
        self
    }

    async fn connect(&mut self) -> bool {
        let start = match &self.chain.last_id {
            Some(id) => Start::After(id.clone()),
            None if self.rng.bool() => Start::Fresh,
            None => Start::Earliest,
        };
        let selector = self.asks.selector();
        let stream = self
            .broadcaster
            .subscribe(selector, self.form, start.clone());
        let mut stream = stream.unwrap();
        let head = self.broadcaster.bounds().head;
        self.notes.push(Note::Opened(match start {
            Start::After(id) => Opening::After(id.parse().unwrap()),
            Start::Fresh => Opening::Fresh(head),
            _ => Opening::Any,
        }));
        let (mut written, mut got) = (Parser::default(), Parser::default());
        loop {
            let bytes = stream.next().await.unwrap().unwrap();
            let floor = self.broadcaster.bounds().trim_floor;
            let blocks = written.feed(bytes.iter().copied());
            self.notes
                .extend(blocks.into_iter().map(|block| Note::Written(block, floor)));
            let is_cut = self.rng.u8(..) < 12;
            let some = if is_cut {
                self.rng.usize(0..=bytes.len())
            } else {
                bytes.len()
            };
            let mut ended = false;
            for block in got.feed(bytes.into_iter().take(some)) {
                ended |= block.name.is_none() && block.data.contains(END);
                self.chain.see(&block);
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
        let head = self.broadcaster.bounds().head;
        for _ in 0..turns {
            yield_now().await;
            if self.broadcaster.bounds().trim_floor > head {
                break;
            }
        }
    }

    /// `strict`: walks and polls were on one thread, so that what is lost is known exactly.
    fn judge(self, log: &Log, strict: bool) {
        let (mut reader, mut opening) = (Reader::new(self.asks, self.form), Opening::Any);
        for note in self.notes {
            match note {
                Note::Opened(of) => {
                    reader = Reader::new(self.asks, self.form);
                    opening = of;
                }
                Note::Written(block, floor) => reader.see(&block, log, floor, opening, strict),
            }
        }
        self.chain.check(self.asks, log);
    }
}

/// Comes and goes, and reads a little at most.
async fn pass_by(broadcaster: Broadcaster, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    for _ in 0..200 {
        let asks = Asks {
            topics: rng.u8(0..=EVERY_TOPIC),
            private: false,
        };
        let mut stream = broadcaster
            .subscribe(asks.selector(), Form::Sse, Start::Last(rng.usize(0..9)))
            .unwrap();
        for _ in 0..rng.usize(0..4) {
            let _ = timeout(Duration::from_millis(1), stream.next()).await;
        }
        drop(stream);
        yield_now().await;
    }
}

type Record = Arc<Mutex<Vec<Published>>>;

/// One publish, to be written down when it is answered.
fn batch(rng: &mut Rng, next: &mut u64) -> (Vec<u8>, Vec<Event>) {
    let topics: Vec<u8> = (0..rng.usize(1..=4))
        .map(|_| rng.u8(1..=EVERY_TOPIC))
        .collect();
    let event = |topics: &u8| {
        *next += 1;
        oracle::event(*topics, rng.u8(..) < 20, None, next.to_string())
    };
    let events = topics.iter().map(event).collect();
    (topics, events)
}

fn write_down(record: &Record, topics: &[u8], events: &[Event], ids: &[EventId]) {
    let mut record = record.lock().unwrap();
    for ((topics, event), id) in topics.iter().zip(events).zip(ids) {
        record.push(Published::new(*id, *topics, None, event));
    }
}

async fn publish(broadcaster: Broadcaster, record: Record, seed: u64) {
    let (mut rng, mut next) = (Rng::with_seed(seed), seed << 32);
    for _ in 0..BATCHES {
        let (topics, events) = batch(&mut rng, &mut next);
        let appended = broadcaster.publish(events.clone()).await.unwrap();
        write_down(&record, &topics, &events, &appended.ids);
        if rng.u8(..) < 8 {
            yield_now().await;
        }
    }
}

async fn publish_the_end(broadcaster: &Broadcaster, record: &Record) {
    let events = vec![oracle::event(EVERY_TOPIC, false, None, END.into())];
    let appended = broadcaster.publish(events.clone()).await.unwrap();
    write_down(record, &[EVERY_TOPIC], &events, &appended.ids);
}

fn start(shards: usize) -> (Broadcaster, EventId) {
    let memory = Memory::new(Retention {
        events: WINDOW,
        ..Retention::default()
    });
    let birth = crate::gate::birth(&memory);
    let options = Options {
        shards,
        publish_wait: LONG,
        ping_interval: Duration::from_millis(5),
        max_event_bytes: 1_000,
        ..Options::default()
    };
    (Broadcaster::start(memory, options).unwrap(), birth)
}

fn judge(subscribers: Vec<Subscriber>, birth: EventId, record: &Record, strict: bool) {
    let mut published = std::mem::take(&mut *record.lock().unwrap());
    published.sort_by_key(|event| event.id);
    let mut log = Log::new(birth);
    for event in published {
        log.push(event);
    }
    for subscriber in subscribers {
        subscriber.judge(&log, strict);
    }
}

#[test]
fn threads_with_a_runtime_and_a_shard_each_keep_the_promises() {
    let home = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let (broadcaster, birth) = home.block_on(async { start(THREADS) });
    let record = Record::default();
    let subscribers = thread::scope(|scope| {
        let serve = |thread: u64| {
            let broadcaster = broadcaster.clone();
            scope.spawn(move || serve(&broadcaster, thread))
        };
        let served: Vec<_> = (0..THREADS as u64).map(serve).collect();
        home.block_on(async {
            let publishers = seeds(255).take(PUBLISHERS);
            let publish = |seed| publish(broadcaster.clone(), Arc::clone(&record), seed);
            join_all(publishers.map(publish).map(tokio::spawn)).await;
            publish_the_end(&broadcaster, &record).await;
        });
        served
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    judge(subscribers, birth, &record, true);
    assert_eq!(broadcaster.stats().subscribers.get(), 0);
}

/// What one thread serves, as a worker of a web server does.
fn serve(broadcaster: &Broadcaster, thread: u64) -> Vec<Subscriber> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::spawn(broadcaster.attend());
        let mut seeds = seeds(thread);
        tokio::spawn(pass_by(broadcaster.clone(), seeds.next().unwrap()));
        let subscribers = seeds.take(SUBSCRIBERS);
        let run = |seed| tokio::spawn(Subscriber::new(broadcaster.clone(), seed).run());
        let ended = timeout(LONG, join_all(subscribers.map(run))).await;
        let ended = ended.expect("everybody sees the end");
        ended
            .into_iter()
            .map(|subscriber| subscriber.unwrap())
            .collect()
    })
}

#[test]
fn tasks_that_move_between_the_threads_of_one_runtime_keep_the_promises() {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_time()
        .build()
        .unwrap();
    let (birth, record, subscribers) = runtime.block_on(async {
        let (broadcaster, birth) = start(2);
        let record = Record::default();
        let run = |seed| tokio::spawn(Subscriber::new(broadcaster.clone(), seed).run());
        let subscribers: Vec<_> = seeds(0).take(2 * SUBSCRIBERS).map(run).collect();
        tokio::spawn(pass_by(broadcaster.clone(), 1));
        let publish = |seed| publish(broadcaster.clone(), Arc::clone(&record), seed);
        join_all(seeds(255).take(PUBLISHERS).map(publish).map(tokio::spawn)).await;
        publish_the_end(&broadcaster, &record).await;
        let ended = timeout(LONG, join_all(subscribers)).await;
        (birth, record, ended.expect("everybody sees the end"))
    });
    let subscribers = subscribers
        .into_iter()
        .map(|subscriber| subscriber.unwrap());
    judge(subscribers.collect(), birth, &record, false);
}
