//! Power loss: any page that was not synced may be lost. `DISK_ROUNDS` and `DISK_SEED` set the number of rounds and
//! the seed.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use crate::{
    disk::log::{Feed, Id, Log, Publisher, command_on, replay, rounds, seed},
    support::shim::{Unsynced, lose_power, rebooted, shadowed},
    support::{Server, wait_until},
};

const WRITERS: usize = 3;
/// Rounds of each test here, and what may be left after each.
const ROUNDS: usize = 2;
const LEFTOVERS: usize = 4;

/// What one writer was answered: its numbers from 0 on.
type Answered = Vec<Id>;

fn data_of(writer: usize, number: usize, bytes: usize) -> String {
    format!("{writer} {number} {}", "x".repeat(bytes))
}

/// Publishes until the server is gone.
fn write(mut connection: Publisher, writer: usize, bytes: usize, answers: &AtomicU64) -> Answered {
    let mut answered = Answered::new();
    while let Ok(id) = connection.text("/events", &data_of(writer, answered.len(), bytes)) {
        answered.push(id);
        answers.fetch_add(1, Ordering::Relaxed);
    }
    answered
}

/// Runs a server until it has answered enough, and kills it.
fn run(log: &Log, sync: &str, bytes: usize, enough: u64) -> Vec<Answered> {
    let command = log.command(&["--sync", sync]);
    let server = Server::spawn(shadowed(command, &log.path(), &log.beside("shadow")));
    let (address, answers) = (server.address, &AtomicU64::new(0));
    thread::scope(|scope| {
        // All before any writes: enough may be answered before the last thread runs.
        let connect = |_| Publisher::connect(address).expect("a connection");
        let connections: Vec<_> = (0..WRITERS).map(connect).collect();
        let writers: Vec<_> = connections
            .into_iter()
            .enumerate()
            .map(|(writer, connection)| {
                scope.spawn(move || write(connection, writer, bytes, answers))
            })
            .collect();
        wait_until("enough is answered", || {
            answers.load(Ordering::Relaxed) >= enough
        });
        drop(server);
        writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .collect()
    })
}

/// What is left is a beginning of what was published, and the log goes on behind it.
fn check(server: &Server, answered: &[Answered], all_is_synced: bool, bytes: usize) {
    let held = replay(server);
    let ids: HashMap<&str, Id> = held.iter().map(|(id, data)| (&data[..], *id)).collect();
    assert_eq!(ids.len(), held.len(), "one is there twice");
    let mut expected = 0;
    for (writer, answered) in answered.iter().enumerate() {
        let id_of = |number: usize| ids.get(&data_of(writer, number, bytes)[..]).copied();
        let mut count = 0;
        while id_of(count).is_some() {
            count += 1;
        }
        for (number, id) in answered.iter().take(count).enumerate() {
            assert_eq!(id_of(number), Some(*id), "number {number} of {writer}");
        }
        assert!(
            !all_is_synced || count >= answered.len(),
            "{count} of {}",
            answered.len()
        );
        expected += count;
    }
    assert_eq!(held.len(), expected, "what is left is no beginning");
    let known: HashSet<Id> = held.iter().map(|(id, _)| *id).collect();
    let given: HashSet<Id> = answered.iter().flatten().copied().collect();
    let mut publisher = Publisher::connect(server.address).expect("a connection");
    let next = publisher.text("/events", "next").expect("a response");
    assert!(!given.contains(&next), "an id was given again");
    assert!(held.last().is_none_or(|(last, _)| *last < next));
    if let Some((ms, sequence)) = given.iter().find(|id| !known.contains(id)) {
        let lost = format!("{ms}-{sequence}");
        let mut feed = Feed::open(server.address, "topic=*", &lost).expect("a stream");
        assert_eq!(
            feed.next().expect("a message").0,
            "gap",
            "after {lost}, which is lost"
        );
    }
}

fn lose_power_again_and_again(sync: &str, bytes: usize, answers: Range<u64>) {
    let seed = seed();
    eprintln!("DISK_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut checked = 0;
    for round in 0..rounds(ROUNDS) {
        let log = Log::new();
        let answered = run(&log, sync, bytes, rng.u64(answers.clone()));
        for leftover in 0..LEFTOVERS {
            let left = log.beside(&format!("left{leftover}"));
            let mut unsynced = match leftover {
                0 => Unsynced::None,
                _ => Unsynced::Some(&mut rng),
            };
            lose_power(&log.path(), &log.beside("shadow"), &left, &mut unsynced);
            eprintln!("DISK_SEED={seed}, round {round}, leftover {leftover}");
            let command = command_on(&left, &["--sync", sync]);
            let server = Server::spawn(rebooted(command, &log.beside("boot")));
            check(&server, &answered, sync == "always", bytes);
            checked += answered.iter().map(Vec::len).sum::<usize>();
        }
    }
    eprintln!("{checked} answers were looked for");
}

#[test]
fn events_that_were_synced_before_the_response_survive_a_power_loss() {
    lose_power_again_and_again("always", 100, 0..300);
}

#[test]
fn with_spaced_syncs_a_prefix_of_the_log_survives_a_power_loss() {
    lose_power_again_and_again("10ms", 100, 0..300);
}

#[test]
fn without_syncs_a_prefix_of_the_log_survives_a_power_loss() {
    lose_power_again_and_again("never", 100, 0..300);
}

#[test]
fn synced_events_larger_than_a_page_survive_a_power_loss() {
    lose_power_again_and_again("always", 20_000, 0..60);
}

#[test]
fn a_prefix_of_the_log_survives_a_power_loss_with_events_larger_than_a_page() {
    lose_power_again_and_again("never", 20_000, 0..60);
}

#[test]
fn a_prefix_of_the_log_survives_a_power_loss_while_tables_are_written() {
    // It begins a journal, and writes its tables, at 8 MiB.
    lose_power_again_and_again("never", 100_000, 83..90);
}
