//! Reads the key file of a running server again on SIGHUP, and when it has changed.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::PathBuf, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use crate::config::{BadSetting, Config};
use sse_broadcaster_actix::KeyRing;

use sse_broadcaster_cli::{KeyFile, Secret};

/// The interval of polls. A change is read once the file has been the same in two polls in a row, so that a
/// file that is being written is not read in part.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Reads the keys of all settings.
///
/// # Errors
/// For a file that cannot be read, and for a key that is not valid.
pub(crate) fn load(config: &Config) -> Result<(Vec<Secret>, Option<Watched>), BadSetting> {
    let fixed = config.checked_keys()?;
    let Some(path) = config.publish_key_file.clone() else {
        return Ok((fixed, None));
    };
    let mut watched = Watched {
        path,
        fixed,
        loaded: FileState::Missing(io::ErrorKind::NotFound),
        polled: FileState::Missing(io::ErrorKind::NotFound),
    };
    watched.loaded = watched.poll();
    watched.polled = watched.loaded;
    Ok((watched.read()?, Some(watched)))
}

/// A key file that is polled.
#[derive(Debug)]
pub(crate) struct Watched {
    path: PathBuf,
    /// The keys of the other settings.
    fixed: Vec<Secret>,
    /// The state whose keys the ring has.
    loaded: FileState,
    /// The state at the last poll.
    polled: FileState,
}

/// The state of a file, which changes when it is written or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileState {
    Missing(io::ErrorKind),
    /// Not a regular file: a pipe, for example, cannot be read twice.
    NotRegular,
    File {
        inode: (u64, u64),
        bytes: u64,
        modified: (i64, i64),
        changed: (i64, i64),
    },
}

impl Watched {
    fn poll(&self) -> FileState {
        match fs::metadata(&self.path) {
            Err(error) => FileState::Missing(error.kind()),
            Ok(file) if !file.is_file() => FileState::NotRegular,
            Ok(file) => FileState::File {
                inode: (file.dev(), file.ino()),
                bytes: file.size(),
                modified: (file.mtime(), file.mtime_nsec()),
                changed: (file.ctime(), file.ctime_nsec()),
            },
        }
    }

    fn read(&self) -> Result<Vec<Secret>, BadSetting> {
        let file = KeyFile::read(&self.path)?;
        if let Some(exposure) = file.exposure(&self.path) {
            log::warn!("{exposure}");
        }
        let mut keys = self.fixed.clone();
        keys.extend(file.checked(&self.path)?);
        Ok(keys)
    }

    /// Reads the keys again if the file has changed, or if that was requested.
    fn update(&mut self, ring: &KeyRing, is_requested: bool) {
        let state = self.poll();
        let is_new = state != self.loaded && state == self.polled;
        self.polled = state;
        if !is_requested && !is_new {
            return;
        }
        let path = self.path.display();
        if state == FileState::NotRegular {
            log::warn!(
                "--publish-key-file {path} is not a regular file: the publish keys stay as they are"
            );
            return;
        }
        self.loaded = state;
        match self.read() {
            Ok(keys) => {
                let new = ring.replace(keys.iter().map(Secret::expose));
                log::info!(
                    "read {path} again: {} publish keys, {} added, {} removed",
                    new.keys,
                    new.added,
                    new.removed
                );
            }
            Err(bad) => log::error!("the publish keys stay as they were: {bad}"),
        }
    }

    /// Polls the file at an interval, and reads it again whenever `requested` completes.
    pub(crate) async fn follow(mut self, ring: KeyRing, mut requested: impl AsyncFnMut()) {
        let mut polls = interval(POLL_INTERVAL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let by_signal = tokio::select! {
                () = requested() => true,
                _ = polls.tick() => false,
            };
            // Not on this thread: the file may be on a disk that hangs.
            let ring = ring.clone();
            let updated = tokio::task::spawn_blocking(move || {
                self.update(&ring, by_signal);
                self
            });
            match updated.await {
                Ok(watched) => self = watched,
                Err(_) => return,
            }
        }
    }
}
