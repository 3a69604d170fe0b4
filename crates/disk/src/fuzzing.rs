//! The parsers of what is on disk that are private here, for `fuzz/`. A panic is a finding.

#![allow(clippy::missing_panics_doc, reason = "a panic is a finding")]

use std::{collections::BTreeMap, fs, path::PathBuf, sync::LazyLock};

use sse_broadcaster::event::{Event, EventId, Fields};

use crate::{
    engine,
    high_water_mark::{HighWater, HighWaterMark},
    record::{self, Own, Standing},
};

/// A value of the log, read as each kind of record.
pub fn record(input: &[u8]) {
    let at = EventId::new(1, 1);
    let key = input.first_chunk::<16>().map(|id| record::id_of(id));
    let key: EventId = key.and_then(Result::ok).unwrap_or(at);
    for (key, value) in [(at, input), (key, input.get(16..).unwrap_or_default())] {
        let Ok(events) = record::block::events(key, value) else {
            continue;
        };
        for event in &events {
            if let Some(fields) = Fields::checked(&value[event.fields.clone()]) {
                let (event, mut packed) = (Event::unpack(&fields), Vec::new());
                event.pack(&mut packed);
                let again = Fields::checked(&packed).expect("it reads back");
                assert_eq!(Event::unpack(&again), event);
            }
        }
        let written = record::block::replace(value, &events, &BTreeMap::new());
        let again = record::block::events(key, &written).expect("it reads back");
        assert_eq!(again.len(), events.len());
    }
    if let Ok(standing) = Standing::decode(input) {
        assert_eq!(Standing::decode(&standing.encode()), Ok(standing));
    }
    let _ = (Own::decode(input), record::decode_retained(input));
    let _ = (record::decode_steps(input), record::id_of(input));
    let _ = (record::topic_of_key(input), record::id_of_topic_key(input));
}

/// The newest journal of the engine, as it is checked when a log is opened.
pub fn journal(input: &[u8]) {
    let engine = DIRECTORY.join("journal");
    fs::create_dir_all(&engine).unwrap();
    fs::write(engine.join("1.jnl"), input).unwrap();
    let acknowledged = HighWater {
        epoch: 1,
        written: 1,
        synced: 1,
    };
    if engine::check_journal(&engine, Some(acknowledged)).is_ok() {
        // What was torn is cut off, and what is left is whole.
        let left = fs::read(engine.join("1.jnl")).unwrap();
        assert!(input.starts_with(&left));
        engine::check_journal(&engine, Some(acknowledged)).expect("the same again");
    }
}

/// The file that says which manifest of a keyspace is valid.
pub fn manifest(input: &[u8]) {
    let keyspace = DIRECTORY.join("manifest/keyspaces/1");
    fs::create_dir_all(&keyspace).unwrap();
    fs::write(keyspace.join("v1"), b"").unwrap();
    fs::write(keyspace.join("current"), input).unwrap();
    let _ = engine::check_manifests(&DIRECTORY.join("manifest"));
}

/// The high-water mark.
pub fn high_water_mark(input: &[u8]) {
    let path = DIRECTORY.join("high_water_mark");
    fs::create_dir_all(&*DIRECTORY).unwrap();
    fs::write(&path, input).unwrap();
    if let Ok((mut mark, found)) = HighWaterMark::open(&path) {
        let next = found.unwrap_or(HighWater {
            epoch: 1,
            written: 2,
            synced: 1,
        });
        mark.advance(next).expect("it can be written");
    }
}

/// Of this process: libFuzzer runs one target a process.
static DIRECTORY: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("fuzz-disk-{}", std::process::id())));
