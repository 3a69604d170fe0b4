//! The memory of requests whose response is not there yet. A client sends a large head in few bytes: its HPACK table has
//! room for 4 KiB, to which each further head refers.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
};

use http::request::Parts;

use super::{
    Counts,
    limits::{
        HEADER_BYTES, HEADER_VALUE_BYTES, HELD_BYTES_EACH, HELD_BYTES_IN_ANY_CASE,
        HELD_BYTES_OF_ALL, REQUEST_BYTES,
    },
};

/// What the requests of one connection hold.
pub(super) struct Held {
    bytes: Cell<usize>,
    most: usize,
    counts: Arc<Counts>,
}

impl Held {
    pub(super) fn new(max_streams: u32, counts: Arc<Counts>) -> Rc<Self> {
        let streams = usize::try_from(max_streams).unwrap_or(usize::MAX);
        Rc::new(Self {
            bytes: Cell::new(0),
            most: streams
                .saturating_mul(HELD_BYTES_EACH)
                .max(HELD_BYTES_IN_ANY_CASE),
            counts,
        })
    }

    /// Counts a request until the result is dropped; `None` if there is no room for it.
    pub(super) fn count(self: &Rc<Self>, head: &Parts) -> Option<HeldRequest> {
        let request = HeldRequest {
            bytes: bytes_of(head),
            held: Rc::clone(self),
        };
        let mine = self.bytes.get() + request.bytes;
        self.bytes.set(mine);
        let of_all = &self.counts.held;
        let all = of_all.fetch_add(request.bytes, Ordering::Relaxed) + request.bytes;
        let has_room =
            mine <= self.most && (all <= HELD_BYTES_OF_ALL || mine <= HELD_BYTES_IN_ANY_CASE);
        has_room.then_some(request)
    }
}

/// A request that is counted.
pub(super) struct HeldRequest {
    bytes: usize,
    held: Rc<Held>,
}

impl Drop for HeldRequest {
    fn drop(&mut self) {
        let Held { bytes, counts, .. } = &*self.held;
        bytes.set(bytes.get() - self.bytes);
        counts.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// About what a request with this head takes.
fn bytes_of(head: &Parts) -> usize {
    let Parts { uri, headers, .. } = head;
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let strings = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    let names = headers.keys_len();
    REQUEST_BYTES
        + path
        + strings.sum::<usize>()
        + names * HEADER_BYTES
        + (headers.len() - names) * HEADER_VALUE_BYTES
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(bytes: usize) -> Parts {
        let request = Request::builder().header("x", "y".repeat(bytes));
        request.body(()).unwrap().into_parts().0
    }

    fn fill(held: &Rc<Held>) -> Vec<HeldRequest> {
        std::iter::from_fn(|| held.count(&head(15_000))).collect()
    }

    #[test]
    fn the_requests_of_a_connection_hold_a_bounded_number_of_bytes_until_they_are_dropped() {
        let counts = Arc::<Counts>::default();
        let held = Held::new(100, Arc::clone(&counts));
        let requests = fill(&held);
        assert!((50..80).contains(&requests.len()), "{}", requests.len());
        assert!(held.count(&head(0)).is_some(), "there is a little room");
        drop(requests);
        assert_eq!(counts.held.load(Ordering::Relaxed), 0);
        assert!(held.count(&head(15_000)).is_some());
    }

    #[test]
    fn once_all_connections_hold_too_much_each_may_still_hold_a_little() {
        let counts = Arc::<Counts>::default();
        let greedy = Held::new(10_000, Arc::clone(&counts));
        let requests = fill(&greedy);
        assert!(counts.held.load(Ordering::Relaxed) <= HELD_BYTES_OF_ALL);
        let other = Held::new(100, Arc::clone(&counts));
        assert_eq!(fill(&other).len(), 2);
        drop(requests);
        assert!(fill(&other).len() > 2);
    }
}
