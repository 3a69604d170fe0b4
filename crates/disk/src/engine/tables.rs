//! Damaged blocks in the engine's tables: finds them, and replaces them by blocks that can be read.
//!
//! The engine can neither read past a damaged block nor merge a table that has one: it stops at the first
//! attempt, and again each time that it is opened. So a damaged block is replaced, in the same position and of
//! the same length, by one that holds a single item under the block's last key, which the repair deletes.
//! [The format](super#tables).

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::Path,
};

use lsm_tree::{
    CompressionType, InternalValue, Table, ValueType,
    file::MAGIC_BYTES,
    table::{
        Block, BlockHandle, DataBlock,
        block::{BlockOffset, BlockType, Header},
    },
};

use super::fault::{Fault, Reason};

const FULL_ITEM: u8 = 0;
/// Of a block that holds one item.
const RESTART_INTERVAL: u8 = 16;
/// As long as numbers of one, two and three bytes: between them they fill a block of any length.
const SEQUENCE_NUMBERS: [u64; 3] = [0, 1 << 7, 1 << 14];

/// A table's blocks that are not what was written.
pub(crate) struct DamagedBlocks {
    file: File,
    data: Vec<Damaged>,
    filters: Vec<BlockHandle>,
}

/// A block whose items are lost: those behind `after` up to `last`.
pub(crate) struct Damaged {
    handle: BlockHandle,
    pub(crate) after: Option<Vec<u8>>,
    pub(crate) last: Vec<u8>,
}

/// What an index says of one block.
struct Listed {
    handle: BlockHandle,
    last: Vec<u8>,
}

impl DamagedBlocks {
    /// `None` where the table is whole.
    pub(crate) fn find(table: &Table) -> Result<Option<Self>, Fault> {
        let path: &Path = &table.path;
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(path)?;
        let regions = &table.regions;
        let listed = list(&file, path, regions.tli, regions.index.is_some())?;
        let (mut data, mut after) = (Vec::new(), None);
        for Listed { handle, last } in listed {
            if !is_whole(&file, handle)? {
                let (after, last) = (after.clone(), last.clone());
                data.push(Damaged {
                    handle,
                    after,
                    last,
                });
            }
            after = Some(last);
        }
        let filters = match (regions.filter_tli, regions.filter) {
            (Some(index), _) => list(&file, path, index, false)?,
            (None, Some(handle)) => vec![Listed {
                handle,
                last: Vec::new(),
            }],
            (None, None) => Vec::new(),
        };
        let mut damaged = Vec::new();
        for Listed { handle, .. } in filters {
            if !is_whole(&file, handle)? {
                damaged.push(handle);
            }
        }
        let is_damaged = !data.is_empty() || !damaged.is_empty();
        Ok(is_damaged.then_some(Self {
            file,
            data,
            filters: damaged,
        }))
    }

    /// Whose items are lost.
    pub(crate) fn data(&self) -> &[Damaged] {
        &self.data
    }

    /// Makes the table one that can be read.
    pub(crate) fn replace(&self) -> Result<(), Fault> {
        for damaged in &self.data {
            let data = filler(&damaged.last, data_bytes(damaged.handle)).ok_or_else(no_filler)?;
            self.write(damaged.handle, &data, BlockType::Data)?;
        }
        for handle in &self.filters {
            let data = all_ones(data_bytes(*handle)).ok_or_else(no_filler)?;
            self.write(*handle, &data, BlockType::Filter)?;
        }
        Ok(self.file.sync_all()?)
    }

    fn write(&self, handle: BlockHandle, data: &[u8], kind: BlockType) -> Result<(), Fault> {
        let mut block = Vec::with_capacity(handle.size() as usize);
        Block::write_into(&mut block, data, kind, CompressionType::None).map_err(engine)?;
        Ok(self.file.write_all_at(&block, *handle.offset())?)
    }
}

fn engine(error: lsm_tree::Error) -> Fault {
    fjall::Error::Storage(error).into()
}

fn no_filler() -> Fault {
    Fault::Damaged("a block that is too short to be replaced".into())
}

fn data_bytes(handle: BlockHandle) -> usize {
    (handle.size() as usize).saturating_sub(Header::serialized_len())
}

/// What the disk refuses is no damage that a repair may take for granted.
fn is_whole(file: &File, handle: BlockHandle) -> Result<bool, Fault> {
    match Block::from_file(file, handle, CompressionType::None) {
        Ok(_) => Ok(true),
        Err(error) => match engine(error) {
            Fault::Damaged(_) => Ok(false),
            fault => Err(fault),
        },
    }
}

/// The blocks of a table, or of its filter. In parts, an index lists indexes.
fn list(
    file: &File,
    path: &Path,
    index: BlockHandle,
    is_in_parts: bool,
) -> Result<Vec<Listed>, Fault> {
    let unreadable = || Reason::from(format!("the index of {} cannot be read", path.display()));
    let block = match Block::from_file(file, index, CompressionType::None).map_err(engine) {
        Err(Fault::Damaged(why)) => return Err(Fault::Damaged(unreadable().caused_by(why))),
        block => block?,
    };
    let listed = parse(&block.data).ok_or_else(|| Fault::Damaged(unreadable()))?;
    if !is_in_parts {
        return Ok(listed);
    }
    let mut all = Vec::new();
    for part in listed {
        all.extend(list(file, path, part.handle, false)?);
    }
    Ok(all)
}

fn parse(mut index: &[u8]) -> Option<Vec<Listed>> {
    let mut listed = Vec::new();
    while byte(&mut index)? == FULL_ITEM {
        let offset = BlockOffset(number(&mut index)?);
        let size = u32::try_from(number(&mut index)?).ok()?;
        let _seqno = number(&mut index)?;
        let length = usize::try_from(number(&mut index)?).ok()?;
        let (last, rest) = index.split_at_checked(length)?;
        index = rest;
        listed.push(Listed {
            handle: BlockHandle::new(offset, size),
            last: last.to_vec(),
        });
    }
    Some(listed)
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let part = byte(bytes)?;
        number |= u64::from(part & 0x7f) << shift;
        if part & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A block of data of this length that holds one item under this key.
fn filler(key: &[u8], length: usize) -> Option<Vec<u8>> {
    for seqno in SEQUENCE_NUMBERS {
        let encode = |value_bytes| {
            let value = vec![0; value_bytes];
            let item = InternalValue::from_components(key, value, seqno, ValueType::Value);
            DataBlock::encode_into_vec(&[item], RESTART_INTERVAL, 0.0).ok()
        };
        let most = length.checked_sub(encode(0)?.len())?;
        let fits = (most.saturating_sub(8)..=most)
            .rev()
            .find_map(|value_bytes| encode(value_bytes).filter(|block| block.len() == length));
        if fits.is_some() {
            return fits;
        }
    }
    None
}

/// A filter of this length that takes every key for one that may be there: magic, kind, kind of hash, bits,
/// hash functions, and the bits.
fn all_ones(length: usize) -> Option<Vec<u8>> {
    let mut filter = Vec::with_capacity(length);
    filter.extend_from_slice(&MAGIC_BYTES);
    filter.extend_from_slice(&[0, 0]);
    let bits = 8 * length.checked_sub(filter.len() + 16).filter(|n| *n > 0)? as u64;
    filter.extend_from_slice(&bits.to_le_bytes());
    filter.extend_from_slice(&1u64.to_le_bytes());
    filter.resize(length, 0xff);
    Some(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_any_length_can_be_replaced() {
        let shortest = filler(b"key", 200).map_or(200, |_| 64);
        for length in (shortest..600).chain(16_000..17_000).chain(66_000..66_200) {
            let block = filler(b"key", length);
            assert_eq!(block.map(|block| block.len()), Some(length));
        }
    }
}
