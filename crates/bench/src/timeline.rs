//! What was published and delivered in each step of the run, for the plots.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Most steps while events are published.
const MAX_STEPS: u128 = 60;
/// What arrives later is added to the last of so many steps.
const MAX_STEPS_IN_ALL: usize = 4 * 60;
const STEP_LENGTHS_MS: [u64; 12] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
];
/// Longest latency that histograms tell apart from longer ones: ten minutes, in microseconds.
const MAX_LATENCY: u64 = 600_000_000;

/// A histogram of latencies in microseconds, exact to three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_LATENCY, 3).expect("the bounds are in order")
}

/// Exact to two digits and small, because each step has one.
fn rough_histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1, MAX_LATENCY, 2).expect("the bounds are in order")
}

/// The length of a step, so that each holds some events even at a low rate, and all hold equally many where
/// that is possible.
pub(crate) fn step_length(duration: Duration, events_a_second: Option<f64>) -> Duration {
    let some_events = events_a_second.map_or(Duration::ZERO, |rate| {
        Duration::try_from_secs_f64(2.0 / rate).unwrap_or(Duration::MAX)
    });
    let fits = |length: &Duration| {
        length.as_nanos() * MAX_STEPS >= duration.as_nanos() && *length >= some_events
    };
    let is_even = |length: &Duration| {
        events_a_second.is_none_or(|rate| (rate * length.as_secs_f64()).fract() == 0.0)
    };
    let lengths = STEP_LENGTHS_MS.into_iter().map(Duration::from_millis);
    let two: Vec<_> = lengths.filter(fits).take(2).collect();
    let even = two.iter().copied().find(is_even);
    let any = two.first().copied();
    even.or(any).unwrap_or(duration.max(Duration::from_secs(1)))
}

/// What one thread, or all together, counted in each step.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// Nanoseconds.
    length: u64,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) published: u64,
    /// Latencies of all arrivals in the step, in microseconds.
    pub(crate) arrivals: Histogram<u32>,
}

impl Timeline {
    pub(crate) fn new(length: Duration) -> Self {
        Self {
            length: u64::try_from(length.as_nanos()).unwrap_or(u64::MAX).max(1),
            steps: Vec::new(),
        }
    }

    /// The step at a time in nanoseconds since publishing began.
    pub(crate) fn at(&mut self, time: u64) -> &mut Step {
        let at = usize::try_from(time / self.length).unwrap_or(usize::MAX);
        self.step(at.min(MAX_STEPS_IN_ALL - 1))
    }

    fn step(&mut self, at: usize) -> &mut Step {
        if at >= self.steps.len() {
            let none = Step {
                published: 0,
                arrivals: rough_histogram(),
            };
            self.steps.resize(at + 1, none);
        }
        &mut self.steps[at]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (at, step) in other.steps.iter().enumerate() {
            let own = self.step(at);
            own.published += step.published;
            own.arrivals
                .add(&step.arrivals)
                .expect("all have the same bounds");
        }
    }

    pub(crate) fn length(&self) -> Duration {
        Duration::from_nanos(self.length)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_a_round_length_and_holds_some_events() {
        let seconds = Duration::from_secs;
        assert_eq!(step_length(seconds(10), None), Duration::from_millis(200));
        assert_eq!(step_length(seconds(10), Some(2.0)), seconds(1));
        assert_eq!(step_length(seconds(10), Some(5.0)), seconds(1));
        assert_eq!(step_length(seconds(600), Some(1e6)), seconds(10));
        assert_eq!(step_length(seconds(10), Some(1e-9)), seconds(10));
    }

    #[test]
    fn timelines_of_threads_are_added_and_late_arrivals_count_in_the_last_step() {
        let (mut one, mut other) = (
            Timeline::new(Duration::from_secs(1)),
            Timeline::new(Duration::from_secs(1)),
        );
        one.at(0).published += 2;
        other.at(1_500_000_000).published += 3;
        other.at(1_999_999_999).arrivals.saturating_record(7);
        other.at(u64::MAX).published += 1;
        one.add(&other);
        let published: Vec<_> = one.iter().map(|step| step.published).collect();
        assert_eq!(
            (published.len(), &published[..2]),
            (MAX_STEPS_IN_ALL, &[2, 3][..])
        );
        assert_eq!(published.last(), Some(&1));
        assert_eq!(one.iter().map(|step| step.arrivals.len()).sum::<u64>(), 1);
    }
}
