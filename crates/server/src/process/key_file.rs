//! The key file of a running server: read again on SIGHUP, and when it has changed.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::PathBuf, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use crate::config::{BadSetting, Config};
use sse_broadcaster_actix::KeyRing;

use sse_broadcaster_cli::{KeyFile, Secret};

/// How often it is looked at. A change is taken once it has held still from one look to the next, so
/// that a file that is being written is not read in part.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Reads the keys of all settings.
///
/// # Errors
/// When the file cannot be read, or a key is none.
pub(crate) fn load(config: &Config) -> Result<(Vec<Secret>, Option<Watched>), BadSetting> {
    let fixed = config.checked_keys()?;
    let Some(path) = config.publish_key_file.clone() else {
        return Ok((fixed, None));
    };
    let mut watched = Watched {
        path,
        fixed,
        taken: Seen::Missing(io::ErrorKind::NotFound),
        last: Seen::Missing(io::ErrorKind::NotFound),
    };
    watched.taken = watched.look();
    watched.last = watched.taken;
    Ok((watched.read()?, Some(watched)))
}

/// A key file, and which state of it the ring has.
#[derive(Debug)]
pub(crate) struct Watched {
    path: PathBuf,
    /// The keys of the other settings.
    fixed: Vec<Secret>,
    taken: Seen,
    last: Seen,
}

/// What tells one state of a file from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Missing(io::ErrorKind),
    /// What cannot be read twice, such as a pipe.
    Other,
    File {
        inode: (u64, u64),
        bytes: u64,
        modified: (i64, i64),
        changed: (i64, i64),
    },
}

impl Watched {
    fn look(&self) -> Seen {
        match fs::metadata(&self.path) {
            Err(error) => Seen::Missing(error.kind()),
            Ok(file) if !file.is_file() => Seen::Other,
            Ok(file) => Seen::File {
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

    /// Takes what the file holds if it has changed, or was asked to.
    fn look_again(&mut self, ring: &KeyRing, asked: bool) {
        let seen = self.look();
        let is_new = seen != self.taken && seen == self.last;
        self.last = seen;
        if !asked && !is_new {
            return;
        }
        let path = self.path.display();
        if seen == Seen::Other {
            log::warn!("--publish-key-file {path} is no regular file: its keys stay as they are");
            return;
        }
        self.taken = seen;
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

    /// Looks at the file from time to time, and whenever `asked` completes.
    pub(crate) async fn follow(mut self, ring: KeyRing, mut asked: impl AsyncFnMut()) {
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let by_signal = tokio::select! {
                () = asked() => true,
                _ = looks.tick() => false,
            };
            // A file may be on a disk that hangs.
            let ring = ring.clone();
            let look = tokio::task::spawn_blocking(move || {
                self.look_again(&ring, by_signal);
                self
            });
            match look.await {
                Ok(watched) => self = watched,
                Err(_) => return,
            }
        }
    }
}
