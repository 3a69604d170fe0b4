//! How many requests were refused, by status and code.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// How many requests were refused. Status and code come from the program, so that clients cannot add entries.
#[derive(Debug, Default)]
pub struct RefusalCounts(Mutex<BTreeMap<(u16, &'static str), u64>>);

impl RefusalCounts {
    /// Counts one more refusal.
    pub fn count(&self, status: u16, code: &'static str) {
        *self.0.lock().entry((status, code)).or_default() += 1;
    }

    /// Status, code and count of each kind of refusal, ordered by status and code.
    pub fn counts(&self) -> Vec<((u16, &'static str), u64)> {
        let counts = self.0.lock();
        counts
            .iter()
            .map(|(labels, count)| (*labels, *count))
            .collect()
    }
}
