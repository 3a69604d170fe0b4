//! Reads the engine's newest journal before the engine does; [the format](super#journal).
//!
//! The engine takes a journal whose middle is damaged for one that ends there, and cuts off the rest;
//! and it refuses one whose last commit was torn by a power loss, though that commit was never acknowledged.
//! So missing events are reported before anything is lost for good, and a torn end is cut off.

use std::{
    fs::{self, File, OpenOptions},
    hash::Hasher as _,
    io::{self, BufReader, Read as _},
    path::{Path, PathBuf},
};

use twox_hash::XxHash3_64;

use super::fault::Fault;
use crate::{
    high_water_mark::HighWater,
    record::{STANDING_KEY, Standing},
};

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const MAGIC: [u8; 4] = *b"FJL\x03";
/// Of an item, behind its tag: type, compression, keyspace, key length, value lengths.
const ITEM_HEAD_BYTES: usize = 1 + 1 + 8 + 2 + 4 + 4;
/// Longer than any value that we write.
const MAX_VALUE_BYTES: u64 = 1 << 30;

/// Refuses a log that is shorter than what was acknowledged, and cuts off what was torn by a power loss.
pub(crate) fn check(engine: &Path, acknowledged: Option<HighWater>) -> Result<(), Fault> {
    let Some(path) = newest(engine)? else {
        return Ok(());
    };
    let found = scan(&path)?;
    let Some(standing) = found.standing else {
        return Ok(());
    };
    let name = path.display();
    let missing = acknowledged
        .filter(|mark| mark.epoch == standing.epoch)
        .and_then(|mark| mark.written.checked_sub(standing.head_number));
    if let Some(missing) = missing.filter(|missing| *missing > 0) {
        let what = format!(
            "{name} ends, or is damaged, at byte {}, {missing} events before the last that was acknowledged",
            found.whole
        );
        return Err(Fault::Damaged(what.into()));
    }
    if found.torn {
        log::warn!(
            "{name} is cut off at byte {}: behind it is what was being written when the power went",
            found.whole
        );
        let file = OpenOptions::new().write(true).open(&path)?;
        file.set_len(found.whole)?;
        file.sync_all()?;
    }
    Ok(())
}

fn newest(engine: &Path) -> io::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(engine) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let mut newest = None;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "jnl") {
            continue;
        }
        let number = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        newest = newest.max(number.map(|number| (number, path)));
    }
    Ok(newest.map(|(_, path)| path))
}

/// What a journal holds.
struct Found {
    /// Where its last whole batch ends.
    whole: u64,
    /// Where the log stood at that.
    standing: Option<Standing>,
    /// Something is behind it, and not only the zeros that the engine reserves.
    torn: bool,
}

fn scan(path: &Path) -> io::Result<Found> {
    let mut reader = Reader {
        file: BufReader::with_capacity(1 << 20, File::open(path)?),
        at: 0,
        standing: None,
    };
    let mut found = Found {
        whole: 0,
        standing: None,
        torn: false,
    };
    // What cannot be read ends it, but for what the disk refuses.
    while reader.batch()? {
        found.whole = reader.at;
        found.standing = reader.standing;
    }
    found.torn = has_more(path, found.whole)?;
    Ok(found)
}

fn has_more(path: &Path, from: u64) -> io::Result<bool> {
    let mut file = File::open(path)?;
    io::Seek::seek(&mut file, io::SeekFrom::Start(from))?;
    let mut part = vec![0; 1 << 16];
    let zeros = part.clone();
    loop {
        let read = file.read(&mut part)?;
        if read == 0 {
            return Ok(false);
        }
        if part[..read] != zeros[..read] {
            return Ok(true);
        }
    }
}

struct Reader {
    file: BufReader<File>,
    at: u64,
    /// As far as it was read.
    standing: Option<Standing>,
}

impl Reader {
    /// Whether a whole batch follows.
    fn batch(&mut self) -> io::Result<bool> {
        match self.try_batch() {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            whole => whole,
        }
    }

    fn try_batch(&mut self) -> io::Result<bool> {
        if self.byte()? != START {
            return Ok(false);
        }
        let items = u32::from_le_bytes(self.bytes()?);
        let _seqno: [u8; 8] = self.bytes()?;
        let mut sum = XxHash3_64::new();
        for _ in 0..items {
            if !self.item(&mut sum)? {
                return Ok(false);
            }
        }
        Ok(self.byte()? == END
            && u64::from_le_bytes(self.bytes()?) == sum.finish()
            && self.bytes()? == MAGIC)
    }

    /// Whether an item follows that makes sense.
    fn item(&mut self, sum: &mut XxHash3_64) -> io::Result<bool> {
        let tag = self.byte()?;
        if tag == CLEAR {
            let keyspace: [u8; 8] = self.bytes()?;
            sum.write(&[CLEAR]);
            sum.write(&keyspace);
            return Ok(true);
        }
        let head: [u8; ITEM_HEAD_BYTES] = self.bytes()?;
        let key_bytes = u64::from(u16::from_le_bytes([head[10], head[11]]));
        let value_bytes = u64::from(u32::from_le_bytes([head[16], head[17], head[18], head[19]]));
        if tag != ITEM || value_bytes > MAX_VALUE_BYTES {
            return Ok(false);
        }
        let key = self.some(key_bytes)?;
        let value = self.some(value_bytes)?;
        for part in [&[ITEM], &head[..], &key, &value] {
            sum.write(part);
        }
        if key == STANDING_KEY {
            self.standing = Standing::decode(&value).ok();
        }
        Ok(true)
    }

    fn byte(&mut self) -> io::Result<u8> {
        Ok(self.bytes::<1>()?[0])
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn some(&mut self, count: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.file.by_ref().take(count).read_to_end(&mut bytes)? as u64;
        self.at += read;
        if read < count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }
}
