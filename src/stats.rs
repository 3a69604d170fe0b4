//! Counters and latencies, as atomics: reading them takes no lock.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

/// A number that goes up, or up and down. It wraps around past `u64::MAX`.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds to it.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    /// Replaces it.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// What it is now; other threads may be changing it.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Threads that add to a [`StripedCount`] at once without waiting for each other's cache line, if no more threads add
/// to it.
const STRIPES: usize = 16;

/// A number that goes up, and that several threads add to for each event of each stream. It wraps around past
/// `u64::MAX`.
#[derive(Debug, Default)]
pub struct StripedCount([Stripe; STRIPES]);

/// Two cache lines: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(Count);

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static STRIPE: usize = THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES;
}

impl StripedCount {
    /// Adds to it.
    pub fn add(&self, n: u64) {
        // What is counted while a thread ends goes to the first.
        let stripe = STRIPE.try_with(|stripe| *stripe).unwrap_or_default();
        self.0[stripe].0.add(n);
    }

    /// What it is now; other threads may be changing it.
    #[must_use]
    pub fn get(&self) -> u64 {
        let stripes = self.0.iter().map(|stripe| stripe.0.get());
        stripes.fold(0, u64::wrapping_add)
    }
}

/// Upper bounds of a [`Latency`]'s buckets, in microseconds.
pub const LATENCY_BOUNDS_MICROS: [u64; 14] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    10_000_000,
];

/// A histogram of durations.
#[derive(Debug, Default)]
pub struct Latency {
    /// The last one counts what is past the last bound.
    buckets: [Count; LATENCY_BOUNDS_MICROS.len() + 1],
    sum_micros: Count,
}

impl Latency {
    /// Counts one duration, in whole microseconds.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].add(1);
        self.sum_micros.add(micros);
    }

    /// How many durations were in each bucket of [`LATENCY_BOUNDS_MICROS`], each without those below it; the last
    /// bucket has no bound.
    pub fn buckets(&self) -> impl Iterator<Item = u64> {
        self.buckets.iter().map(Count::get)
    }

    /// The sum of all durations, in whole microseconds.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_micros.get())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn what_many_threads_add_to_a_striped_count_is_counted_once_each() {
        let count = StripedCount::default();
        thread::scope(|scope| {
            for _ in 0..2 * STRIPES {
                scope.spawn(|| (0..1_000).for_each(|_| count.add(3)));
            }
        });
        assert_eq!(count.get(), 2 * STRIPES as u64 * 3_000);
    }
}
