//! Selectors that subscribers share: most streams of a server ask for the same as many others.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    mem,
    sync::{Arc, Weak},
};

use crate::{event::Selector, sync::Mutex};

/// How many selectors are remembered. Two that have one place are shared with the next subscribers in turn.
const PLACES: usize = 256;

/// The selector that was last asked for at each place, as long as a subscriber has it.
pub(super) struct SharedSelectors(Mutex<Box<[Weak<Selector>]>>);

impl SharedSelectors {
    pub(super) fn new() -> Self {
        let places = std::iter::repeat_with(Weak::new).take(PLACES);
        Self(Mutex::new(places.collect()))
    }

    /// The one that a subscriber has already, if it is remembered.
    pub(super) fn share(&self, selector: Selector) -> Arc<Selector> {
        let place = place_of(&selector);
        // Dropped outside of the lock, as the last to have it.
        let known = self.0.lock()[place].upgrade();
        if let Some(known) = known.filter(|known| known.is_same(&selector)) {
            return known;
        }
        let selector = Arc::new(selector);
        let last = mem::replace(&mut self.0.lock()[place], Arc::downgrade(&selector));
        drop(last);
        selector
    }
}

/// Clients that choose selectors of one place share nothing, and that is all. So the hash has no secret.
fn place_of(selector: &Selector) -> usize {
    let mut hasher = DefaultHasher::new();
    selector.hash(&mut hasher);
    usize::try_from(hasher.finish() % PLACES as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn of(topic: &str) -> Selector {
        Selector::topics(&[topic]).unwrap()
    }

    #[test]
    fn subscribers_to_the_same_share_a_selector_and_others_do_not() {
        let shared = SharedSelectors::new();
        let first = shared.share(of("a"));
        assert!(Arc::ptr_eq(&first, &shared.share(of("a"))));
        let now = Instant::now();
        for other in [
            of("b"),
            of("a").with_private(),
            of("a").until(now),
            of("a").until(now + Duration::from_secs(1)),
        ] {
            let one = shared.share(other.clone());
            assert!(!Arc::ptr_eq(&first, &one));
            assert!(Arc::ptr_eq(&one, &shared.share(other.clone())));
            assert!(one.is_same(&other));
        }
    }

    #[test]
    fn what_no_subscriber_has_any_more_is_not_kept() {
        let shared = SharedSelectors::new();
        let topic: Vec<_> = (0..10 * PLACES).map(|number| number.to_string()).collect();
        let last: Vec<_> = topic
            .iter()
            .map(|topic| Arc::downgrade(&shared.share(of(topic))))
            .collect();
        assert!(last.iter().all(|last| last.upgrade().is_none()));
    }
}
