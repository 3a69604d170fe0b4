use std::{
    collections::{BTreeMap, HashMap},
    hash::BuildHasher as _,
    ops::ControlFlow,
};

use foldhash::fast::RandomState;
use smallvec::SmallVec;

/// Slots by the text that a key must begin with, and the one that it must end with: one look-up for each pair
/// of lengths that these have, instead of one test for each slot. It finds candidates, of which some may be
/// wrong.
#[derive(Default)]
pub(super) struct Affixes {
    slots: HashMap<u64, SmallVec<[usize; 1]>, RandomState>,
    /// How many slots there are of each pair of lengths.
    lengths: BTreeMap<(usize, usize), usize>,
    hasher: RandomState,
}

impl Affixes {
    pub(super) fn insert(&mut self, affixes: (&[u8], &[u8]), slot: usize) {
        let hash = self.hasher.hash_one(affixes);
        self.slots.entry(hash).or_default().push(slot);
        let lengths = (affixes.0.len(), affixes.1.len());
        *self.lengths.entry(lengths).or_default() += 1;
    }

    pub(super) fn remove(&mut self, affixes: (&[u8], &[u8]), slot: usize) {
        let hash = self.hasher.hash_one(affixes);
        if let Some(slots) = self.slots.get_mut(&hash) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.slots.remove(&hash);
            }
        }
        let lengths = (affixes.0.len(), affixes.1.len());
        if let Some(count) = self.lengths.get_mut(&lengths) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&lengths);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Each slot that `key` may be for.
    pub(super) fn visit(
        &self,
        key: &[u8],
        mut f: impl FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for &(begin, end) in self.lengths.keys() {
            if begin > key.len() || end > key.len() {
                continue;
            }
            let affixes = (&key[..begin], &key[key.len() - end..]);
            if let Some(slots) = self.slots.get(&self.hasher.hash_one(affixes)) {
                slots.iter().try_for_each(|slot| f(*slot))?;
            }
        }
        ControlFlow::Continue(())
    }
}
