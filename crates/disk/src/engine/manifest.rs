//! Checks the engine's manifests before the engine trusts them: it keeps a checksum of each, and does not
//! verify it. [The format](super#manifest).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use twox_hash::XxHash3_128;

use super::fault::{Fault, Reason};

const CURRENT_BYTES: usize = 8 + 16 + 1;

/// Refuses an engine whose manifests are not what was written.
pub(crate) fn check(engine: &Path) -> Result<(), Fault> {
    for directory in keyspaces(&engine.join("keyspaces"))? {
        let current = directory.join("current");
        let bytes = match fs::read(&current) {
            // Of a keyspace that was being created. Where it should exist, the engine reports it missing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            bytes => bytes?,
        };
        let (number, sum) = parse(&bytes).ok_or_else(|| Fault::Damaged(damaged(&current)))?;
        let manifest = directory.join(format!("v{number}"));
        let unread = |error| Fault::Damaged(damaged(&manifest).caused_by(error));
        if XxHash3_128::oneshot(&fs::read(&manifest).map_err(unread)?) != sum {
            return Err(Fault::Damaged(damaged(&manifest)));
        }
    }
    Ok(())
}

fn keyspaces(path: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}

fn parse(bytes: &[u8]) -> Option<(u64, u128)> {
    let bytes: &[u8; CURRENT_BYTES] = bytes.try_into().ok()?;
    let (number, rest) = bytes.split_first_chunk()?;
    let (sum, kind) = rest.split_first_chunk()?;
    (kind == [0]).then_some((u64::from_le_bytes(*number), u128::from_le_bytes(*sum)))
}

fn damaged(file: &Path) -> Reason {
    Reason::from(format!("{} is not what was written", file.display()))
}
