//! Checks the engine's lists of its tables before the engine trusts them: it keeps a checksum of each
//! list, and does not look at it.
//!
//! The format is that of lsm-tree 3: in the directory of a keyspace, `current` says which list is valid
//! (its number u64, the XXH3-128 of the file `v<number>`, and a zero), little-endian.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use twox_hash::XxHash3_128;

use super::store::Fault;

const CURRENT_BYTES: usize = 8 + 16 + 1;

/// Refuses an engine whose lists are not what was written.
pub(super) fn check(engine: &Path) -> Result<(), Fault> {
    for directory in keyspaces(&engine.join("keyspaces"))? {
        let current = directory.join("current");
        let bytes = match fs::read(&current) {
            // One that was about to be made; where it should be there, the engine misses it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            bytes => bytes?,
        };
        let (number, sum) = parse(&bytes).ok_or_else(|| damaged(&current))?;
        let list = directory.join(format!("v{number}"));
        if XxHash3_128::oneshot(&fs::read(&list).map_err(|_| damaged(&list))?) != sum {
            return Err(damaged(&list));
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

fn damaged(file: &Path) -> Fault {
    Fault::Damaged(format!("{} is not what was written", file.display()))
}
