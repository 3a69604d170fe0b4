//! Values kept under keys, outside of the events' retention: what may be written, and what is there.

use std::collections::HashMap;

use bytes::Bytes;

use super::{AppendError, NameKind, NameRange, Names, Precondition, Retain};
use crate::event::EventId;

/// Most retained values, since nothing evicts them.
pub const MAX_RETAINED_VALUES: usize = 10_000;
/// Most bytes of retained keys and values in all.
pub const MAX_RETAINED_BYTES: usize = 64 << 20;

/// Retained values as of one head.
#[derive(Debug, Clone)]
pub struct RetainedAt {
    /// The last id given by then.
    pub head: EventId,
    /// For each key, in their order, its value and the id that it was written at.
    pub values: Vec<Option<(Bytes, EventId)>>,
}

/// Leaves out what belongs to events that are not appended. `is_new` finds out which events of the batch are, where
/// that matters.
pub fn drop_repeats(retain: &mut Vec<Retain>, is_new: impl FnOnce() -> Vec<bool>) {
    if retain.iter().all(|retain| retain.of_event.is_none()) {
        return;
    }
    let is_new = is_new();
    retain.retain(|retain| {
        let is_appended = |index: usize| is_new.get(index).copied().unwrap_or_default();
        retain.of_event.is_none_or(is_appended)
    });
}

/// All values that are retained.
#[derive(Debug, Clone, Default)]
pub struct Retained {
    values: HashMap<String, (Bytes, EventId)>,
    bytes: usize,
}

impl Retained {
    /// The value under a key, and the id that it was written at.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<(Bytes, EventId)> {
        self.values.get(key).cloned()
    }

    /// One page of the keys.
    #[must_use]
    pub fn keys(&self, range: NameRange<'_>) -> Names {
        let (keys, more) = range.first(NameKind::RetainedKeys, self.values.keys());
        let written_at = |key: &String| Some((key.clone(), self.values.get(key)?.1));
        Names {
            found: keys.into_iter().filter_map(written_at).collect(),
            more,
        }
    }

    /// All keys and values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &(Bytes, EventId))> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Checks what a batch is to write, before it is.
    ///
    /// # Errors
    /// [`AppendError::Conflict`] where a precondition does not hold, [`AppendError::RetainedFull`] where the values
    /// would not fit.
    pub fn check(
        &self,
        preconditions: &[Precondition],
        retain: &[Retain],
    ) -> Result<(), AppendError> {
        for Precondition { key, written_at } in preconditions {
            let found = self.values.get(key).map(|(_, id)| *id);
            if found != *written_at {
                return Err(AppendError::Conflict {
                    key: key.clone(),
                    written_at: found,
                });
            }
        }
        let latest: HashMap<_, _> = retain.iter().map(|r| (&r.key, &r.value)).collect();
        let (mut values, mut bytes) = (self.values.len(), self.bytes);
        for (key, value) in latest {
            if let Some((old, _)) = self.values.get(key) {
                values -= 1;
                bytes -= key.len() + old.len();
            }
            if let Some(value) = value {
                values += 1;
                bytes += key.len() + value.len();
            }
        }
        if values > MAX_RETAINED_VALUES || bytes > MAX_RETAINED_BYTES {
            return Err(AppendError::RetainedFull);
        }
        Ok(())
    }

    /// Writes or removes the values of a batch that was appended at these positions, of which `last` is the last new
    /// one. Returns the keys.
    pub fn write_batch(
        &mut self,
        retain: Vec<Retain>,
        ids: &[EventId],
        last: EventId,
    ) -> Vec<String> {
        let write = |retain: Retain| {
            let of_event = retain.of_event.and_then(|index| ids.get(index));
            let (key, at) = (retain.key.clone(), of_event.copied().unwrap_or(last));
            self.write(retain, at);
            key
        };
        retain.into_iter().map(write).collect()
    }

    /// Writes or removes a value, at this id.
    pub fn write(&mut self, Retain { key, value, .. }: Retain, at: EventId) {
        if let Some((old, _)) = self.values.remove(&key) {
            self.bytes -= key.len() + old.len();
        }
        if let Some(value) = value {
            self.bytes += key.len() + value.len();
            self.values.insert(key, (value, at));
        }
    }
}
