//! Damaged files: the server reports the damage, or has every acknowledged event, and never silently fewer.
//! `DISK_ROUNDS` and `DISK_SEED` set how many kinds of damage each file gets, and the seed.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    disk::log::{Feed, Id, command_on, publish_lines, replay, rounds, seed},
    support::{Server, wait_until},
};

const EVENTS: usize = 9_000;
/// So that most of them are in tables, and some in the journal alone.
const BYTES: usize = 1_000;
const PAGE: usize = 4096;
const ARGS: [&str; 4] = ["--window-events", "2000", "--replay-bytes-per-second", "0"];

#[derive(Debug, Clone, Copy)]
enum Damage {
    Removed,
    Emptied,
    /// Cut off at this part of its length, of a thousand.
    CutAt(u64),
    /// One bit is another, at this part of its length.
    FlippedAt(u64),
    /// A page is zeros, at this part of its length.
    ZerosAt(u64),
}

/// How many kinds of damage each file gets, of ten.
const KINDS: usize = 2;

impl Damage {
    const ALL: [Self; 10] = [
        Self::Removed,
        Self::Emptied,
        Self::CutAt(500),
        Self::CutAt(999),
        Self::FlippedAt(0),
        Self::FlippedAt(30),
        Self::FlippedAt(400),
        Self::FlippedAt(999),
        Self::ZerosAt(0),
        Self::ZerosAt(300),
    ];

    /// What holds something, of a file that may end with zeros that stand for nothing.
    fn is_done_to(self, path: &Path) {
        let bytes = fs::read(path).unwrap();
        let pages = bytes
            .chunks(PAGE)
            .map(|page| page != &[0; PAGE][..page.len()]);
        let zeros = pages.rev().take_while(|holds| !holds).count() * PAGE;
        let length = (bytes.len().saturating_sub(zeros)).max(1) as u64;
        let at = |part: u64| (length * part / 1_000).min(length - 1);
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        match self {
            Self::Removed => fs::remove_file(path).unwrap(),
            Self::Emptied => file.set_len(0).unwrap(),
            Self::CutAt(part) => file.set_len(at(part)).unwrap(),
            Self::FlippedAt(part) => {
                let at = at(part);
                let bit = 1 << fastrand::u8(..8);
                let byte = bytes[usize::try_from(at).unwrap()] ^ bit;
                file.write_all_at(&[byte], at).unwrap();
            }
            Self::ZerosAt(part) => {
                let at = at(part);
                let zeros = vec![0; usize::try_from((length - at).min(PAGE as u64)).unwrap()];
                file.write_all_at(&zeros, at).unwrap();
            }
        }
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if fs::metadata(&path).unwrap().len() > 0 {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A log as a killed server leaves it, and what was answered.
fn a_log(directory: &Path) -> Vec<(Id, String)> {
    let server = Server::spawn(command_on(directory, &["--sync", "never"]));
    for part in 0..EVENTS / 1_000 {
        let numbers = part * 1_000..(part + 1) * 1_000;
        let data = numbers.map(|number| format!("{number:<BYTES$}"));
        publish_lines(&server, "/events?topic=a", data);
    }
    replay(&server)
}

/// What a server gives of everything up to its head, and how many gaps it tells.
fn read(server: &Server, query: &str) -> (Vec<(Id, String)>, usize) {
    let mut feed = Feed::open(server.address, query, "").unwrap();
    let events = feed.up_to_head();
    (events, feed.gaps)
}

/// Whether it started.
fn is_told(directory: &Path, answered: &[(Id, String)], what: &str) -> bool {
    let started = Server::try_spawn(command_on(directory, &ARGS));
    let mut server = match started {
        Ok(server) => server,
        Err(said) => {
            assert!(!said.contains("panicked"), "{what}: {said}");
            let directory = directory.to_str().unwrap();
            assert!(said.contains(directory), "{what}: {said}");
            let choices = ["estore a copy", "another directory", "directory of its own"];
            let is_any = choices.iter().any(|choice| said.contains(choice));
            assert!(is_any, "{what}: what can be done? {said}");
            return false;
        }
    };
    for query in [
        "topic=*&since=earliest&until=head",
        "topic=a&since=earliest&until=head",
    ] {
        let (events, gaps) = read(&server, query);
        if gaps == 0 {
            assert!(
                events == answered,
                "{what}: {query}: {} events, and no gap",
                events.len()
            );
        } else {
            let mut rest = answered.iter();
            let in_order = events.iter().all(|event| rest.any(|other| other == event));
            assert!(in_order, "{what}: {query}: others than were published");
            wait_until("it is logged", || server.log().contains("is damaged"));
        }
    }
    assert!(
        !server.log().contains("panicked"),
        "{what}: {}",
        server.log()
    );
    // And it takes more.
    let id = server.publish("a", "more");
    assert!(crate::disk::log::id_of(&id) > answered[answered.len() - 1].0);
    true
}

#[test]
fn damage_to_any_file_is_reported_and_never_shortens_the_log_silently() {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole");
    let answered = a_log(&whole);
    assert_eq!(answered.len(), EVENTS);
    let seed = seed();
    fastrand::seed(seed);
    let (mut refused, mut started) = (0, 0);
    let files = files(&whole);
    assert!(files.len() > 10, "{files:?}");
    for file in &files {
        let name = file.strip_prefix(&whole).unwrap();
        for damage in fastrand::choose_multiple(Damage::ALL, rounds(KINDS)) {
            let damaged = directory.path().join("data");
            copy(&whole, &damaged);
            damage.is_done_to(&damaged.join(name));
            let what = format!("DISK_SEED={seed} {} {damage:?}", name.display());
            if is_told(&damaged, &answered, &what) {
                started += 1;
            } else {
                refused += 1;
            }
            fs::remove_dir_all(&damaged).unwrap();
        }
    }
    // Both happen, or this shows nothing.
    assert!(
        refused > 0 && started > 0,
        "{refused} refused, {started} started"
    );
}
