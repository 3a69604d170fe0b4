//! The idempotency keys of events that retention dropped.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use crate::event::IdempotencyKey;

/// Most keys that are remembered.
const MAX_KEYS: usize = 1 << 20;
/// The part of a history's bytes that they may take.
const SHARE: usize = 16;
/// What remembering one takes.
const KEY_BYTES: usize = 20;

/// Which idempotency keys were used by events that are gone, as hashes. A key that was not used may be taken for one
/// that was, and every key is once there are too many to remember: a client that resumes after such a key is sent a
/// gap, where otherwise it might be sent the events after another event that had the key before.
pub(super) struct DroppedKeys {
    max: usize,
    hasher: RandomState,
    hashes: HashSet<u64>,
    overflowed: bool,
}

impl DroppedKeys {
    /// Of a history that keeps so many bytes of events.
    pub(super) fn new(history_bytes: usize) -> Self {
        Self {
            max: MAX_KEYS.min(history_bytes / SHARE / KEY_BYTES),
            hasher: RandomState::new(),
            hashes: HashSet::new(),
            overflowed: false,
        }
    }

    pub(super) fn may_hold(&self, key: &IdempotencyKey) -> bool {
        self.overflowed || self.hashes.contains(&self.hasher.hash_one(key))
    }

    pub(super) fn insert(&mut self, key: &IdempotencyKey) {
        if self.overflowed {
            return;
        }
        self.hashes.insert(self.hasher.hash_one(key));
        if self.hashes.len() > self.max {
            self.overflowed = true;
            self.hashes = HashSet::new();
        }
    }
}
