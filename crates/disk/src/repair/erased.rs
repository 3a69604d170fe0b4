//! Events whose erasure was lost.

use std::time::Instant;

use crate::{
    engine::{Commit, Fault, Record, View},
    record::{Listed, Own},
};
use sse_broadcaster::event::{EventId, Fields, Stored};

/// Whether the index says so of an event that is whole: what was written last of it is among what was lost, and what was
/// written before has come to light.
pub(super) fn was_erased(view: &View<'_>, id: EventId, fields: &Fields<'_>) -> Result<bool, Fault> {
    if fields.is_erased() {
        return Ok(false);
    }
    for topic in fields.topics() {
        if view.has_topic(Listed::Erased, topic, id)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns what is left of the event.
pub(super) fn erase_again(
    view: &View<'_>,
    commit: &mut Commit<'_>,
    record: &Record,
) -> Result<Stored, Fault> {
    let (_, whole) = record.stored(Instant::now())?;
    let event = whole.event();
    let left = whole.erased();
    commit.erase(record.block(), &left);
    if let Some(key) = event.idempotency_key() {
        let own = view.own(key.as_str())?;
        if matches!(own, Some(Own::Held { id, .. }) if id == whole.id()) {
            commit.own(key, Own::Spent);
        }
    }
    Ok(left)
}

/// The idempotency keys of erased events that have come to light again, among those that `may_lack` what was written last.
/// Before the index is made whole: an event that was published later with such a key has it.
pub(super) fn spend_again(
    view: &View<'_>,
    commit: &mut Commit<'_>,
    may_lack: impl Fn(&[u8]) -> bool,
) -> Result<(), Fault> {
    for found in view.owns() {
        let (key, own) = found?;
        let Own::Held { id, .. } = own else { continue };
        if may_lack(&key) && view.holds(id)? {
            let record = view.event(id)?;
            if record.decode().is_ok_and(|kept| kept.fields.is_erased()) {
                commit.put_own(&key, Own::Spent);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use fjall::Keyspace;

    use super::*;
    use crate::{engine::Store, record::Standing, repair::repair};
    use sse_broadcaster::event::Event;

    const CACHE_BYTES: u64 = 1 << 20;
    const EVENTS: u64 = 200;

    fn id(number: u64) -> EventId {
        EventId::new(number, 1)
    }

    fn stored(number: u64, event: Event) -> Stored {
        Stored::new(id(number), number, event)
    }

    /// One of those that fill several blocks of a table, whole and erased alike.
    fn event(number: u64) -> Event {
        let event = Event::builder(format!("text {number}")).topic("t".repeat(200));
        let event = event.idempotency_key(format!("key {number}"));
        event.build().unwrap()
    }

    fn standing(erased: u64) -> Standing {
        Standing {
            epoch: 1,
            head: id(EVENTS),
            head_number: EVENTS,
            floor: id(0),
            floor_number: 0,
            floor_ms: 0,
            bytes: 0,
            spent: 0,
            spent_overflowed: false,
            erased,
        }
    }

    /// Each event in one table, and what is left of it in a newer one.
    fn erase_all(engine: &Path) {
        let store = Store::open(engine, CACHE_BYTES).unwrap();
        let write_tables = || {
            for keyspace in store.all() {
                keyspace.rotate_memtable_and_wait().unwrap();
            }
        };
        let mut commit = store.begin();
        for number in 1..=EVENTS {
            let (id, event) = (id(number), event(number));
            let once = true;
            commit.own(event.idempotency_key().unwrap(), Own::Held { id, once });
            commit.insert(number, &stored(number, event));
        }
        commit.finish(&standing(0), false).unwrap();
        write_tables();
        let (view, mut commit) = (store.view(), store.begin());
        for number in 1..=EVENTS {
            let event = event(number);
            commit.own(event.idempotency_key().unwrap(), Own::Spent);
            let record = view.event(id(number)).unwrap();
            commit.erase(record.block(), &stored(number, event.erased()));
        }
        commit.finish(&standing(EVENTS), false).unwrap();
        write_tables();
        store.begin().finish(&standing(EVENTS), false).unwrap();
    }

    /// Flips a bit behind the first place where the newest table of a keyspace has this text.
    fn damage(engine: &Path, keyspace: fn(&Store) -> &Keyspace, text: &[u8]) {
        let store = Store::open_idle(engine, CACHE_BYTES).unwrap();
        let tables = keyspace(&store).path().join("tables");
        let number = |path: &Path| path.file_name()?.to_str()?.parse::<u64>().ok();
        let tables = fs::read_dir(tables).unwrap();
        let tables = tables.map(|entry| entry.unwrap().path());
        let newest = tables.max_by_key(|path| number(path)).unwrap();
        let mut bytes = fs::read(&newest).unwrap();
        let found = bytes.windows(text.len()).position(|part| part == text);
        bytes[found.unwrap() + text.len()] ^= 1;
        fs::write(newest, bytes).unwrap();
    }

    fn repaired(engine: &Path) -> Store {
        let fault = Fault::Damaged("a block".into());
        assert!(repair(engine, CACHE_BYTES, None, &fault).unwrap());
        Store::open(engine, CACHE_BYTES).unwrap()
    }

    #[test]
    fn damage_to_what_is_left_of_events_brings_no_erased_event_back() {
        let directory = tempfile::tempdir().unwrap();
        let engine = directory.path();
        erase_all(engine);
        damage(engine, |store| &store.events, b"tttt");
        let store = repaired(engine);
        let events: Vec<_> = store.view().events(id(0), id(EVENTS)).collect();
        for found in &events {
            let record = found.as_ref().unwrap();
            assert!(record.decode().unwrap().fields.is_erased(), "{}", record.id);
        }
        // One item is lost, with the events of it: what stands in for the engine's block has its last key.
        let left = events.len() as u64;
        assert!((EVENTS - 20..EVENTS).contains(&left), "{left}");
        let standing = store.standing().unwrap().unwrap();
        assert_eq!(standing.erased, left);
    }

    #[test]
    fn damage_to_the_index_brings_no_key_of_an_erased_event_back() {
        let directory = tempfile::tempdir().unwrap();
        let engine = directory.path();
        erase_all(engine);
        damage(engine, |store| &store.index, b"okey ");
        let store = repaired(engine);
        for found in store.view().owns() {
            let (key, own) = found.unwrap();
            assert_eq!(own, Own::Spent, "{key:?}");
        }
    }

    #[test]
    fn damage_to_the_index_lists_no_erased_event_as_whole() {
        let directory = tempfile::tempdir().unwrap();
        let engine = directory.path();
        erase_all(engine);
        damage(engine, |store| &store.index, b"ettt");
        // Behind the prefix of its list, the topic.
        damage(engine, |store| &store.index, &[b't'; 201]);
        let store = repaired(engine);
        let topic = "t".repeat(200).parse().unwrap();
        let listed = |listed| store.view().of_topic(listed, &topic, id(0), id(EVENTS));
        assert_eq!(listed(Listed::Whole).count(), 0);
        assert_eq!(listed(Listed::Erased).count() as u64, EVENTS);
    }
}
