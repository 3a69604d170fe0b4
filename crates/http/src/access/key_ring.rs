//! The publish keys. They may change while the server runs.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::RwLock;

/// Keys of which a publish needs one. Clones share the keys. `Debug` does not show them.
///
/// ```
/// use sse_broadcaster_http::KeyRing;
///
/// let keys: KeyRing = ["old-key"].into_iter().collect();
/// let replaced = keys.replace(["new-key"]);
/// assert_eq!((replaced.keys, replaced.added, replaced.removed), (1, 1, 1));
/// ```
#[derive(Clone, Default)]
pub struct KeyRing(Arc<RwLock<Arc<[Arc<Key>]>>>);

pub(super) struct Key {
    text: String,
    /// Checked by uploads and sockets that were admitted with this key and are still open.
    removed: AtomicBool,
}

/// How [`KeyRing::replace`] changed the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replaced {
    /// How many keys there are now.
    pub keys: usize,
    /// How many of them are new.
    pub added: usize,
    /// How many of the previous keys were removed.
    pub removed: usize,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing")
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
    /// Replaces the keys; empty ones and repeats are left out. A socket or upload that is still open and was
    /// admitted with a removed key cannot publish any more, even if that key is added again.
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

    /// Whether there are no keys, so that no publish is admitted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Compares with every key, so that the time does not tell which one was similar.
    pub(super) fn find(&self, key: &[u8]) -> Option<Arc<Key>> {
        let keys = Arc::clone(&self.0.read());
        let found = keys.iter().fold(None, |found, known| {
            if is_same(known.text.as_bytes(), key) {
                Some(known)
            } else {
                found
            }
        });
        found.cloned()
    }
}

/// Without the key.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    pub(super) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }
}

/// Compares in a time that depends on the lengths alone.
fn is_same(known: &[u8], sent: &[u8]) -> bool {
    let differing = known
        .iter()
        .zip(sent)
        .fold(0, |bits, (a, b)| std::hint::black_box(bits | (a ^ b)));
    known.len() == sent.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(ring: &KeyRing, key: &str) -> bool {
        ring.find(key.as_bytes()).is_some()
    }

    #[test]
    fn a_replaced_ring_admits_the_new_keys_and_none_of_those_removed() {
        let ring: KeyRing = ["one", "two", "two", ""].into_iter().collect();
        assert_eq!(ring.len(), 2);
        let (kept, removed) = (ring.find(b"one").unwrap(), ring.find(b"two").unwrap());
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
        assert!(!kept.is_removed());
        assert!(removed.is_removed());
        ring.replace(["two"]);
        assert!(
            removed.is_removed(),
            "a key that is added again does not reopen a socket"
        );
    }

    #[test]
    fn nothing_but_the_whole_key_is_admitted() {
        let ring: KeyRing = ["one"].into_iter().collect();
        for wrong in ["", "on", "one1", "two", "ONE"] {
            assert!(!admits(&ring, wrong), "{wrong}");
        }
        assert!(!format!("{ring:?}{:?}", ring.find(b"one")).contains("one"));
    }
}
