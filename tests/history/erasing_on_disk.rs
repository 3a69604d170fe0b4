//! Erasures of the log on disk: by a process that is killed, and among many publishers.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use sse_broadcaster::{
    Event, EventId, Selector,
    history::{
        Chunk, EraseScope, Erased, Erasure, Found, From, History, NameKind, NameRange,
        ReservationGuard, Retention, SyncPolicy,
    },
};
use sse_broadcaster_disk::{Disk, Options};
use tokio::runtime::Runtime;

use crate::{
    history::log::{ALL, event},
    support::wait_until,
};

/// How often a process is killed; it has printed so many lines by then, at most, and goes on for so long, at most.
const KILLS: usize = 8;
const MAX_LINES: usize = 60;
const MAX_DELAY_MS: u64 = 20;
/// Where the process that is killed has its log.
const DIRECTORY: &str = "ERASING_ON_DISK";
const TOPICS: [&str; 3] = ["a", "b", "c"];
const RETENTION: usize = 200;

struct Log {
    disk: Arc<Disk>,
    runtime: Runtime,
}

impl Log {
    fn open(directory: &Path) -> Self {
        let options = Options::new(directory)
            .sync(SyncPolicy::Never)
            .retention(Retention::new().events(RETENTION))
            .window(Retention::new().events(16))
            .cache_bytes(1 << 20);
        Self {
            disk: Arc::new(Disk::open(options).unwrap()),
            runtime: Runtime::new().unwrap(),
        }
    }

    fn read(&self, from: From<'_>, selector: &Selector) -> Chunk {
        let read = self.disk.read(from, selector, ALL);
        self.runtime.block_on(read).unwrap()
    }

    /// The events that are left once retention has come along, with their topics: of each topic as of all.
    fn left(&self) -> BTreeMap<EventId, Vec<String>> {
        let is_done = || self.disk.bounds().events <= RETENTION;
        wait_until("retention has come along", is_done);
        let chunk = self.read(From::Earliest, &Selector::all());
        let topics = |event: &Event| event.topics().iter().map(ToString::to_string).collect();
        let left = chunk.events.iter();
        let left: BTreeMap<_, Vec<_>> = left
            .map(|found| (found.id(), topics(found.event())))
            .collect();
        for topic in TOPICS {
            let selector = Selector::topics(&[topic]).unwrap();
            let of_topic = self.read(From::Earliest, &selector).events;
            let has_it = |topics: &[String]| topics.iter().any(|other| other == topic);
            let of_all = left.iter().filter(|(_, topics)| has_it(topics));
            let of_topic = of_topic.iter().map(Found::id);
            assert!(of_topic.eq(of_all.map(|(id, _)| *id)), "of {topic}");
        }
        left
    }

    fn topics(&self) -> Vec<String> {
        let names = self.disk.names(NameKind::Topics, NameRange::new(100));
        let names = self.runtime.block_on(names).unwrap();
        names.found.into_iter().map(|(name, _)| name).collect()
    }
}

async fn publish(disk: &Disk, event: Event) -> EventId {
    let appended = disk.append(event.into(), ReservationGuard::default());
    appended.await.unwrap().ids[0]
}

/// All of a topic that is there.
async fn erase(disk: &Disk, topic: &str) -> Erased {
    let erasure = Erasure {
        topic: topic.parse().unwrap(),
        up_to: None,
        scope: EraseScope::Every,
    };
    let erasing = disk.erase(erasure, ReservationGuard::default());
    erasing.await.unwrap()
}

/// Publishes and erases, and says so, until it is killed.
#[test]
#[ignore = "the process that the test below kills"]
fn publishes_and_erases_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let log = Log::open(Path::new(&directory));
    log.runtime.block_on(async {
        for round in 0_usize.. {
            for number in 0..10 {
                let topic = TOPICS[number % TOPICS.len()];
                let id = publish(&log.disk, event(topic, "text")).await;
                println!("\npublished {topic} {id}");
            }
            let topic = TOPICS[round % TOPICS.len()];
            println!("\nerasing {topic} {}", log.disk.bounds().head);
            erase(&log.disk, topic).await;
            println!("\nerased {topic} {}", log.disk.bounds().head);
        }
    });
}

/// What a process said before it was killed.
#[derive(Default)]
struct Said {
    published: BTreeMap<EventId, String>,
    /// Up to where the topics were erased, and may have been.
    erased: BTreeMap<String, EventId>,
    erasing: BTreeMap<String, EventId>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        let [verb, topic, id] = words[..] else { return };
        let Ok(id) = id.parse() else { return };
        match verb {
            "published" => drop(self.published.insert(id, topic.to_owned())),
            "erasing" => drop(self.erasing.insert(topic.to_owned(), id)),
            "erased" => drop(self.erased.insert(topic.to_owned(), id)),
            _ => {}
        }
    }

    fn check(&self, log: &Log) {
        let (left, floor) = (log.left(), log.disk.bounds().trim_floor);
        for (id, topic) in self.published.range(floor.before()..) {
            let is_up_to = |up_to: &BTreeMap<String, EventId>| {
                up_to.get(topic).is_some_and(|up_to| id <= up_to)
            };
            if is_up_to(&self.erased) {
                assert!(!left.contains_key(id), "{id} of {topic} has come back");
            } else if !is_up_to(&self.erasing) && *id > floor {
                assert!(left.contains_key(id), "{id} of {topic} is lost");
            }
            let text = id.to_string();
            let resumed = log.read(From::LastEventId(&text), &Selector::all());
            assert_eq!(resumed.gap, *id < floor, "{id} is known");
        }
    }
}

#[test]
fn what_was_erased_stays_erased_when_the_process_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let (directory, mut said) = (directory.path().join("log"), Said::default());
    for _ in 0..KILLS {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let name = "history::erasing_on_disk::publishes_and_erases_until_it_is_killed";
        command.args(["--exact", name, "--ignored", "--nocapture"]);
        let command = command.env(DIRECTORY, &directory);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        for _ in 0..fastrand::usize(0..MAX_LINES) {
            said.hear(&lines.next().unwrap().unwrap());
        }
        thread::sleep(Duration::from_millis(fastrand::u64(0..MAX_DELAY_MS)));
        process.kill().unwrap();
        process.wait().unwrap();
        lines.for_each(|line| said.hear(&line.unwrap()));
        said.check(&Log::open(&directory));
    }
    assert!(!said.published.is_empty());
}

#[test]
fn erasures_among_publishes_and_retention_leave_one_state_that_a_restart_keeps() {
    const ROUNDS: usize = 60;
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("log");
    let log = Log::open(&directory);
    let mut tasks = Vec::new();
    for topic in TOPICS {
        let disk = Arc::clone(&log.disk);
        tasks.push(log.runtime.spawn(async move {
            for number in 0..10 * ROUNDS {
                let other = TOPICS[number % TOPICS.len()];
                let event = Event::builder("text").topic(topic).topic(other);
                let event = event.idempotency_key((number / 2).to_string());
                publish(&disk, event.build().unwrap()).await;
            }
        }));
        let disk = Arc::clone(&log.disk);
        tasks.push(log.runtime.spawn(async move {
            for _ in 0..ROUNDS {
                erase(&disk, topic).await;
            }
        }));
    }
    for task in tasks {
        log.runtime.block_on(task).unwrap();
    }
    let erased = log.runtime.block_on(erase(&log.disk, TOPICS[0]));
    assert!(!erased.more);
    let (left, bounds) = (log.left(), log.disk.bounds());
    assert!(!log.topics().iter().any(|topic| topic == TOPICS[0]));
    drop(log);
    let log = Log::open(&directory);
    assert!(log.left() == left && log.disk.bounds() == bounds);
    log.runtime.block_on(async {
        for _ in 0..2 * RETENTION {
            publish(&log.disk, event("last", "text")).await;
        }
    });
    let cost = RETENTION * event("last", "text").cost();
    wait_until("nothing of what was before is left", || {
        let bounds = log.disk.bounds();
        (bounds.events, bounds.bytes) == (RETENTION, cost)
    });
    assert_eq!(log.topics(), ["last"]);
}
