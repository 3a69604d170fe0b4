/// Results that share a place: what comes in turn must not push each other out.
const WAYS: usize = 4;

/// The last results, in a fixed number of places by hash.
pub(super) struct Recent<T> {
    places: Vec<Place<T>>,
    /// How many, once there is one result.
    len: usize,
}

#[derive(Default)]
struct Place<T> {
    /// Of the results, to look at no more than one of these.
    hashes: [u64; WAYS],
    results: [T; WAYS],
    /// Which one is replaced next.
    next: usize,
}

impl<T: Default> Recent<T> {
    /// For four times as many results as places.
    pub(super) const fn new(places: usize) -> Self {
        Self {
            places: Vec::new(),
            len: places,
        }
    }

    /// The result that `is_it`, or an older one that `replace` makes it.
    pub(super) fn get_or_replace(
        &mut self,
        hash: u64,
        is_it: impl Fn(&T) -> bool,
        replace: impl FnOnce(&mut T),
    ) -> &T {
        if self.places.is_empty() {
            self.places.resize_with(self.len, Place::default);
        }
        let at = usize::try_from(hash % self.len as u64).unwrap_or_default();
        let place = &mut self.places[at];
        let mut known = (0..WAYS).filter(|way| place.hashes[*way] == hash);
        let known = known.find(|way| is_it(&place.results[*way]));
        let known = known.unwrap_or_else(|| {
            let oldest = place.next;
            place.next = (oldest + 1) % WAYS;
            place.hashes[oldest] = hash;
            replace(&mut place.results[oldest]);
            oldest
        });
        &place.results[known]
    }
}
