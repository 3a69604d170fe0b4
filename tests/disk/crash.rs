//! A server that is killed at any moment, again and again, while publishers write at full speed and a subscriber
//! resumes. `DISK_ROUNDS` and `DISK_SEED` set the number of rounds and the seed.

use std::{
    collections::HashMap,
    net::SocketAddr,
    ops::Range,
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use crate::{
    disk::log::{Feed, Id, Log, Publisher, replay, rounds, seed},
    support::{Server, wait_until},
};

/// Rounds of each test here.
const ROUNDS: usize = 12;
/// A server is killed so long at most after it was started, or after it answered enough.
const MAX_DELAY_MS: u64 = 30;
/// Publishers without own ids, and those that repeat with one what was not answered.
const PLAIN: usize = 2;
const REPEATING: usize = 2;

/// What a test asks for.
struct Wanted<'a> {
    args: &'a [&'a str],
    event_bytes: usize,
    /// A round ends after so many answers.
    answers: Range<u64>,
    rounds: usize,
    /// Retention drops nothing.
    all_is_kept: bool,
}

/// What its publishers know.
#[derive(Default)]
struct Writer {
    name: String,
    repeats: bool,
    filler: String,
    /// The next number to publish.
    next: usize,
    answered: Vec<(Id, String)>,
}

impl Writer {
    /// Publishes until the server is gone.
    fn write(&mut self, address: SocketAddr, answers: &AtomicU64) {
        let Ok(mut connection) = Publisher::connect(address) else {
            return;
        };
        loop {
            let mark = format!("{}-{}", self.name, self.next);
            let path = if self.repeats {
                format!("/events?id={mark}")
            } else {
                "/events".into()
            };
            let data = format!("{mark} {}", self.filler);
            let published = connection.text(&path, &data);
            // Without an own id it may have been kept, and is not sent again.
            if published.is_ok() || !self.repeats {
                self.next += 1;
            }
            match published {
                Ok(id) => {
                    self.answered.push((id, data));
                    answers.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => return,
            }
        }
    }
}

/// One that resumes.
#[derive(Default)]
struct Reader {
    last_id: String,
    seen: Vec<(Id, String)>,
}

impl Reader {
    fn open(&self, address: SocketAddr) -> Option<Feed> {
        Feed::open(address, "topic=*&since=earliest", &self.last_id).ok()
    }

    /// Reads until the server is gone, or to its head.
    fn read(&mut self, address: SocketAddr, to_head: bool) {
        let Some(mut feed) = self.open(address) else {
            return;
        };
        while let Some((name, id, data)) = feed.next() {
            assert_ne!(name, "gap", "after {}: {data}", self.last_id);
            self.last_id.clone_from(&feed.last_id);
            if name.is_empty() {
                self.seen.push((id, data));
            }
            if to_head && id >= feed.head {
                return;
            }
        }
    }
}

fn writers(filler_bytes: usize) -> Vec<Writer> {
    let writer = |number| Writer {
        name: format!("w{number}"),
        repeats: number >= PLAIN,
        filler: "x".repeat(filler_bytes),
        ..Writer::default()
    };
    (0..PLAIN + REPEATING).map(writer).collect()
}

/// Writes until it is killed, at random.
fn round(
    log: &Log,
    wanted: &Wanted<'_>,
    rng: &mut fastrand::Rng,
    writers: &mut [Writer],
    reader: &mut Reader,
) {
    let server = log.start(wanted.args);
    let (address, answers) = (server.address, &AtomicU64::new(0));
    let enough = rng.u64(wanted.answers.clone());
    thread::scope(|scope| {
        for writer in writers {
            scope.spawn(move || writer.write(address, answers));
        }
        scope.spawn(|| reader.read(address, false));
        wait_until("enough is answered", || {
            answers.load(Ordering::Relaxed) >= enough
        });
        thread::sleep(Duration::from_millis(rng.u64(0..MAX_DELAY_MS)));
        // Dropped, it is killed.
        drop(server);
    });
}

/// Is killed before it listens, or shortly after.
fn abort_a_start(log: &Log, args: &[&str], rng: &mut fastrand::Rng) {
    let mut child = log
        .command(args)
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    thread::sleep(Duration::from_millis(rng.u64(0..MAX_DELAY_MS * 4)));
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
}

fn check(server: &Server, writers: &[Writer], reader: &mut Reader, all_is_kept: bool) {
    let held = replay(server);
    reader.read(server.address, true);
    let seen: HashMap<&str, Id> = reader
        .seen
        .iter()
        .map(|(id, data)| (&data[..], *id))
        .collect();
    assert_eq!(seen.len(), reader.seen.len(), "the reader saw one twice");
    assert!(
        reader.seen.is_sorted_by(|(one, _), (next, _)| one < next),
        "the reader saw them out of order"
    );
    if all_is_kept {
        assert!(
            reader.seen == held,
            "the reader did not see what is in the log"
        );
    }
    assert!(reader.seen.ends_with(&held));
    let mut answered = 0;
    for writer in writers {
        for (id, data) in &writer.answered {
            assert_eq!(
                seen.get(&data[..]),
                Some(id),
                "{}",
                &data[..20.min(data.len())]
            );
        }
        answered += writer.answered.len();
        if writer.repeats {
            let prefix = format!("{}-", writer.name);
            let own = reader
                .seen
                .iter()
                .filter(|(_, data)| data.starts_with(&prefix));
            let unanswered = own.count() - writer.answered.len();
            assert!(unanswered <= 1, "what was repeated is there once");
        }
    }
    assert!(answered > 0);
    eprintln!(
        "{answered} ids were answered, {} events are held",
        held.len()
    );
}

fn crash_again_and_again(wanted: &Wanted<'_>) {
    let (log, seed) = (Log::new(), seed());
    eprintln!("DISK_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut writers, mut reader) = (writers(wanted.event_bytes), Reader::default());
    for _ in 0..wanted.rounds {
        round(&log, wanted, &mut rng, &mut writers, &mut reader);
        if rng.u8(..4) == 0 {
            abort_a_start(&log, wanted.args, &mut rng);
        }
    }
    check(
        &log.start(wanted.args),
        &writers,
        &mut reader,
        wanted.all_is_kept,
    );
}

fn crash_with(sync: &str) {
    crash_again_and_again(&Wanted {
        args: &["--sync", sync],
        event_bytes: 100,
        answers: 0..300,
        rounds: rounds(ROUNDS),
        all_is_kept: true,
    });
}

#[test]
fn acknowledged_events_are_there_exactly_once_after_every_crash_when_each_publish_is_synced() {
    crash_with("always");
}

#[test]
fn acknowledged_events_are_there_exactly_once_after_every_crash_when_syncs_are_spaced() {
    crash_with("10ms");
}

#[test]
fn acknowledged_events_are_there_exactly_once_after_every_crash_without_syncs() {
    crash_with("never");
}

#[test]
fn crashes_while_tables_are_written_lose_nothing_either() {
    crash_again_and_again(&Wanted {
        args: &["--sync", "never"],
        event_bytes: 100_000,
        // It writes its tables at 8 MiB.
        answers: 85..100,
        rounds: rounds(ROUNDS).div_ceil(4),
        all_is_kept: true,
    });
}

#[test]
fn crashes_while_the_oldest_are_dropped_lose_nothing_that_history_keeps() {
    crash_again_and_again(&Wanted {
        args: &[
            "--sync",
            "10ms",
            "--history-events",
            "700",
            "--window-events",
            "100",
        ],
        event_bytes: 1_000,
        answers: 0..300,
        rounds: rounds(ROUNDS),
        all_is_kept: false,
    });
}
