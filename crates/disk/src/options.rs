//! How a log on disk is kept.

use std::{path::PathBuf, time::Duration};

use sse_broadcaster::history::{Retention, SyncPolicy};

/// How a log on disk is kept.
#[derive(Debug, Clone)]
pub struct Options {
    pub directory: PathBuf,
    /// How long to wait for another process to let go of the directory.
    pub wait: Duration,
    pub sync: SyncPolicy,
    /// What the whole log keeps.
    pub retention: Retention,
    /// What memory holds of it, at most as much.
    pub window: Retention,
    /// What the engine may keep of its files in memory.
    pub cache_bytes: u64,
}
