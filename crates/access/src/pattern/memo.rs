//! What sets of patterns said of topics lately, on each thread: the same topics come again and again.

use std::{cell::RefCell, hash::BuildHasher as _, sync::LazyLock};

use foldhash::fast::RandomState;

use super::recent::Recent;

/// Longer topics are not kept, so that a thread keeps about a megabyte at most.
const MAX_TOPIC_BYTES: usize = 512;

#[derive(Default)]
struct Known {
    /// 0 for none.
    set: u64,
    topic: String,
    matches: bool,
}

static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::default);

thread_local! {
    static MEMO: RefCell<Recent<Known>> = const { RefCell::new(Recent::new(512)) };
}

/// What `compute` says, or said for this set and topic. A set has its number for itself and never changes.
pub(super) fn matches(set: u64, topic: &str, compute: impl FnOnce() -> bool) -> bool {
    if topic.len() > MAX_TOPIC_BYTES {
        return compute();
    }
    let is_it = |known: &Known| known.set == set && known.topic == topic;
    let replace = |known: &mut Known| {
        known.matches = compute();
        known.set = set;
        known.topic.clear();
        known.topic.push_str(topic);
    };
    let hash = HASHER.hash_one((set, topic));
    MEMO.with_borrow_mut(|memo| memo.get_or_replace(hash, is_it, replace).matches)
}
