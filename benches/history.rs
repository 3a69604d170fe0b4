//! The cost of a history: `cargo bench --bench history`. Redis is measured where a `redis-server` is installed. Logs
//! on disk are in the target directory, or in `BENCH_DIRECTORY`.

#[path = "support/redis.rs"]
mod redis;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sse_broadcaster::{
    Event, EventId, Memory, Selector,
    history::{Batch, From, History, Limit, ReservationGuard, Retention, SyncPolicy},
};
use sse_broadcaster_disk as disk;
use sse_broadcaster_disk::Disk;
use sse_broadcaster_redis::{Redis, RedisOptions};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::redis::RedisServer;

const DATA_BYTES: usize = 100;
const CHUNK: Limit = Limit::new(256, 128 << 10);
const WINDOW: Retention = Retention::new().events(4_096);
const LOG: Retention = Retention::new().events(20_000_000).bytes(1 << 40);

fn event(n: usize) -> Event {
    let topic = format!("topic {}", n % 1_000);
    let event = Event::builder("x".repeat(DATA_BYTES)).topic(topic);
    event.build().expect("an event")
}

fn batch(events: usize) -> Batch {
    (0..events).map(event).collect::<Vec<_>>().into()
}

/// A log, and the directory or server that holds it.
struct Log {
    history: Arc<dyn History>,
    _place: Place,
}

#[allow(dead_code, reason = "held")]
enum Place {
    Memory,
    Disk(TempDir),
    Redis(RedisServer, TempDir),
}

fn directory() -> TempDir {
    let parent =
        std::env::var("BENCH_DIRECTORY").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").into());
    tempfile::tempdir_in(parent).expect("a directory")
}

fn on_disk(sync: SyncPolicy) -> Log {
    let place = directory();
    let opened = Disk::open(
        disk::Options::new(place.path().join("log"))
            .wait(Duration::ZERO)
            .sync(sync)
            .retention(LOG)
            .window(WINDOW)
            .cache_bytes(32 << 20),
    );
    Log {
        history: Arc::new(opened.expect("a log")),
        _place: Place::Disk(place),
    }
}

fn in_redis(runtime: &Runtime) -> Option<Log> {
    let place = directory();
    let server = RedisServer::start(place.path())?;
    let _runtime = runtime.enter();
    let connected = Redis::connect(
        RedisOptions::new(format!("redis://127.0.0.1:{}", server.port))
            .prefix("bench")
            .retention(LOG)
            .window(WINDOW),
    );
    let history = Arc::new(connected.expect("a URL"));
    while history.health().is_err() || history.bounds().epoch == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    Some(Log {
        history,
        _place: Place::Redis(server, place),
    })
}

fn logs(runtime: &Runtime) -> Vec<(&'static str, Log)> {
    let memory = Log {
        history: Arc::new(Memory::new(WINDOW)),
        _place: Place::Memory,
    };
    let mut logs = vec![
        ("memory", memory),
        ("disk, sync always", on_disk(SyncPolicy::Always)),
        (
            "disk, sync 10ms",
            on_disk(SyncPolicy::Every(Duration::from_millis(10))),
        ),
        ("disk, sync never", on_disk(SyncPolicy::Never)),
    ];
    logs.extend(in_redis(runtime).map(|log| ("redis", log)));
    logs
}

/// Appends of one event each, by several publishers at once.
async fn append(history: &Arc<dyn History>, publishers: u64, appends: u64) {
    let tasks = (0..publishers).map(|publisher| {
        let history = Arc::clone(history);
        let share = appends / publishers + u64::from(publisher < appends % publishers);
        tokio::spawn(async move {
            for n in 0..share {
                let one = event(usize::try_from(n).unwrap_or(0)).into();
                history
                    .append(one, ReservationGuard::default())
                    .await
                    .expect("appended");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("a publisher");
    }
}

fn appends(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = c.benchmark_group("append");
    group.throughput(Throughput::Elements(1));
    for (name, log) in logs(&runtime) {
        for publishers in [1, 64] {
            group.bench_function(
                BenchmarkId::new(name, format!("{publishers} publishers")),
                |b| {
                    b.iter_custom(|appends| {
                        let begun = Instant::now();
                        runtime.block_on(append(&log.history, publishers, appends));
                        begun.elapsed()
                    });
                },
            );
        }
    }
    group.finish();
}

fn fill(runtime: &Runtime, history: &Arc<dyn History>, events: usize) -> Vec<EventId> {
    let mut ids = Vec::new();
    while ids.len() < events {
        let append = history.append(batch(1_000), ReservationGuard::default());
        ids.extend(runtime.block_on(append).expect("appended").ids);
    }
    while history.tail().bounds().head < ids[ids.len() - 1] {
        std::thread::sleep(Duration::from_millis(5));
    }
    ids
}

async fn read_all(history: &Arc<dyn History>, from: EventId) -> usize {
    let (mut at, mut events) = (from, 0);
    loop {
        let chunk = history.read(From::After(at), &Selector::all(), CHUNK).await;
        let chunk = chunk.expect("a chunk");
        events += chunk.events.len();
        if chunk.read_to == at {
            return events;
        }
        at = chunk.read_to;
    }
}

fn replays(c: &mut Criterion) {
    const EVENTS: usize = 100_000;
    let runtime = Runtime::new().expect("a runtime");
    let mut group = c.benchmark_group("replay of 100,000 events");
    group.sample_size(10);
    group.throughput(Throughput::Elements(EVENTS as u64));
    let redis = in_redis(&runtime).map(|log| ("redis", log));
    for (name, log) in [("disk", on_disk(SyncPolicy::Never))]
        .into_iter()
        .chain(redis)
    {
        let ids = fill(&runtime, &log.history, EVENTS + WINDOW.events);
        group.bench_function(name, |b| {
            b.iter(|| runtime.block_on(read_all(&log.history, ids[WINDOW.events - 1])));
        });
    }
    group.finish();
}

fn seeks(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let few = CHUNK.events(10);
    let topic = Selector::topics(&["topic 7"]).expect("a topic");
    let mut group = c.benchmark_group("ten events of a log");
    for events in [10_000, 100_000, 1_000_000] {
        let redis = (events < 1_000_000)
            .then(|| in_redis(&runtime))
            .flatten()
            .map(|log| ("redis", log));
        for (name, log) in [("disk", on_disk(SyncPolicy::Never))]
            .into_iter()
            .chain(redis)
        {
            let ids = fill(&runtime, &log.history, events);
            let middle = ids[events / 2].to_string();
            for (what, selector) in [("all topics", &Selector::all()), ("one topic", &topic)] {
                let id = BenchmarkId::new(format!("{name}, {what}"), events);
                group.bench_function(id, |b| {
                    b.iter(|| {
                        let read = log.history.read(From::LastEventId(&middle), selector, few);
                        runtime.block_on(read).expect("a chunk")
                    });
                });
            }
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = appends, replays, seeks
}
criterion_main!(benches);
