//! Room in standard error. If it is a pipe that nobody reads, a write waits for ever, and with it the worker that logs.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Most bytes of a message. A pipe that has room takes 4 KiB without waiting.
pub(super) const MAX_MESSAGE_BYTES: usize = 3_000;
/// How long the first line without room waits: what reads the log may be busy for a moment.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
const NO_PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// How many lines were not logged since the process began.
pub(crate) fn dropped_lines() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

#[derive(Default)]
pub(super) struct LogRoom {
    is_full: bool,
    /// Lines that nothing in the log tells of yet.
    dropped: u64,
}

impl LogRoom {
    /// Whether a line may be written now. One that may not is counted.
    pub(super) fn admits_line(&mut self) -> bool {
        let patience = if self.is_full { NO_PATIENCE } else { PATIENCE };
        self.is_full = !has_room(&patience);
        if self.is_full {
            self.dropped += 1;
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        !self.is_full
    }

    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

fn has_room(patience: &Timespec) -> bool {
    let stderr = io::stderr();
    let mut output = [PollFd::new(&stderr, PollFlags::OUT)];
    // An error of `poll` says nothing about room.
    poll(&mut output, Some(patience)).map_or(true, |ready| ready > 0)
}
