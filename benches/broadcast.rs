//! The cost of the broadcaster without sockets: `cargo bench -p sse-broadcaster-http --bench broadcast`.
//! `benches/fanout` measures whole servers.

use std::{
    cell::Cell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use futures_util::StreamExt as _;
use sse_broadcaster::{
    Broadcaster, Event, EventId, Format, Memory, Options, Selector, Start,
    broadcaster::EncodedStream,
    encoding::{Sse, encode},
    event::Stored,
    history::Retention,
};
use sse_broadcaster_access::{Pattern, PatternError};
use sse_broadcaster_http::select;
use tokio::{runtime::Runtime, sync::Notify, task::LocalSet};

const DATA_BYTES: usize = 100;
const SUBSCRIBERS: usize = 10_000;
const TOPICS: usize = 1_000;

fn event(topic: &str, data: &str) -> Event {
    let event = Event::builder(data).topic(topic).build();
    event.expect("an event")
}

fn topic(topic: &str) -> Selector {
    Selector::topics(&[topic]).expect("a topic")
}

fn encoding(c: &mut Criterion) {
    let line = "x".repeat(DATA_BYTES);
    let lines = vec![line.as_str(); 100].join("\n");
    let mut group = c.benchmark_group("encode");
    for (name, data) in [
        ("100 bytes", &line),
        ("10 kB", &"x".repeat(10_000)),
        ("100 lines of 100 bytes", &lines),
    ] {
        let event = event("news", data);
        for format in [Format::Sse, Format::Json] {
            let id = BenchmarkId::new(format!("{format:?}"), name);
            group.throughput(Throughput::Bytes(data.len() as u64));
            group.bench_function(id, |b| {
                // A format is encoded once and kept, so each time there is another event.
                let id = EventId::new(1_763_712_000_000, 1);
                let stored = || Arc::new(Stored::new(id, 0, event.clone()));
                let encode = |stored: Arc<Stored>| {
                    encode(&stored, format.encoder());
                    stored
                };
                b.iter_batched(stored, encode, BatchSize::SmallInput);
            });
        }
    }
    group.finish();
}

/// What all subscribers of a thread have received together.
#[derive(Default)]
struct Delivered {
    pieces: Cell<usize>,
    awaited: Cell<usize>,
    reached: Notify,
}

impl Delivered {
    fn add(&self) {
        self.pieces.set(self.pieces.get() + 1);
        if self.pieces.get() == self.awaited.get() {
            self.reached.notify_one();
        }
    }

    /// Waits for this number more than at the last call.
    async fn more(&self, pieces: usize) {
        let awaited = self.awaited.get() + pieces;
        self.awaited.set(awaited);
        if self.pieces.get() < awaited {
            self.reached.notified().await;
        }
    }
}

/// A broadcaster and its subscribers, on a thread as a worker of the server is one.
struct Served {
    runtime: Runtime,
    tasks: LocalSet,
    broadcaster: Broadcaster,
    delivered: Rc<Delivered>,
}

impl Served {
    fn new() -> Self {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        let options = Options::default()
            .shards(1)
            .ping_interval(Duration::from_secs(3_600))
            .replay_bytes_per_second(0);
        let broadcaster = {
            let _runtime = runtime.enter();
            Broadcaster::start(Memory::new(Retention::default()), options).expect("it starts")
        };
        Self {
            runtime,
            tasks: LocalSet::new(),
            broadcaster,
            delivered: Rc::default(),
        }
    }

    fn subscribe(&self, selector: Selector, start: Start) -> EncodedStream {
        let _runtime = self.runtime.enter();
        let subscribed = self.broadcaster.subscribe(selector, start);
        subscribed.expect("a subscription").encoded(&Sse)
    }

    /// Spawns a task for each of these subscriptions, which reads it.
    fn read(&self, selectors: impl Iterator<Item = Selector>) {
        let mut count = 0;
        for selector in selectors {
            let mut subscription = self.subscribe(selector, Start::Live);
            let delivered = Rc::clone(&self.delivered);
            self.tasks.spawn_local(async move {
                while let Some(Ok(_)) = subscription.next().await {
                    delivered.add();
                }
            });
            count += 1;
        }
        // Each is sent `connected` first.
        let connected = self.delivered.more(count);
        self.tasks.block_on(&self.runtime, connected);
    }

    /// Measures from each publish to one topic until all matching subscribers have the event.
    fn publish(&self, topic: &str, matching: usize, times: u64) -> Duration {
        let event = event(topic, &"x".repeat(DATA_BYTES));
        self.publish_each(|| event.clone(), matching, times)
    }

    /// The same with another event each time.
    fn publish_each(
        &self,
        mut event: impl FnMut() -> Event,
        matching: usize,
        times: u64,
    ) -> Duration {
        self.tasks.block_on(&self.runtime, async {
            let begun = Instant::now();
            for _ in 0..times {
                let published = self.broadcaster.publish(event()).await;
                published.expect("published");
                self.delivered.more(matching).await;
            }
            begun.elapsed()
        })
    }
}

fn fan_out(c: &mut Criterion) {
    let mut group = c.benchmark_group("publish to all");
    for subscribers in [1, 1_000, SUBSCRIBERS] {
        let served = Served::new();
        served.read((0..subscribers).map(|_| topic("news")));
        group.throughput(Throughput::Elements(subscribers as u64));
        group.bench_function(BenchmarkId::from_parameter(subscribers), |b| {
            b.iter_custom(|times| served.publish("news", subscribers, times));
        });
    }
    group.finish();
}

fn matching(c: &mut Criterion) {
    let topics: Vec<String> = (0..TOPICS).map(|topic| format!("topic {topic}")).collect();
    let of_each = SUBSCRIBERS / TOPICS;
    let asking = |topics: &[String], of_everything: usize| {
        let served = Served::new();
        let asked = topics.iter().map(|name| topic(name));
        let asked = asked.flat_map(|selector| std::iter::repeat_n(selector, of_each));
        served.read(asked.chain(std::iter::repeat_n(Selector::all(), of_everything)));
        served
    };
    let mut group = c.benchmark_group("publish to ten");
    let mut measure = |name: &str, served: Served, matching: usize| {
        group.bench_function(name, |b| {
            b.iter_custom(|times| served.publish("topic 7", matching, times));
        });
    };
    measure("of ten", asking(&topics[7..8], 0), of_each);
    measure("of 10,000", asking(&topics, 0), of_each);
    measure(
        "and ten that ask for *, of twenty",
        asking(&topics[7..8], of_each),
        2 * of_each,
    );
    measure(
        "and ten that ask for *, of 10,010",
        asking(&topics, of_each),
        2 * of_each,
    );
    group.finish();
}

type Parse = fn(&str) -> Result<Pattern, PatternError>;

/// Subscribes to 1,000 different patterns, each by ten, and publishes to ten subscribers: to one topic, and to another
/// topic each time.
fn patterns(c: &mut Criterion) {
    let of_each = SUBSCRIBERS / TOPICS;
    let mut group = c.benchmark_group("publish to ten of 10,000 by pattern");
    let kinds: [(&str, &str, Parse); 2] = [
        ("URI template", "{id}", Pattern::selector),
        ("URL pattern", ":id", |text| {
            Pattern::url_pattern(text, None)
        }),
    ];
    for (name, variable, pattern) in kinds {
        let served = Served::new();
        let asked = (0..TOPICS).flat_map(|shop| {
            let text = format!("https://example.com/shops/{shop}/orders/{variable}");
            (0..of_each).map(move |_| select([pattern(&text).expect("a pattern")]).expect("one"))
        });
        served.read(asked);
        group.bench_function(BenchmarkId::new(name, "one topic"), |b| {
            let topic = "https://example.com/shops/7/orders/42";
            b.iter_custom(|times| served.publish(topic, of_each, times));
        });
        group.bench_function(BenchmarkId::new(name, "new topics"), |b| {
            let (data, mut order) = ("x".repeat(DATA_BYTES), 0);
            let mut next = || {
                order += 1;
                event(
                    &format!("https://example.com/shops/7/orders/{order}"),
                    &data,
                )
            };
            b.iter_custom(|times| served.publish_each(&mut next, of_each, times));
        });
    }
    group.finish();
}

fn replays(c: &mut Criterion) {
    let mut group = c.benchmark_group("replay from memory");
    for events in [100, 10_000] {
        replay(&mut group, events);
    }
    group.finish();
}

fn replay(group: &mut BenchmarkGroup<'_, WallTime>, events: u64) {
    let served = Served::new();
    let event = event("news", &"x".repeat(DATA_BYTES));
    served.tasks.block_on(&served.runtime, async {
        for _ in 0..events {
            let published = served.broadcaster.publish(event.clone()).await;
            published.expect("published");
        }
    });
    let ends = |piece: &[u8]| piece.windows(2).filter(|two| two == b"\n\n").count() as u64;
    let read = async |mut left: u64, count: &dyn Fn(&[u8]) -> u64| {
        let mut bytes = 0;
        let mut subscription = served.subscribe(topic("news"), Start::Earliest);
        while left > 0 {
            let piece = subscription.next().await.expect("a piece").expect("no cut");
            bytes += piece.len() as u64;
            left = left.saturating_sub(count(&piece));
        }
        bytes
    };
    // The first replay is parsed (`connected` and the events), the next ones only counted in bytes.
    let whole = read(events + 1, &ends);
    let bytes = served.tasks.block_on(&served.runtime, whole);
    group.throughput(Throughput::Elements(events));
    group.bench_function(BenchmarkId::from_parameter(events), |b| {
        b.iter(|| {
            let again = read(bytes, &|piece| piece.len() as u64);
            served.tasks.block_on(&served.runtime, again)
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = encoding, fan_out, matching, patterns, replays
}
criterion_main!(benches);
