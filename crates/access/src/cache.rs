//! Results for a while, by a digest of what they are for: bounded in number and in bytes.

use std::{
    hash::BuildHasher as _,
    time::{Duration, Instant},
};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use parking_lot::Mutex;
use ring::digest::{SHA256, digest};

/// Most results, and bytes of them, that a cache has unless set otherwise.
pub const DEFAULT_ENTRIES: usize = 100_000;
/// Bytes, estimated.
pub const DEFAULT_BYTES: usize = 64 << 20;

const SHARDS: usize = 16;
/// What an entry takes beside its value.
const ENTRY_BYTES: usize = 64;
/// Most entries in a half of a shard, for the memory of many: two million in all.
const MAX_IN_HALF: usize = u16::MAX as usize;
/// Entries that are allocated at once.
const PIECE: usize = 64;
/// In units of this, entries end: for the memory of many, that is kept in 32 bits.
const TICK: Duration = Duration::from_millis(100);

/// SHA-256 of what a result is for, so that no token or cookie is kept: its first half. To get the result of another
/// client, who cannot be made to send something chosen, takes a second preimage of 128 bits.
pub(crate) type Digest = [u8; 16];

/// Of parts, each with its length, so that none can be taken for another.
pub(crate) fn digest_of(parts: &[&[u8]]) -> Digest {
    let mut text = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        text.extend_from_slice(&(part.len() as u64).to_le_bytes());
        text.extend_from_slice(part);
    }
    let mut half = [0; 16];
    half.copy_from_slice(&digest(&SHA256, &text).as_ref()[..16]);
    half
}

/// A cache. What has not been asked for lately makes room for what is new.
pub(crate) struct Cache<V> {
    shards: Box<[Mutex<Shard<V>>]>,
    began: Instant,
    max_entries: usize,
    max_bytes: usize,
}

/// Two halves: once the young one is full, it becomes the old one, and the old one goes.
struct Shard<V> {
    young: Half<V>,
    old: Half<V>,
}

/// Entries in pieces that never move, and where the entry of a key is. A map of entries would take twice the memory for
/// a while, whenever it grows, which the allocator keeps.
struct Half<V> {
    pieces: Vec<Vec<Entry<V>>>,
    places: HashTable<u16>,
    hasher: RandomState,
    bytes: usize,
}

struct Entry<V> {
    key: Digest,
    value: V,
    /// In ticks since the cache began.
    until: u32,
    bytes: u32,
}

impl<V> Default for Half<V> {
    fn default() -> Self {
        Self {
            pieces: Vec::new(),
            places: HashTable::new(),
            hasher: RandomState::default(),
            bytes: 0,
        }
    }
}

impl<V> Half<V> {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn get(&self, key: &Digest) -> Option<&Entry<V>> {
        let is_it = |place: &u16| entry(&self.pieces, *place).key == *key;
        let place = self.places.find(self.hasher.hash_one(key), is_it)?;
        Some(entry(&self.pieces, *place))
    }

    /// Adds an entry, or replaces the one with its key.
    fn insert(&mut self, new: Entry<V>) {
        self.bytes += new.bytes as usize;
        let hash = self.hasher.hash_one(new.key);
        let is_it = |place: &u16| entry(&self.pieces, *place).key == new.key;
        if let Some(place) = self.places.find(hash, is_it).copied() {
            let (piece, at) = parts(place);
            let replaced = std::mem::replace(&mut self.pieces[piece][at], new);
            self.bytes -= replaced.bytes as usize;
            return;
        }
        // A half has `MAX_IN_HALF` entries at most.
        let place = u16::try_from(self.len()).expect("fewer than 2^16 entries");
        let (piece, _) = parts(place);
        if piece == self.pieces.len() {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        self.pieces[piece].push(new);
        let (pieces, hasher) = (&self.pieces, &self.hasher);
        let hash_of = |place: &u16| hasher.hash_one(entry(pieces, *place).key);
        self.places.insert_unique(hash, place, hash_of);
    }
}

/// In which piece, and where in it.
fn parts(place: u16) -> (usize, usize) {
    (usize::from(place) / PIECE, usize::from(place) % PIECE)
}

fn entry<V>(pieces: &[Vec<Entry<V>>], place: u16) -> &Entry<V> {
    let (piece, at) = parts(place);
    &pieces[piece][at]
}

impl<V: Clone> Cache<V> {
    pub(crate) fn new(max_entries: usize, max_bytes: usize) -> Self {
        let shard = || {
            Mutex::new(Shard {
                young: Half::default(),
                old: Half::default(),
            })
        };
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            began: Instant::now(),
            max_entries: (max_entries / SHARDS / 2).min(MAX_IN_HALF),
            max_bytes: max_bytes / SHARDS / 2,
        }
    }

    /// What was put in, unless its time has ended.
    pub(crate) fn get(&self, key: &Digest, now: Instant) -> Option<V> {
        let now = self.ticks(now);
        let mut shard = self.shard(key).lock();
        if let Some(entry) = shard.young.get(key) {
            return (now < entry.until).then(|| entry.value.clone());
        }
        let entry = shard.old.get(key).filter(|entry| now < entry.until)?;
        let value = entry.value.clone();
        let entry = Entry {
            value: value.clone(),
            ..*entry
        };
        let left = self.insert(&mut shard, entry);
        drop(shard);
        drop(left);
        Some(value)
    }

    /// Keeps a value until then, or at most a tenth of a second less, or as long as there is room.
    pub(crate) fn put(&self, key: Digest, value: V, until: Option<Instant>, bytes: usize) {
        let bytes = bytes.saturating_add(ENTRY_BYTES);
        let entry = Entry {
            key,
            value,
            until: until.map_or(u32::MAX, |until| self.ticks(until)),
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        };
        if self.max_entries == 0 || bytes > self.max_bytes {
            return;
        }
        let mut shard = self.shard(&key).lock();
        let left = self.insert(&mut shard, entry);
        drop(shard);
        drop(left);
    }

    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            let halves = {
                let mut shard = shard.lock();
                (
                    std::mem::take(&mut shard.young),
                    std::mem::take(&mut shard.old),
                )
            };
            drop(halves);
        }
    }

    fn ticks(&self, at: Instant) -> u32 {
        let ticks = at.saturating_duration_since(self.began).as_millis() / TICK.as_millis();
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    fn shard(&self, key: &Digest) -> &Mutex<Shard<V>> {
        &self.shards[usize::from(key[0]) % SHARDS]
    }

    /// Returns what had to go, which is dropped best without the lock.
    fn insert(&self, shard: &mut Shard<V>, entry: Entry<V>) -> Option<Half<V>> {
        let bytes = shard.young.bytes + entry.bytes as usize;
        let is_full = shard.young.len() >= self.max_entries || bytes > self.max_bytes;
        let left = is_full.then(|| {
            let young = std::mem::take(&mut shard.young);
            std::mem::replace(&mut shard.old, young)
        });
        shard.young.insert(entry);
        left
    }

    #[cfg(test)]
    fn len_and_bytes(&self) -> (usize, usize) {
        let of = |half: &Half<V>| (half.len(), half.bytes);
        self.shards.iter().fold((0, 0), |sum, shard| {
            let shard = shard.lock();
            let (young, old) = (of(&shard.young), of(&shard.old));
            (sum.0 + young.0 + old.0, sum.1 + young.1 + old.1)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(n: u32) -> Digest {
        digest_of(&[&n.to_le_bytes()])
    }

    #[test]
    fn parts_cannot_be_taken_for_each_other() {
        assert_ne!(digest_of(&[b"ab", b"c"]), digest_of(&[b"a", b"bc"]));
        assert_ne!(digest_of(&[b"a", b""]), digest_of(&[b"a"]));
    }

    #[test]
    fn an_entry_ends_with_its_time_and_what_is_asked_for_stays() {
        let cache = Cache::new(1_000, 1 << 20);
        let now = Instant::now();
        let second = Duration::from_secs(1);
        cache.put(key(0), "a", Some(now + second), 10);
        cache.put(key(1), "b", None, 10);
        assert_eq!(cache.get(&key(0), now), Some("a"));
        assert_eq!(cache.get(&key(0), now + second), None);
        for n in 2..20_000 {
            assert_eq!(cache.get(&key(1), now), Some("b"), "after {n}");
            cache.put(key(n), "c", None, 10);
        }
        cache.clear();
        assert_eq!(cache.get(&key(1), now), None);
    }

    #[test]
    fn a_cache_is_bounded_in_number_and_in_bytes() {
        let cache = Cache::new(1_000, 1 << 20);
        for n in 0..20_000 {
            cache.put(key(n), n, None, 10);
        }
        assert!(cache.len_and_bytes().0 <= 1_000);
        let cache = Cache::new(1_000, 160_000);
        for n in 0..20_000 {
            cache.put(key(n), n, None, 1_000);
        }
        assert!(cache.len_and_bytes().1 <= 160_000);
        cache.put(key(0), 0, None, 1 << 30);
        cache.put(key(1), 1, None, 100);
        assert!(cache.len_and_bytes().1 <= 160_000);
    }
}
