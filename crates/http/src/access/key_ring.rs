//! The keys that publish. They may change while the server runs.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::RwLock;

use crate::Refusal;

/// Keys of which a publish needs one; clones are the same ring.
#[derive(Clone, Default)]
pub struct KeyRing(Arc<RwLock<Arc<[Arc<Key>]>>>);

struct Key {
    text: String,
    /// For what was admitted with it and is still open.
    removed: AtomicBool,
}

/// That a request may publish: with a key, for as long as the ring has that key.
#[derive(Clone, Default)]
pub struct Permit(Option<Arc<Key>>);

/// What a new set of keys changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replaced {
    /// How many keys there are now.
    pub keys: usize,
    /// How many of them are new.
    pub added: usize,
    /// How many were there before and are no more.
    pub removed: usize,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing")
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

impl<K: Into<String>> FromIterator<K> for KeyRing {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        let ring = Self::default();
        ring.replace(keys);
        ring
    }
}

impl KeyRing {
    /// Takes these keys in place of those before. An open socket or upload that was admitted with a
    /// removed key publishes no more.
    pub fn replace<K: Into<String>>(&self, keys: impl IntoIterator<Item = K>) -> Replaced {
        let mut wanted = HashSet::new();
        let wanted: Vec<String> = keys
            .into_iter()
            .map(Into::into)
            .filter(|key: &String| !key.is_empty() && wanted.insert(key.clone()))
            .collect();
        let mut current = self.0.write();
        let (kept, removed): (Vec<_>, Vec<_>) = current
            .iter()
            .cloned()
            .partition(|key| wanted.contains(&key.text));
        for key in &removed {
            key.removed.store(true, Ordering::Release);
        }
        let (mut keys, added) = (kept, wanted.len());
        let new = wanted
            .into_iter()
            .filter(|text| !keys.iter().any(|key| key.text == *text));
        let new: Vec<_> = new
            .map(|text| {
                let removed = AtomicBool::new(false);
                Arc::new(Key { text, removed })
            })
            .collect();
        let added = added - keys.len();
        keys.extend(new);
        *current = keys.into();
        Replaced {
            keys: current.len(),
            added,
            removed: removed.len(),
        }
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.read().len()
    }

    /// Whether there are none, so that nothing is admitted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Compares all, so that the time does not depend on which key was near.
    pub(super) fn admit(&self, key: &[u8]) -> Option<Permit> {
        let keys = Arc::clone(&self.0.read());
        let found = keys.iter().fold(None, |found, known| {
            if is_same(known.text.as_bytes(), key) {
                Some(known)
            } else {
                found
            }
        });
        found.map(|known| Permit(Some(Arc::clone(known))))
    }
}

impl Permit {
    /// Checks that the key is still there: for uploads and sockets that outlive their request's head.
    ///
    /// # Errors
    /// 401 where the key has been removed meanwhile.
    pub fn check(&self) -> Result<(), Refusal> {
        match &self.0 {
            Some(key) if key.removed.load(Ordering::Acquire) => Err(Refusal::unauthorized(
                "wrong_key",
                "the key is no longer valid; begin again with one that the server has",
            )),
            _ => Ok(()),
        }
    }
}

/// Compares in a time that depends on the lengths alone.
fn is_same(known: &[u8], brought: &[u8]) -> bool {
    let differing = known
        .iter()
        .zip(brought)
        .fold(0, |bits, (a, b)| std::hint::black_box(bits | (a ^ b)));
    known.len() == brought.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(ring: &KeyRing, key: &str) -> bool {
        ring.admit(key.as_bytes()).is_some()
    }

    #[test]
    fn a_replaced_ring_admits_the_new_keys_and_none_of_those_removed() {
        let ring: KeyRing = ["one", "two", "two", ""].into_iter().collect();
        assert_eq!(ring.len(), 2);
        let (kept, removed) = (ring.admit(b"one").unwrap(), ring.admit(b"two").unwrap());
        let replaced = ring.replace(["one", "three"]);
        assert_eq!(
            replaced,
            Replaced {
                keys: 2,
                added: 1,
                removed: 1
            }
        );
        assert!(admits(&ring, "one") && admits(&ring, "three") && !admits(&ring, "two"));
        assert!(kept.check().is_ok());
        assert_eq!(removed.check().unwrap_err().code(), "wrong_key");
        ring.replace(["two"]);
        assert!(
            removed.check().is_err(),
            "a key that comes back opens no old socket"
        );
    }

    #[test]
    fn nothing_but_the_whole_key_is_admitted() {
        let ring: KeyRing = ["one"].into_iter().collect();
        for wrong in ["", "on", "one1", "two", "ONE"] {
            assert!(!admits(&ring, wrong), "{wrong}");
        }
        assert!(!format!("{ring:?}{:?}", ring.admit(b"one")).contains("one"));
    }
}
