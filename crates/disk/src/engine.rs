//! The storage engine (fjall over lsm-tree), and everything here that knows its files.
//!
//! The rest of the crate uses [`Store`], [`View`] and [`Commit`]. Three files read formats that are private to
//! the engine: `journal.rs`, `manifest.rs` and `tables.rs`. They are written down here, as of the versions that a
//! test compares with `Cargo.lock`; `docs/upgrading-the-engine.md` says how to change these versions, and
//! `docs/decisions/17-engine-file-formats.md` why the formats are read at all.
//!
//! ```text
//! log/                      the directory of the engine
//!   version                 is written last when the engine is created (unfinished.rs)
//!   <number>.jnl            a journal; the one with the greatest number is written to
//!   keyspaces/<number>/     one keyspace
//!     current               which manifest is valid
//!     v<number>             a manifest: the list of the keyspace's tables
//!     tables/<number>       a table
//! ```
//!
//! # Journal
//! A sequence of batches, little-endian, behind which the file is zeros (64 MiB are reserved at once):
//! ```text
//! start   1u8, items u32, sequence number u64
//! item    2u8, type u8, compression u8, keyspace u64, key length u16, value length u32,
//!         stored value length u32, key, stored value
//! clear   4u8, keyspace u64                        (counts as an item)
//! end     3u8, XXH3-64 of the items u64, "FJL\x03"
//! ```
//! We set no compression, so both lengths of a value are the same. The log's standing is the value under
//! [`STANDING_KEY`](crate::record::STANDING_KEY), which each batch of ours holds, but for those of a repair.
//!
//! # Manifest
//! `current` is 25 bytes, little-endian: the number of the valid manifest (u64), the XXH3-128 of that file
//! (u128), and the kind of checksum (0u8). What is in the manifest is left to the engine.
//!
//! # Tables
//! A sequence of blocks: data, index, filter, and those that say where these are, which [`fjall`]'s own types
//! read. A block of an index lists the blocks of data, or of the index where that is in parts:
//! ```text
//! entry   0u8, offset, length, sequence number, key length, last key      (numbers are LEB128)
//! end     anything but 0u8
//! ```
//! A block of a filter is `LSM\x03`, the kind of filter (0u8), the kind of hash (0u8), how many bits (u64,
//! little-endian), how many hash functions (u64), and the bits.

mod commit;
mod event_block;
mod fault;
mod journal;
mod manifest;
mod store;
mod tables;
mod unfinished;
mod view;

#[cfg(test)]
mod needed;

pub(crate) use commit::Commit;
pub(crate) use event_block::{EventBlock, Record};
pub(crate) use fault::Fault;
pub(crate) use journal::check as check_journal;
pub(crate) use manifest::check as check_manifests;
pub(crate) use store::Store;
pub(crate) use tables::{Damaged, DamagedBlocks};
pub(crate) use unfinished::remove_unfinished;
pub(crate) use view::View;

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// As in `Cargo.lock`; the formats above are those of these versions.
    const VERSIONS: [(&str, &str); 2] = [("fjall", "3.1.13"), ("lsm-tree", "3.1.10")];

    #[test]
    fn the_formats_written_down_here_are_those_of_the_engine_in_cargo_lock() {
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
        let lock = fs::read_to_string(lock).unwrap();
        for (name, version) in VERSIONS {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(
                lock.contains(&entry),
                "{name} is not {version} in Cargo.lock any more: follow docs/upgrading-the-engine.md"
            );
        }
    }
}
