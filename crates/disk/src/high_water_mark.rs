//! How far the log had come, recorded beside the engine at each commit: the engine opens a log that was
//! cut short, or damaged in the middle of its journal, as if it ended there.
//!
//! The file is not synced, since it only has to outlive the process. The boot of the machine shows whether
//! there was a power loss: in the same boot the log must reach what was acknowledged, in another what was synced.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use super::private;

/// The two slots are written in turn, each within a sector of its own, so that one is always whole.
const SLOT_BYTES: usize = 512;
const SLOTS: u64 = 2;
const MAGIC: u64 = u64::from_be_bytes(*b"ssehead1");
const NUMBERS: usize = 8;

/// How many events the log had taken at its last commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HighWater {
    pub(super) epoch: u64,
    /// Acknowledged, or about to be.
    pub(super) written: u64,
    /// Of these, safe from a power loss.
    pub(super) synced: u64,
}

#[derive(Debug)]
pub(super) struct HighWaterMark {
    file: File,
    boot: Boot,
    turn: u64,
}

impl HighWaterMark {
    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// `InvalidData` where it holds something else.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Option<HighWater>)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = private::open(path, &mut options)?;
        let boot = boot_id();
        let latest = (0..SLOTS)
            .filter_map(|slot| read_slot(&file, slot))
            .max_by_key(|found| found.turn);
        if latest.is_none() && file.metadata()?.len() > 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let turn = latest.as_ref().map_or(0, |found| found.turn);
        let high_water = latest.map(|found| found.at_boot(boot));
        Ok((Self { file, boot, turn }, high_water))
    }

    pub(super) fn advance(&mut self, high_water: HighWater) -> io::Result<()> {
        self.turn += 1;
        let numbers = [
            MAGIC,
            self.turn,
            high_water.epoch,
            high_water.written,
            high_water.synced,
            self.boot.0,
            self.boot.1,
        ];
        let mut slot = [0; SLOT_BYTES];
        let sum = checksum(&numbers);
        for (part, number) in slot
            .chunks_exact_mut(8)
            .zip(numbers.into_iter().chain([sum]))
        {
            part.copy_from_slice(&number.to_be_bytes());
        }
        self.file
            .write_all_at(&slot, (self.turn % SLOTS) * SLOT_BYTES as u64)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

struct Found {
    turn: u64,
    high_water: HighWater,
    boot: Boot,
}

impl Found {
    fn at_boot(self, boot: Boot) -> HighWater {
        let lost_power = boot == Boot::default() || self.boot != boot;
        HighWater {
            written: if lost_power {
                self.high_water.synced
            } else {
                self.high_water.written
            },
            ..self.high_water
        }
    }
}

fn read_slot(file: &File, slot: u64) -> Option<Found> {
    let mut bytes = [0; NUMBERS * 8];
    file.read_exact_at(&mut bytes, slot * SLOT_BYTES as u64)
        .ok()?;
    let mut numbers = [0; NUMBERS];
    for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
        *number = u64::from_be_bytes(bytes.try_into().ok()?);
    }
    let [
        magic,
        turn,
        epoch,
        written,
        synced,
        boot_high,
        boot_low,
        sum,
    ] = numbers;
    (magic == MAGIC && sum == checksum(&numbers[..NUMBERS - 1])).then_some(Found {
        turn,
        high_water: HighWater {
            epoch,
            written,
            synced,
        },
        boot: (boot_high, boot_low),
    })
}

/// FNV-1a over the numbers' bytes.
fn checksum(numbers: &[u64]) -> u64 {
    let bytes = numbers.iter().flat_map(|number| number.to_be_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Which start of the machine this is; zero where the kernel does not say.
type Boot = (u64, u64);

fn boot_id() -> Boot {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits = text.trim().replace('-', "");
    let half = |range| {
        digits
            .get(range)
            .and_then(|half| u64::from_str_radix(half, 16).ok())
    };
    half(0..16).zip(half(16..32)).unwrap_or_default()
}
