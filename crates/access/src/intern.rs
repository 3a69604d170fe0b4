//! Equal values share one allocation for as long as anybody holds it.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hash},
    sync::{Arc, LazyLock, Weak},
};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

/// Most values that one table knows of. Further ones are not shared, and cost memory of their own.
const MAX_SHARED: usize = 200_000;
/// Dead entries are swept after as many values as the table had at the last time, but not fewer than this.
const MIN_BETWEEN_SWEEPS: usize = 1_024;

/// A table of weak references.
pub(crate) struct Interner<T>(LazyLock<Mutex<Table<T>>>);

struct Table<T> {
    hasher: RandomState,
    /// By hash, so that a value is stored only once, in its `Arc`. Of two with one hash the later is shared.
    values: HashMap<u64, Weak<T>, RandomState>,
    /// After how many more values dead entries are swept.
    until_sweep: usize,
}

impl<T: Hash> Interner<T> {
    pub(crate) const fn new() -> Self {
        Self(LazyLock::new(|| Mutex::new(Table::new())))
    }

    /// The value for `key` that is held already, if any. `key` hashes as the value does.
    pub(crate) fn find(
        &self,
        key: &(impl Hash + ?Sized),
        is_it: impl Fn(&T) -> bool,
    ) -> Option<Arc<T>> {
        let table = self.0.lock();
        let hash = table.hasher.hash_one(key);
        table.find(hash, is_it)
    }

    /// `value`, or the equal one that is held already.
    pub(crate) fn intern(&self, value: T) -> Arc<T>
    where
        T: Eq,
    {
        let mut table = self.0.lock();
        let hash = table.hasher.hash_one(&value);
        if let Some(shared) = table.find(hash, |held| *held == value) {
            return shared;
        }
        let shared = Arc::new(value);
        table.insert(hash, &shared);
        shared
    }
}

impl<T> Table<T> {
    fn new() -> Self {
        Self {
            hasher: RandomState::default(),
            values: HashMap::default(),
            until_sweep: MIN_BETWEEN_SWEEPS,
        }
    }

    fn find(&self, hash: u64, is_it: impl Fn(&T) -> bool) -> Option<Arc<T>> {
        let held = self.values.get(&hash)?.upgrade()?;
        is_it(&held).then_some(held)
    }

    fn insert(&mut self, hash: u64, value: &Arc<T>) {
        self.until_sweep = self.until_sweep.saturating_sub(1);
        if self.until_sweep == 0 {
            self.sweep();
        }
        if self.values.len() < MAX_SHARED {
            self.values.insert(hash, Arc::downgrade(value));
        }
    }

    fn sweep(&mut self) {
        self.values.retain(|_, held| held.strong_count() > 0);
        self.until_sweep = self.values.len().max(MIN_BETWEEN_SWEEPS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_one_allocation_and_dead_ones_are_swept() {
        static TABLE: Interner<String> = Interner::new();
        let one = TABLE.intern("one".to_owned());
        assert!(Arc::ptr_eq(&one, &TABLE.intern("one".to_owned())));
        let found = TABLE.find(&"one", |held| held == "one").unwrap();
        assert!(Arc::ptr_eq(&one, &found));
        for n in 0..10 * MIN_BETWEEN_SWEEPS {
            TABLE.intern(n.to_string());
        }
        let table = TABLE.0.lock();
        let len = table.values.len();
        assert!(len <= MIN_BETWEEN_SWEEPS + 1, "{len} entries");
        drop(table);
        assert!(Arc::ptr_eq(&one, &TABLE.intern("one".to_owned())));
    }
}
