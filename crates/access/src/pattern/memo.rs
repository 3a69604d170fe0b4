//! What sets of patterns said of topics lately, on each thread: the same topics come again and again.

use std::{cell::RefCell, hash::BuildHasher as _};

use foldhash::fast::RandomState;

/// How many results one thread keeps. A power of two.
const ENTRIES: usize = 1_024;
/// Longer topics are not kept, so that a thread keeps less than a megabyte.
const MAX_TOPIC_BYTES: usize = 512;

struct Memo {
    hasher: RandomState,
    entries: Vec<Entry>,
}

#[derive(Clone, Default)]
struct Entry {
    /// 0 for none.
    set: u64,
    topic: String,
    matches: bool,
}

thread_local! {
    static MEMO: RefCell<Memo> = RefCell::new(Memo {
        hasher: RandomState::default(),
        entries: Vec::new(),
    });
}

/// What `compute` says, or said for this set and topic. A set has its number for itself and never changes.
pub(super) fn matches(set: u64, topic: &str, compute: impl FnOnce() -> bool) -> bool {
    if topic.len() > MAX_TOPIC_BYTES {
        return compute();
    }
    let at = MEMO.with_borrow(|memo| {
        let hash = memo.hasher.hash_one((set, topic));
        usize::try_from(hash % ENTRIES as u64).unwrap_or_default()
    });
    let known = MEMO.with_borrow(|memo| {
        let entry = memo.entries.get(at)?;
        (entry.set == set && entry.topic == topic).then_some(entry.matches)
    });
    known.unwrap_or_else(|| {
        let matches = compute();
        MEMO.with_borrow_mut(|memo| {
            memo.entries.resize(ENTRIES, Entry::default());
            let entry = &mut memo.entries[at];
            entry.set = set;
            entry.topic.clear();
            entry.topic.push_str(topic);
            entry.matches = matches;
        });
        matches
    })
}
