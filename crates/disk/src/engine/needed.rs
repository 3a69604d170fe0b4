//! What the engine does with damaged files when nothing looks at them first: the reasons for `journal.rs` and
//! `manifest.rs`. Where one of these tests fails after an upgrade, the engine may do by itself what it did not.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use sse_broadcaster::event::{Event, EventId, Stored};

use super::{Fault, Store, check_journal, check_manifests};
use crate::{
    high_water_mark::HighWater,
    record::{Listed, Standing},
};

const CACHE_BYTES: u64 = 1 << 20;
const EPOCH: u64 = 7;

fn standing(events: u64) -> Standing {
    Standing {
        epoch: EPOCH,
        head: EventId::new(events, 1),
        head_number: events,
        floor: EventId::new(0, 0),
        floor_number: 0,
        floor_ms: 0,
        bytes: 0,
        spent: 0,
        spent_overflowed: false,
        erased: 0,
    }
}

fn high_water(events: u64) -> HighWater {
    HighWater {
        epoch: EPOCH,
        written: events,
        synced: events,
    }
}

/// Commits events with these numbers and so many bytes, one in each commit.
fn commit(store: &Store, from: u64, to: u64, bytes: usize) {
    for number in from..=to {
        let event = Event::builder("x".repeat(bytes))
            .topic("a")
            .build()
            .unwrap();
        let mut commit = store.begin();
        commit.insert(number, &Stored::new(EventId::new(number, 1), number, event));
        commit.finish(&standing(number), false).unwrap();
    }
}

fn open(directory: &Path) -> Result<Store, Fault> {
    let opened = catch_unwind(AssertUnwindSafe(|| Store::open(directory, CACHE_BYTES)));
    opened.unwrap_or_else(|_| Err(Fault::Damaged("a panic".into())))
}

fn journal(directory: &Path) -> PathBuf {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut journals: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .collect();
    assert_eq!(journals.len(), 1, "{journals:?}");
    journals.remove(0)
}

fn used_bytes(journal: &Path) -> u64 {
    let bytes = fs::read(journal).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1
}

fn overwrite(file: &Path, bytes: &[u8], at: u64) {
    let file = OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

#[test]
fn the_engine_refuses_a_journal_whose_last_commit_lost_a_page_and_the_check_cuts_that_commit_off() {
    let directory = tempfile::tempdir().unwrap();
    let engine = directory.path();
    commit(&open(engine).unwrap(), 1, 10, 300);
    let journal = journal(engine);
    let bytes = fs::read(&journal).unwrap();
    let data = bytes.windows(16).rposition(|bytes| bytes == [b'x'; 16]);
    overwrite(&journal, &[0; 16], data.unwrap() as u64);
    let opened = open(engine).err();
    assert!(
        matches!(opened, Some(Fault::Damaged(_))),
        "the engine copes with a torn commit now: {opened:?}"
    );
    check_journal(engine, Some(high_water(9))).unwrap();
    let store = open(engine).unwrap();
    assert_eq!(store.standing().unwrap(), Some(standing(9)));
}

#[test]
fn the_engine_throws_away_what_follows_damage_in_its_journal_and_the_check_leaves_it_there() {
    let directory = tempfile::tempdir().unwrap();
    let engine = directory.path();
    commit(&open(engine).unwrap(), 1, 10, 300);
    let journal = journal(engine);
    let used = used_bytes(&journal);
    let bytes = fs::read(&journal).unwrap();
    let end = bytes.windows(5).position(|bytes| bytes == b"FJL\x03\x01");
    let start = end.unwrap() as u64 + 4;
    overwrite(&journal, &[0xff], start);
    let refused = check_journal(engine, Some(high_water(10)));
    assert!(matches!(refused, Err(Fault::Damaged(_))), "{refused:?}");
    assert_eq!(used_bytes(&journal), used);
    // The high-water mark would report it, but only after the engine has cut it off.
    let store = open(engine).unwrap();
    assert_ne!(store.standing().ok(), Some(Some(standing(10))));
    drop(store);
    assert!(used_bytes(&journal) < used);
}

/// Whether the log shows less than was committed, and neither the engine nor its standing says so.
fn hides_topics(engine: &Path, events: u64) -> bool {
    let store = Store::open_idle(engine, CACHE_BYTES).unwrap();
    assert_eq!(store.standing().unwrap(), Some(standing(events)));
    let view = store.view();
    (1..=events).any(|number| {
        matches!(
            view.has_topic(Listed::Whole, "a", EventId::new(number, 1)),
            Ok(false)
        )
    })
}

/// Past a journal's 64 MiB, so that the first events are in tables alone.
const MANIFEST_EVENTS: u64 = 80;

/// A log whose manifest of the index has lost the table of its last level.
fn lose_a_table(engine: &Path) {
    const BYTES: usize = 1 << 20;
    let store = open(engine).unwrap();
    commit(&store, 1, MANIFEST_EVENTS, BYTES);
    for keyspace in store.all() {
        keyspace.rotate_memtable_and_wait().unwrap();
    }
    drop(store);
    // Without threads that write tables meanwhile: one table, in the last level.
    let store = Store::open_idle(engine, CACHE_BYTES).unwrap();
    store.index.major_compact().unwrap();
    let index = store.index.path().to_owned();
    commit(&store, MANIFEST_EVENTS + 1, MANIFEST_EVENTS + 1, BYTES);
    drop(store);
    assert!(!hides_topics(engine, MANIFEST_EVENTS + 1));
    check_manifests(engine).unwrap();
    let current = fs::read(index.join("current")).unwrap();
    let number = u64::from_le_bytes(current[..8].try_into().unwrap());
    let manifest = index.join(format!("v{number}"));
    overwrite(&manifest, &[0], runs_of_last_level(&manifest));
}

#[test]
fn a_manifest_that_lost_the_table_of_its_last_level_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    lose_a_table(directory.path());
    let refused = check_manifests(directory.path());
    assert!(matches!(refused, Err(Fault::Damaged(_))), "{refused:?}");
}

#[test]
#[ignore = "whether topics are hidden depends on which tables the engine's threads have dropped"]
fn the_engine_opens_a_damaged_manifest_as_an_index_that_lacks_topics() {
    let directory = tempfile::tempdir().unwrap();
    lose_a_table(directory.path());
    assert!(
        hides_topics(directory.path(), MANIFEST_EVENTS + 1),
        "the engine verifies its manifests now"
    );
}

/// Where the number of runs of the last level lies, the only one that has any. Before it lie the version of
/// lsm-tree, five numbers, and six levels without runs. Much other damage ends the process instead: the engine
/// panics while it drops what it has opened.
fn runs_of_last_level(manifest: &Path) -> u64 {
    let bytes = fs::read(manifest).unwrap();
    let at = "3.1.10".len() + 5 + 6;
    assert_eq!(bytes[at - 7..=at], [7, 0, 0, 0, 0, 0, 0, 1], "{bytes:?}");
    at as u64
}
