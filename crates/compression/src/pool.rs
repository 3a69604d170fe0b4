//! Compressors that are used again: to set one up takes longer than to compress an event.

use std::fmt;

use parking_lot::Mutex;

/// Most that are kept. So many threads compress at once without setting one up.
const MAX_KEPT: usize = 8;

/// Compressors of one kind.
pub(crate) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.0.lock().pop()
    }

    pub(crate) fn put_back(&self, compressor: T) {
        let mut kept = self.0.lock();
        if kept.len() < MAX_KEPT {
            kept.push(compressor);
        }
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}
