//! What is left of an engine whose creation was interrupted: its process was killed, or the power failed.
//!
//! The engine creates its first journal, and its file `version` last. It takes a directory without the latter for a new
//! one, and then fails since the journal is there.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

/// Removes it. Nothing is removed once there is something in the engine: a keyspace, or a byte in a journal.
pub(crate) fn remove_unfinished(engine: &Path) -> io::Result<()> {
    let version = engine.join("version");
    let is_complete = fs::metadata(&version).is_ok_and(|file| file.len() > 0);
    if is_complete || !engine.is_dir() || !is_empty(&engine.join("keyspaces"))? {
        return Ok(());
    }
    let mut journals = Vec::new();
    for entry in fs::read_dir(engine)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            if !is_zeros(&path)? {
                return Ok(());
            }
            journals.push(path);
        }
    }
    for file in journals.iter().chain([&version]) {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn is_empty(directory: &Path) -> io::Result<bool> {
    match fs::read_dir(directory) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn is_zeros(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(true),
            read if piece[..read].iter().any(|byte| *byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Disk, Options};

    /// What the engine leaves behind up to these steps of its creation.
    fn interrupted(journal: Option<&[u8]>, version: Option<&[u8]>) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        drop(Disk::open(Options::new(directory.path().join("log"))).unwrap());
        let log = directory.path().join("log");
        fs::remove_file(log.join("head")).unwrap();
        let engine = log.join("log");
        fs::remove_dir_all(&engine).unwrap();
        fs::create_dir_all(engine.join("keyspaces")).unwrap();
        for (name, text) in [
            ("lock", Some(&b""[..])),
            ("0.jnl", journal),
            ("version", version),
        ] {
            if let Some(text) = text {
                fs::write(engine.join(name), text).unwrap();
            }
        }
        directory
    }

    #[test]
    fn a_log_whose_creation_was_interrupted_is_created_anew() {
        let reserved = vec![0; 3 << 20];
        for (journal, version) in [
            (None, None),
            (Some(&[][..]), None),
            (Some(&reserved[..]), None),
            (Some(&reserved[..]), Some(&[][..])),
        ] {
            let directory = interrupted(journal, version);
            let opened = Disk::open(Options::new(directory.path().join("log")));
            assert!(opened.is_ok(), "{:?}", opened.err());
        }
    }

    #[test]
    fn a_journal_with_something_in_it_is_kept() {
        let directory = interrupted(Some(b"\0\0something"), None);
        let log = directory.path().join("log");
        assert!(Disk::open(Options::new(&log)).is_err());
        assert!(log.join("log/0.jnl").exists());
    }
}
