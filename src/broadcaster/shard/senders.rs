//! The senders of a shard, by their indexes.

use std::ops::{Index, IndexMut};

use super::sender_indexes::SenderIndex;
use crate::sse::Sender;

/// Senders of a block. A list that doubles copies all senders, leaves a hole where they were, and uses up to twice what
/// they need.
const PER_BLOCK: usize = 256;

#[derive(Default)]
pub(super) struct Senders {
    /// All but the last are full.
    blocks: Vec<Vec<Sender>>,
}

impl Senders {
    pub(super) fn len(&self) -> usize {
        let Some((last, full)) = self.blocks.split_last() else {
            return 0;
        };
        full.len() * PER_BLOCK + last.len()
    }

    /// Adds a sender, and returns its index.
    pub(super) fn push(&mut self, sender: Sender) -> SenderIndex {
        let index = SenderIndex::try_from(self.len()).expect("fewer than 2^32 subscribers");
        match self.blocks.last_mut() {
            Some(last) if last.len() < PER_BLOCK => last.push(sender),
            _ => {
                let mut block = Vec::with_capacity(PER_BLOCK);
                block.push(sender);
                self.blocks.push(block);
            }
        }
        index
    }

    /// Some of the senders from this index on, `limit` at most; none only where there are none.
    pub(super) fn starting_at(&self, first: usize, limit: usize) -> &[Sender] {
        let Some(block) = self.blocks.get(first / PER_BLOCK) else {
            return &[];
        };
        let rest = block.get(first % PER_BLOCK..).unwrap_or_default();
        &rest[..rest.len().min(limit)]
    }

    /// The same, to be changed.
    pub(super) fn starting_at_mut(&mut self, first: usize, limit: usize) -> &mut [Sender] {
        let Some(block) = self.blocks.get_mut(first / PER_BLOCK) else {
            return &mut [];
        };
        let rest = block.get_mut(first % PER_BLOCK..).unwrap_or_default();
        let end = rest.len().min(limit);
        &mut rest[..end]
    }
}

impl Index<SenderIndex> for Senders {
    type Output = Sender;

    fn index(&self, index: SenderIndex) -> &Sender {
        let index = index as usize;
        &self.blocks[index / PER_BLOCK][index % PER_BLOCK]
    }
}

impl IndexMut<SenderIndex> for Senders {
    fn index_mut(&mut self, index: SenderIndex) -> &mut Sender {
        let index = index as usize;
        &mut self.blocks[index / PER_BLOCK][index % PER_BLOCK]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        event::{EventId, Selector},
        sse::Cursor,
    };

    fn id(number: usize) -> EventId {
        EventId::new(number as u64, 1)
    }

    #[test]
    fn senders_are_found_by_their_indexes_and_visited_once_each() {
        let mut senders = Senders::default();
        let selector = Arc::new(Selector::all());
        assert!(senders.starting_at(0, 10).is_empty() && senders.starting_at(300, 10).is_empty());
        for number in 0..3 * PER_BLOCK {
            let selector = Arc::clone(&selector);
            let index = senders.push(Sender::new(selector, 1, Cursor::Opening, id(number)));
            assert_eq!((index as usize, senders.len()), (number, number + 1));
            assert_eq!(senders[index].last_sent, id(number));
        }
        senders[300].last_sent = id(5_000);
        assert_eq!(senders[300].last_sent, id(5_000));
        for limit in [1, 100, PER_BLOCK, usize::MAX] {
            let (mut next, mut visited) = (0, Vec::new());
            while next < senders.len() {
                let some = senders.starting_at_mut(next, limit);
                assert!(!some.is_empty() && some.len() <= limit);
                next += some.len();
                visited.extend(some.iter().map(|sender| sender.last_sent));
            }
            visited[300] = id(300);
            assert_eq!(visited, (0..3 * PER_BLOCK).map(id).collect::<Vec<_>>());
            assert!(senders.starting_at_mut(next, limit).is_empty());
        }
    }
}
