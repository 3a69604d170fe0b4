//! A dictionary that browsers share with the server (RFC 9842).

use std::fmt::{self, Write as _};

use bytes::Bytes;
use ring::digest::{SHA256, digest};

use crate::dcz;

/// Most bytes of a dictionary.
pub const MAX_DICTIONARY_BYTES: usize = 64 << 10;
/// Longest sample. The beginning of a longer one is taken.
const MAX_SAMPLE: usize = 8 << 10;
/// Most samples that are tried.
const MAX_TRIED: usize = 64;
/// What a sample has to save of the bytes of the others, in hundredths.
const LEAST_GAIN: usize = 1;
/// The first bytes of a dictionary in zstd's own form, which some browsers read as that and others as text.
const ZSTD_MAGIC: [u8; 4] = [0x37, 0xA4, 0x30, 0xEC];
/// What streams have in common, whatever is published.
const COMMON: &str = "event: datastar-patch-elements\ndata: selector #\ndata: mode inner\ndata: elements <div id=\"\
    event: datastar-patch-signals\ndata: signals {\"event: heartbeat\ndata: {\"time\":\"\
    data: {\"name\":\"\",\"patch\":[{\"op\":\"remove\",\"path\":\"/\"},{\"op\":\"add\",\"path\":\"/\
    {\"op\":\"replace\",\"path\":\"/\",\"value\":\"\"}]}\nid: ";

/// Text that compressed frames refer to. Anyone may read it.
#[derive(Clone, PartialEq, Eq)]
pub struct Dictionary {
    bytes: Bytes,
    hash: [u8; 32],
}

impl Dictionary {
    /// This text; `None` if it is empty, longer than [`MAX_DICTIONARY_BYTES`], or in zstd's own form.
    #[must_use]
    pub fn new(bytes: Bytes) -> Option<Self> {
        if bytes.is_empty() || bytes.len() > MAX_DICTIONARY_BYTES || bytes.starts_with(&ZSTD_MAGIC)
        {
            return None;
        }
        let hash = digest(&SHA256, &bytes);
        let hash = hash.as_ref().try_into().ok()?;
        Some(Self { bytes, hash })
    }

    /// Of these texts, newest first, those that make the others shorter.
    ///
    /// It takes up to a second, and is not for a thread that serves streams.
    #[must_use]
    pub fn of_samples<'a>(samples: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let samples: Vec<_> = samples.into_iter().collect();
        let mut chosen: Vec<&[u8]> = Vec::new();
        let mut bytes = COMMON.as_bytes().to_vec();
        let mut sizes = compressed_sizes(&bytes, &samples)?;
        for (index, sample) in samples.iter().enumerate().take(MAX_TRIED) {
            let sample = &sample[..sample.len().min(MAX_SAMPLE)];
            if bytes.len() + sample.len() > MAX_DICTIONARY_BYTES {
                continue;
            }
            let longer = [&bytes, sample].concat();
            let with_it = compressed_sizes(&longer, &samples)?;
            if is_worth(&sizes, &with_it, index) {
                chosen.push(sample);
                bytes = longer;
                sizes = with_it;
            }
        }
        // What is nearer to the end takes fewer bits to refer to.
        chosen.reverse();
        Self::new([COMMON.as_bytes(), &chosen.concat()].concat().into())
    }

    /// The text.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its SHA-256.
    #[must_use]
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The hash in hexadecimal, which is part of its address.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = String::with_capacity(2 * self.hash.len());
        for byte in &self.hash {
            // Text takes all that is written to it.
            let _ = write!(name, "{byte:02x}");
        }
        name
    }

    /// How many bytes these texts take with it.
    #[must_use]
    pub fn compressed_bytes(&self, texts: &[&[u8]]) -> usize {
        let sizes = compressed_sizes(&self.bytes, texts);
        sizes.map_or(usize::MAX, |sizes| sizes.iter().sum())
    }
}

/// How many bytes each text takes with this dictionary.
fn compressed_sizes(dictionary: &[u8], texts: &[&[u8]]) -> Option<Vec<usize>> {
    let mut compressor = dcz::compressor(dictionary)?;
    let mut size = |text: &&[u8]| Some(compressor.compress(text).ok()?.len());
    texts.iter().map(&mut size).collect()
}

/// Whether all texts but this one are shorter with it, by [`LEAST_GAIN`].
fn is_worth(without: &[usize], with: &[usize], index: usize) -> bool {
    let others = |sizes: &[usize]| sizes.iter().sum::<usize>() - sizes[index];
    others(with) * 100 < others(without) * (100 - LEAST_GAIN)
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dictionary({}, {} bytes)", self.name(), self.bytes.len())
    }
}
