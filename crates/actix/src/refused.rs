//! How many requests were refused, by status and code.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Both labels come from the program: what clients send adds none.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<BTreeMap<(u16, &'static str), u64>>);

impl Refusals {
    pub fn count(&self, status: u16, code: &'static str) {
        *self.0.lock().entry((status, code)).or_default() += 1;
    }

    pub fn counts(&self) -> Vec<((u16, &'static str), u64)> {
        let counts = self.0.lock();
        counts
            .iter()
            .map(|(labels, count)| (*labels, *count))
            .collect()
    }
}
