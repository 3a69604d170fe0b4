//! A log of events on disk, in the directory of an example.

use std::{path::Path, time::Duration};

use sse_broadcaster::history::{Retention, SyncPolicy};
use sse_broadcaster_disk as disk;
use sse_broadcaster_disk::Disk;

/// How long to wait at the start for another process to let go of the log.
const WAIT: Duration = Duration::from_secs(10);
const CACHE_BYTES: u64 = 8 << 20;

/// # Errors
/// A sentence that says what is wrong with it.
pub fn open(directory: &Path) -> Result<Disk, String> {
    let options = disk::Options::new(directory.join("log"))
        .wait(WAIT)
        .sync(SyncPolicy::Always)
        .retention(Retention::default())
        .window(Retention::default())
        .cache_bytes(CACHE_BYTES);
    Disk::open(options).map_err(|error| error.to_string())
}
