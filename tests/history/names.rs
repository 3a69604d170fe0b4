//! Lists of the topics and keys in use.

use sse_broadcaster::{
    EventId,
    history::{Batch, NameKind, NameRange, Names},
};

use crate::{
    history::log::{LARGE, Log, Size, event},
    history::retained::value,
};

fn list(log: &Log, kind: NameKind, prefix: &str, after: &str, limit: usize) -> Names {
    let range = NameRange::new(limit).prefix(prefix).after(after);
    let names = log.history().names(kind, range);
    log.runtime.block_on(names).unwrap()
}

fn all(log: &Log, kind: NameKind) -> Vec<(String, EventId)> {
    let names = list(log, kind, "", "", 1_000);
    assert!(!names.more);
    names.found
}

pub fn topics_are_listed_in_order_page_by_page_with_their_newest_event(log: fn(Size) -> Log) {
    let mut log = log(Size {
        window: 16,
        ..LARGE
    });
    assert_eq!(all(&log, NameKind::Topics), []);
    // Of which some are patterns to Redis, and some begin as others end.
    let topics = ["a", "a b", "a^", "a/b", "a?", "ab", "b", "b[x]", "b\\", "ü"];
    let mut newest = Vec::new();
    for round in 0..3 {
        newest = topics
            .iter()
            .map(|topic| (topic.to_string(), log.publish(topic, &round.to_string())))
            .collect();
    }
    newest.sort();
    for _ in 0..2 {
        assert_eq!(all(&log, NameKind::Topics), newest);
        let (mut pages, mut after) = (Vec::new(), String::new());
        loop {
            let page = list(&log, NameKind::Topics, "", &after, 3);
            pages.extend(page.found);
            if !page.more {
                break;
            }
            after.clone_from(&pages.last().unwrap().0);
        }
        assert_eq!(pages, newest);
        for prefix in ["a", "a^", "a?", "b[", "b\\", "none"] {
            let found = list(&log, NameKind::Topics, prefix, "", 100).found;
            let begins = newest.iter().filter(|(name, _)| name.starts_with(prefix));
            assert!(found.iter().eq(begins), "{prefix}: {found:?}");
        }
        if !log.reopen() {
            return;
        }
    }
}

pub fn a_topic_whose_events_were_dropped_is_listed_no_more(log: fn(Size) -> Log) {
    let log = log(Size {
        log: 16,
        window: 16,
        ..LARGE
    });
    log.publish("old", "x");
    assert_eq!(all(&log, NameKind::Topics).len(), 1);
    for _ in 0..40 {
        log.publish("new", "x");
    }
    let names = all(&log, NameKind::Topics);
    assert_eq!(names, [("new".to_owned(), log.history().bounds().head)]);
}

pub fn retained_keys_are_listed_with_the_id_they_were_written_at(log: fn(Size) -> Log) {
    let log = log(LARGE);
    let mut written = Vec::new();
    for key in ["k 1", "$k", "k"] {
        let batch = Batch::from(event("a", "x")).retain(value(key, "a value"));
        written.push((key.to_owned(), log.append(batch).unwrap().ids[0]));
    }
    written.sort();
    assert_eq!(all(&log, NameKind::RetainedKeys), written);
    let some = list(&log, NameKind::RetainedKeys, "k", "k", 1);
    assert_eq!((some.found, some.more), (written[2..].to_vec(), false));
}
