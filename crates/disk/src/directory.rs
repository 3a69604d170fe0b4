//! The directory of a log: who has it, which format it is in, and what lies where.

use std::{
    error::Error,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    high_water_mark::{HighWater, HighWaterMark},
    private,
};

/// The format that this version writes. It reads format 1 too, which has no time beside an id.
const FORMAT: u32 = 2;
const FORMAT_NAME: &str = "sse-broadcaster log";
/// How often the lock is tried while another process holds it.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// Why a log cannot be opened: one sentence for the operator, with the choice there is.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{sentence}")]
pub struct OpenError {
    sentence: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl OpenError {
    pub(super) fn new(sentence: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            source: None,
        }
    }

    pub(super) fn caused_by(self, source: impl Error + Send + Sync + 'static) -> Self {
        Self {
            source: Some(Arc::new(source)),
            ..self
        }
    }
}

#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Held as long as the log is: the engine's own lock is let go of when it is reopened.
    _lock: File,
}

impl Directory {
    pub(super) fn open(path: &Path, wait: Duration) -> Result<Self, OpenError> {
        let cannot = |error| cannot_write(path, error);
        private::create_directory(path).map_err(cannot)?;
        let file = path.join("lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let lock = private::open(&file, &mut options);
        let lock = lock.map_err(|error| cannot_write(&file, error))?;
        acquire(&lock, path, wait)?;
        let directory = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        directory.check_format()?;
        private::tighten(path);
        Ok(directory)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn engine(&self) -> PathBuf {
        self.path.join("log")
    }

    pub(super) fn high_water_mark(&self) -> Result<(HighWaterMark, Option<HighWater>), OpenError> {
        let file = self.path.join("head");
        HighWaterMark::open(&file).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => OpenError::new(format!(
                "{} is damaged, which says how far the log has come: restore a copy of the whole \
                 directory, or delete this file to go on with the log as it is",
                file.display()
            ))
            .caused_by(error),
            _ => cannot_write(&file, error),
        })
    }

    fn check_format(&self) -> Result<(), OpenError> {
        let file = self.path.join("format");
        match fs::read(&file) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let number = text.trim().strip_prefix(FORMAT_NAME).map(str::trim);
                match number.and_then(|number| number.parse::<u32>().ok()) {
                    Some(FORMAT) => Ok(()),
                    Some(1) => self.upgrade(&file),
                    Some(newer) if newer > FORMAT => Err(OpenError::new(format!(
                        "--data-dir {} was written by a newer version (format {newer}; this one \
                         knows {FORMAT}): run that version, or give another directory",
                        self.path.display()
                    ))),
                    _ => Err(OpenError::new(format!(
                        "{} does not say {FORMAT_NAME} {FORMAT}: restore a copy of the directory, or \
                         give another one",
                        file.display()
                    ))),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.create(&file),
            Err(error) => Err(cannot_write(&file, error)),
        }
    }

    fn create(&self, format: &Path) -> Result<(), OpenError> {
        let cannot = |error| cannot_write(&self.path, error);
        let known = ["lock", "lost+found"];
        for entry in fs::read_dir(&self.path).map_err(cannot)? {
            let name = entry.map_err(cannot)?.file_name();
            if !known.iter().any(|known| name == *known) {
                return Err(OpenError::new(format!(
                    "--data-dir {} holds files, but no log (which has a file named format): give a \
                     directory of its own, which may be one that does not exist yet",
                    self.path.display()
                )));
            }
        }
        let written = write_format(format).and_then(|()| self.sync());
        written.map_err(|error| cannot_write(format, error))
    }

    /// From here on older versions do not take the log, which could not read what is written.
    fn upgrade(&self, format: &Path) -> Result<(), OpenError> {
        let new = self.path.join("format.new");
        let replace = || {
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => write_format(&new)?,
            }
            fs::rename(&new, format)?;
            self.sync()
        };
        replace().map_err(|error| cannot_write(format, error))
    }

    /// Makes the names of its files safe from a power loss.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// What is left of its disk for whoever is not root.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        let stat = rustix::fs::statvfs(&self.path).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

fn write_format(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = private::open(path, options.write(true).create_new(true))?;
    writeln!(file, "{FORMAT_NAME} {FORMAT}")?;
    file.sync_all()
}

fn acquire(lock: &File, path: &Path, wait: Duration) -> Result<(), OpenError> {
    let deadline = Instant::now() + wait;
    let mut waiting = false;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                if !std::mem::replace(&mut waiting, true) {
                    log::info!(
                        "waiting, at most {wait:?}, for another process to release {}",
                        path.display()
                    );
                }
                std::thread::sleep(TRY_AGAIN);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::new(format!(
                    "--data-dir {} is in use by another process: stop that one, or give another \
                     directory; --data-dir-wait says how long to wait for it",
                    path.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(cannot_write(path, error)),
        }
    }
}

pub(super) fn cannot_write(path: &Path, error: io::Error) -> OpenError {
    OpenError::new(format!(
        "{} cannot be written: {error}; --data-dir wants a directory that the server's user may write \
         to, on a disk with room",
        path.display()
    ))
    .caused_by(error)
}
