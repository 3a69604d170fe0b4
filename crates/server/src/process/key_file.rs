//! Files with keys, which are read again on SIGHUP, and when they have changed.

use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::config::BadSetting;
use sse_broadcaster_actix::KeyRing;

use sse_broadcaster_cli::{KeyFile, Secret};

/// The interval of polls. A change is read once the file has been the same in two polls in a row, so that a
/// file that is being written is not read in part.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Commands that print a key, for the file that lacks.
pub(crate) const TOKEN_KEY_RECIPE: &str = "echo \"HS256 $(openssl rand -hex 32)\"";
pub(crate) const PLAIN_KEY_RECIPE: &str = "openssl rand -hex 32";

/// The same error, and if the file is missing, how to make it: by what `recipe` prints.
pub(crate) fn with_recipe(bad: BadSetting, path: &Path, recipe: &str) -> BadSetting {
    if FileState::of(path) != FileState::Missing(io::ErrorKind::NotFound) {
        return bad;
    }
    let path = path.display();
    BadSetting(format!(
        "{bad}; this makes one: (umask 077; {recipe} > {path})"
    ))
}

/// A kind of keys that are sent as `Authorization: Bearer`: those of publishers, for example.
pub(crate) struct KeySetting {
    /// For the log, for example `publish keys`.
    pub(crate) name: &'static str,
    pub(crate) file_flag: &'static str,
    /// The keys of the other settings.
    pub(crate) fixed: Vec<Secret>,
    pub(crate) file: Option<PathBuf>,
}

impl KeySetting {
    /// Whether there is a key, or a file, which has one.
    pub(crate) fn has_keys(&self) -> bool {
        !self.fixed.is_empty() || self.file.is_some()
    }

    /// Reads the keys of all settings into the ring, and returns what keeps them as the file has them.
    ///
    /// # Errors
    /// For a file that cannot be read, and for a key that is not valid; then the ring stays as it was.
    pub(crate) fn load_into(self, ring: &KeyRing) -> Result<Option<Watched>, BadSetting> {
        let Some(path) = self.file.clone() else {
            ring.replace(self.fixed.iter().map(Secret::expose));
            return Ok(None);
        };
        let files = vec![WatchedFile::new(self.file_flag, &path)];
        let keys = self.read(&path);
        let keys = keys.map_err(|bad| with_recipe(bad, &path, PLAIN_KEY_RECIPE))?;
        ring.replace(keys.iter().map(Secret::expose));
        let ring = ring.clone();
        Ok(Some(Watched::new(files, move |changed, _| {
            for path in changed {
                self.reload(path, &ring);
            }
        })))
    }

    fn read(&self, path: &Path) -> Result<Vec<Secret>, BadSetting> {
        let file = KeyFile::read(self.file_flag, path)?;
        if let Some(exposure) = file.exposure() {
            log::warn!("{exposure}");
        }
        let mut keys = self.fixed.clone();
        keys.extend(file.checked()?);
        Ok(keys)
    }

    fn reload(&self, path: &Path, ring: &KeyRing) {
        match self.read(path) {
            Ok(keys) => {
                let new = ring.replace(keys.iter().map(Secret::expose));
                log::info!(
                    "read {} again: {} {}, {} added, {} removed",
                    path.display(),
                    new.keys,
                    self.name,
                    new.added,
                    new.removed
                );
            }
            Err(bad) => log::error!("the {} stay as they were: {bad}", self.name),
        }
    }
}

/// Files that are polled, and what reads them again: it is given the changed ones, or all on SIGHUP, which the second
/// argument says.
pub(crate) struct Watched {
    files: Vec<WatchedFile>,
    reload: Reload,
}

type Reload = Box<dyn FnMut(&[&Path], bool) + Send>;

impl Watched {
    pub(crate) fn new(
        files: Vec<WatchedFile>,
        reload: impl FnMut(&[&Path], bool) + Send + 'static,
    ) -> Self {
        Self {
            files,
            reload: Box::new(reload),
        }
    }

    /// Reads the files again that have changed, or all if that was requested.
    pub(crate) fn update(&mut self, is_requested: bool) {
        let due = self.files.iter_mut();
        let due = due.filter_map(|file| file.is_due(is_requested).then_some(&*file.path));
        let due: Vec<_> = due.collect();
        if is_requested || !due.is_empty() {
            (self.reload)(&due, is_requested);
        }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.files).finish()
    }
}

/// A file that is polled.
#[derive(Debug)]
pub(crate) struct WatchedFile {
    flag: &'static str,
    path: PathBuf,
    state: Polled<FileState>,
}

/// The state of files that are polled.
#[derive(Debug)]
pub(crate) struct Polled<S> {
    /// That which was read last.
    loaded: S,
    /// That of the last poll.
    last: S,
}

impl<S: Clone + PartialEq> Polled<S> {
    /// Files in this state, which is that of before they are read, so that no change is missed.
    pub(crate) fn new(state: S) -> Self {
        Self {
            loaded: state.clone(),
            last: state,
        }
    }

    /// Whether they are to be read again: they have changed, and have been the same in two polls in a row.
    pub(crate) fn is_new(&mut self, state: &S) -> bool {
        let is_new = *state != self.loaded && *state == self.last;
        self.last.clone_from(state);
        is_new
    }

    /// They are about to be read in the state of the last poll.
    pub(crate) fn load(&mut self) {
        self.loaded.clone_from(&self.last);
    }
}

/// The state of a file, which changes when it is written or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileState {
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

impl FileState {
    pub(crate) fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            Err(error) => Self::Missing(error.kind()),
            Ok(file) if !file.is_file() => Self::NotRegular,
            Ok(file) => Self::File {
                inode: (file.dev(), file.ino()),
                bytes: file.size(),
                modified: (file.mtime(), file.mtime_nsec()),
                changed: (file.ctime(), file.ctime_nsec()),
            },
        }
    }
}

impl WatchedFile {
    /// In the state that it has now: to be called before it is read, so that no change is missed.
    pub(crate) fn new(flag: &'static str, path: &Path) -> Self {
        Self {
            flag,
            path: path.to_owned(),
            state: Polled::new(FileState::of(path)),
        }
    }

    /// Whether it is to be read again.
    fn is_due(&mut self, is_requested: bool) -> bool {
        let state = FileState::of(&self.path);
        let is_new = self.state.is_new(&state);
        if !is_requested && !is_new {
            return false;
        }
        if state == FileState::NotRegular {
            log::warn!(
                "{} {} is not a regular file: its keys stay as they are",
                self.flag,
                self.path.display()
            );
            return false;
        }
        self.state.load();
        true
    }
}
