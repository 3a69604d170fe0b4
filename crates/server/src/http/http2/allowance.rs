//! How many frames a client may still send.

use std::time::Instant;

/// How many frames may still come: a number that grows by the second, up to what it began with.
#[derive(Debug)]
pub(super) struct Allowance {
    left: u32,
    most: u32,
    per_second: u32,
    since: Instant,
}

impl Allowance {
    pub(super) fn new(most: u32, per_second: u32) -> Self {
        Self {
            left: most,
            most,
            per_second,
            since: Instant::now(),
        }
    }

    pub(super) fn add(&mut self, more: u32) {
        self.left = self.left.saturating_add(more).min(self.most);
    }

    /// Takes so many; false if fewer are left.
    pub(super) fn take(&mut self, frames: u32) -> bool {
        if self.left < frames {
            let seconds = self.since.elapsed().as_secs();
            if seconds > 0 {
                self.since = Instant::now();
                let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
                self.add(self.per_second.saturating_mul(seconds));
            }
        }
        let is_left = self.left >= frames;
        self.left = self.left.saturating_sub(frames);
        is_left
    }
}
