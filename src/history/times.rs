//! When events were appended, however the clock jumped. An event's own time is what the clock showed; where the clock
//! went back, the events before were appended no later than at the time that it showed then.
//!
//! Without this, events that were appended while the clock was ahead would keep the events after them from expiring,
//! and a read by time could not halve its way to where it begins.

use std::collections::VecDeque;

/// Most steps that are kept. Past it the oldest is dropped, and its events are as old as the next step allows.
const MAX_STEPS: usize = 1_024;

/// The clock went back: no event up to this number was appended later than at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Of the last event before the step.
    pub number: u64,
    /// What the clock showed then, in milliseconds since the Unix epoch.
    pub ms: u64,
}

/// Numbers and times increase.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps(VecDeque<Step>);

impl Steps {
    /// Steps that were kept before.
    pub fn of(steps: impl Iterator<Item = Step>) -> Self {
        Self(steps.collect())
    }

    /// The steps, in order.
    pub fn iter(&self) -> impl Iterator<Item = Step> + '_ {
        self.0.iter().copied()
    }

    /// Adds a step, after all before.
    pub fn push(&mut self, step: Step) {
        while self.0.back().is_some_and(|last| last.ms >= step.ms) {
            self.0.pop_back();
        }
        self.0.push_back(step);
        if self.0.len() > MAX_STEPS {
            self.0.pop_front();
        }
    }

    /// The time of an event by its number and its own time; it never decreases with the number.
    #[must_use]
    pub fn time(&self, number: u64, ms: u64) -> u64 {
        let next = self.0.partition_point(|step| step.number < number);
        self.0.get(next).map_or(ms, |step| step.ms.min(ms))
    }

    /// Drops the steps that concern no event after this number; true if there were any.
    pub fn drop_to(&mut self, number: u64) -> bool {
        let over = self.0.partition_point(|step| step.number <= number);
        self.0.drain(..over);
        over > 0
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times of events as they come.
    fn times(own: &[u64]) -> Vec<u64> {
        let mut steps = Steps::default();
        for (number, pair) in own.windows(2).enumerate() {
            if pair[1] < pair[0] {
                let number = number as u64;
                steps.push(Step {
                    number,
                    ms: pair[1],
                });
            }
        }
        let own = own.iter().enumerate();
        own.map(|(number, ms)| steps.time(number as u64, *ms))
            .collect()
    }

    #[test]
    fn events_are_no_later_than_what_came_after_them() {
        assert_eq!(times(&[1, 2, 3]), [1, 2, 3]);
        assert_eq!(times(&[1, 900, 901, 5, 6]), [1, 5, 5, 5, 6]);
        assert_eq!(times(&[1, 900, 5, 800, 6, 7]), [1, 5, 5, 6, 6, 7]);
        assert_eq!(times(&[5, 900, 3, 4]), [3, 3, 3, 4]);
    }

    #[test]
    fn steps_end_with_the_events_before_them_and_are_bounded() {
        let mut steps = Steps::default();
        for number in 0..2 * MAX_STEPS as u64 {
            steps.push(Step { number, ms: number });
        }
        assert_eq!(steps.0.len(), MAX_STEPS);
        assert!(steps.drop_to(2 * MAX_STEPS as u64));
        assert_eq!(steps, Steps::default());
        assert!(!steps.drop_to(9_999));
    }
}
