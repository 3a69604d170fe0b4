//! How a log on disk is kept.

use std::{path::PathBuf, time::Duration};

use sse_broadcaster::history::{Retention, SyncPolicy};

/// How long [`Options::new`] waits for another process.
const WAIT: Duration = Duration::from_secs(10);
/// What [`Options::new`] lets the engine keep in memory.
const CACHE_BYTES: u64 = 32 << 20;

/// How a log on disk is kept. Built by [`Options::new`] and the methods that change it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The directory of the log, and of nothing else; it is created where there is none.
    pub directory: PathBuf,
    /// How long to wait for another process to release the directory; 10 s by default.
    pub wait: Duration,
    /// When an append is safe from a power loss; by default before it is acknowledged.
    pub sync: SyncPolicy,
    /// What the whole log keeps, its bytes by [`Event::cost`](sse_broadcaster::Event::cost).
    pub retention: Retention,
    /// What memory holds of it, at most as much; its bytes are those of memory.
    pub window: Retention,
    /// How many bytes of its files the engine may keep in memory; 32 MiB by default.
    pub cache_bytes: u64,
}

impl Options {
    /// A log in this directory with the defaults.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            wait: WAIT,
            sync: SyncPolicy::Always,
            retention: Retention::default(),
            window: Retention::default(),
            cache_bytes: CACHE_BYTES,
        }
    }

    /// Sets [`wait`](Self::wait).
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Sets [`sync`](Self::sync).
    #[must_use]
    pub fn sync(mut self, sync: SyncPolicy) -> Self {
        self.sync = sync;
        self
    }

    /// Sets [`retention`](Self::retention).
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Sets [`window`](Self::window).
    #[must_use]
    pub fn window(mut self, window: Retention) -> Self {
        self.window = window;
        self
    }

    /// Sets [`cache_bytes`](Self::cache_bytes).
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes;
        self
    }
}
