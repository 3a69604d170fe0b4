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

/// Of logs of older versions, of which nothing was erased. Format 1 is read too, which has no time beside an id.
const FORMAT: u32 = 2;
/// The format of such a log from its first erasure on.
const FORMAT_WITH_ERASED: u32 = 3;
/// The format of a new log, and of an older one from its first commit of several events on: they are kept as one
/// value, which older versions cannot read.
const FORMAT_WITH_BLOCKS: u32 = 4;
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
    format: u32,
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
        let mut directory = Self {
            path: path.to_owned(),
            format: FORMAT_WITH_BLOCKS,
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

    fn format_file(&self) -> PathBuf {
        self.path.join("format")
    }

    fn check_format(&mut self) -> Result<(), OpenError> {
        let file = self.format_file();
        match fs::read(&file) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let number = text.trim().strip_prefix(FORMAT_NAME).map(str::trim);
                match number.and_then(|number| number.parse::<u32>().ok()) {
                    Some(known @ FORMAT..=FORMAT_WITH_BLOCKS) => {
                        self.format = known;
                        Ok(())
                    }
                    Some(1) => self
                        .upgrade(FORMAT)
                        .map_err(|error| cannot_write(&file, error)),
                    Some(newer) if newer > FORMAT_WITH_BLOCKS => Err(OpenError::new(format!(
                        "--data-dir {} was written by a newer version (format {newer}; this one \
                         knows {FORMAT_WITH_BLOCKS}): run that version, or give another directory",
                        self.path.display()
                    ))),
                    _ => Err(OpenError::new(format!(
                        "{} does not say {FORMAT_NAME} {FORMAT_WITH_BLOCKS}: restore a copy of the directory, or \
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
        let written = write_format(format, FORMAT_WITH_BLOCKS).and_then(|()| self.sync());
        written.map_err(|error| cannot_write(format, error))
    }

    /// Before the first event is erased.
    pub(super) fn allow_erased(&mut self) -> io::Result<()> {
        self.allow(FORMAT_WITH_ERASED)
    }

    /// Before several events are first committed at once.
    pub(super) fn allow_blocks(&mut self) -> io::Result<()> {
        self.allow(FORMAT_WITH_BLOCKS)
    }

    fn allow(&mut self, format: u32) -> io::Result<()> {
        if self.format < format {
            self.upgrade(format)?;
        }
        Ok(())
    }

    /// From here on older versions do not take the log, which could not read what is written.
    fn upgrade(&mut self, format: u32) -> io::Result<()> {
        let new = self.path.join("format.new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => write_format(&new, format)?,
        }
        fs::rename(&new, self.format_file())?;
        self.sync()?;
        self.format = format;
        Ok(())
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

fn write_format(path: &Path, format: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = private::open(path, options.write(true).create_new(true))?;
    writeln!(file, "{FORMAT_NAME} {format}")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_versions_take_their_log_until_what_they_cannot_read_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let open = || Directory::open(&path, Duration::ZERO).unwrap();
        let format = || fs::read_to_string(path.join("format")).unwrap();
        drop(open());
        assert_eq!(format(), "sse-broadcaster log 4\n");
        fs::write(path.join("format"), "sse-broadcaster log 2\n").unwrap();
        drop(open());
        assert_eq!(format(), "sse-broadcaster log 2\n");
        open().allow_erased().unwrap();
        assert_eq!(format(), "sse-broadcaster log 3\n");
        let mut again = open();
        again.allow_erased().unwrap();
        assert_eq!(format(), "sse-broadcaster log 3\n");
        again.allow_blocks().unwrap();
        again.allow_erased().unwrap();
        assert_eq!(format(), "sse-broadcaster log 4\n");
        drop(again);
        drop(open());
    }
}
