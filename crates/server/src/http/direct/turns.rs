//! In which order streams are served, and for how long before others have their turn.
//!
//! The streams that were woken between two turns are a group, and groups are served side by side, some streams of
//! each at a time: a fan-out to many streams does not delay a later one to few. A stream is sent everything that is
//! due when it is served, so that groups do not change the order of events.
//!
//! Streams of a large group that are woken again while such groups are still served wait for the next pass: what comes
//! meanwhile leaves in one write. A pass ends with the last large group, or when it has served some hundred streams,
//! since a stream may also be woken for what is due to few.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::inbox::{Inbox, Slot};

/// Most groups. When there are so many, further streams join the last one.
const MAX_GROUPS: usize = 16;
/// How many streams of a group are served before some of the next.
const PER_GROUP: usize = 8;
/// A group is large if it has at least one of so many streams that wait.
const LARGE_SHARE: usize = 16;
/// How many streams of large groups a pass serves.
const PER_PASS: usize = 256;

/// How long a turn takes while streams are woken turn by turn: somebody publishes, and waits for a response.
const SHORT_TURN: Duration = Duration::from_micros(10);
/// How long it takes at most otherwise. Between turns the worker accepts connections and serves requests.
const LONG_TURN: Duration = Duration::from_micros(400);
/// How many times as long the next turn takes, if no stream was woken meanwhile.
const GROWTH: u32 = 4;
/// About as long as it takes to send to one stream.
const PER_STREAM: Duration = Duration::from_micros(6);
/// How often the clock is read in a turn.
const READS_OF_CLOCK: usize = 8;
/// How many streams are served before it is read, at least.
const PER_READ_OF_CLOCK: usize = 2;

/// The streams that are to be served.
#[derive(Debug, Default)]
pub(super) struct Turns {
    groups: VecDeque<Group>,
    /// How many of the first group may be served before some of the next.
    quantum: usize,
    /// The streams of all groups that are still to be served.
    waiting: usize,
    large_groups: usize,
    pass: u32,
    served_in_pass: usize,
    /// By slot, the pass in which its stream was last served in a large group.
    served_in: Vec<u32>,
    /// Were served in this pass, and woken again.
    next_pass: Vec<Slot>,
    spare: Vec<Slot>,
    length: Duration,
}

#[derive(Debug)]
struct Group {
    slots: Vec<Slot>,
    served: usize,
    is_large: bool,
}

impl Turns {
    /// Begins a turn, for which it takes the streams of the inbox as a group.
    pub(super) fn begin(&mut self, inbox: &Inbox) -> Turn {
        let spare = std::mem::take(&mut self.spare);
        let mut woken = inbox.take(spare);
        self.length = if woken.is_empty() {
            (GROWTH * self.length).min(LONG_TURN)
        } else {
            SHORT_TURN
        };
        if self.large_groups > 0 {
            let (pass, served_in) = (self.pass, &self.served_in);
            // One that was served at the end of the last pass has its turn behind the others of this one.
            let was_served = |slot: &mut Slot| {
                let served_in = served_in.get(*slot as usize);
                served_in.is_some_and(|served_in| pass.wrapping_sub(*served_in) <= 1)
            };
            self.next_pass.extend(woken.extract_if(.., was_served));
        }
        self.add_group(woken);
        Turn {
            length: self.length,
            begun: Instant::now(),
            served: 0,
        }
    }

    fn add_group(&mut self, mut slots: Vec<Slot>) {
        if slots.is_empty() {
            self.spare = slots;
            return;
        }
        self.waiting += slots.len();
        if self.groups.len() >= MAX_GROUPS
            && let Some(last) = self.groups.back_mut()
        {
            last.slots.append(&mut slots);
            self.spare = slots;
            return;
        }
        let is_large = slots.len() * LARGE_SHARE >= self.waiting;
        self.large_groups += usize::from(is_large);
        self.groups.push_back(Group {
            slots,
            served: 0,
            is_large,
        });
    }

    /// The stream that is served next.
    pub(super) fn next(&mut self) -> Option<Slot> {
        if self.quantum == 0 {
            self.quantum = PER_GROUP;
            let first = self.groups.pop_front();
            self.groups.extend(first);
        }
        let group = self.groups.front_mut()?;
        let slot = group.slots[group.served];
        group.served += 1;
        self.waiting -= 1;
        self.quantum -= 1;
        if group.is_large {
            let index = slot as usize;
            if self.served_in.len() <= index {
                self.served_in.resize(index + 1, self.pass.wrapping_sub(2));
            }
            self.served_in[index] = self.pass;
            self.served_in_pass += 1;
        }
        if group.served == group.slots.len() {
            self.end_group();
        }
        if self.served_in_pass >= PER_PASS {
            self.end_pass();
        }
        Some(slot)
    }

    fn end_group(&mut self) {
        let Some(group) = self.groups.pop_front() else {
            return;
        };
        self.quantum = PER_GROUP;
        self.spare = group.slots;
        self.spare.clear();
        if group.is_large {
            self.large_groups -= 1;
            if self.large_groups == 0 {
                self.end_pass();
            }
        }
    }

    fn end_pass(&mut self) {
        self.pass = self.pass.wrapping_add(1);
        self.served_in_pass = 0;
        let spare = std::mem::take(&mut self.spare);
        let slots = std::mem::replace(&mut self.next_pass, spare);
        self.add_group(slots);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

/// A bounded part of the work.
pub(super) struct Turn {
    length: Duration,
    begun: Instant,
    served: usize,
}

impl Turn {
    /// How many streams may be served before it is asked whether the turn is over.
    pub(super) fn max_batch(&self) -> usize {
        let fitting = self.length.as_micros() / PER_STREAM.as_micros();
        usize::try_from(fitting).unwrap_or(usize::MAX).max(1)
    }

    /// Notes that streams were served; true when the others have their turn.
    pub(super) fn is_over(&mut self, streams: usize) -> bool {
        let per_read = PER_READ_OF_CLOCK.max(self.max_batch() / READS_OF_CLOCK);
        let before = self.served / per_read;
        self.served += streams;
        self.served / per_read > before && self.begun.elapsed() >= self.length
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, sync::Arc, task::Wake as _};

    use super::*;
    use crate::http::direct::inbox::StreamWaker;

    #[derive(Default)]
    struct Worker {
        inbox: Arc<Inbox>,
        wakers: HashMap<Slot, Arc<StreamWaker>>,
        turns: Turns,
    }

    impl Worker {
        fn wake(&mut self, slots: std::ops::Range<Slot>) {
            for slot in slots {
                let waker = self.wakers.entry(slot);
                waker
                    .or_insert_with(|| StreamWaker::new(&self.inbox, slot))
                    .wake_by_ref();
            }
        }

        /// Serves this number of streams in one turn.
        fn serve(&mut self, count: usize) -> Vec<Slot> {
            self.turns.begin(&self.inbox);
            let serve = || {
                let slot = self.turns.next()?;
                self.wakers[&slot].reset();
                Some(slot)
            };
            std::iter::from_fn(serve).take(count).collect()
        }
    }

    #[test]
    fn few_streams_that_are_woken_during_a_fan_out_to_many_are_served_soon_and_each_time() {
        let mut worker = Worker::default();
        worker.wake(0..10_000);
        worker.serve(64);
        for _ in 0..10 {
            worker.wake(20_000..20_003);
            let served = worker.serve(2 * PER_GROUP);
            assert!(served.contains(&20_000) && served.contains(&20_002));
        }
    }

    #[test]
    fn a_stream_is_served_once_in_a_fan_out_however_often_it_is_woken_meanwhile() {
        let mut worker = Worker::default();
        let mut served = Vec::new();
        while served.len() < 300 {
            worker.wake(0..100);
            served.extend(worker.serve(7));
        }
        for slot in 0..100 {
            let times = served.iter().filter(|served| **served == slot).count();
            assert!((2..=4).contains(&times), "{slot} was served {times} times");
        }
    }

    #[test]
    fn every_stream_is_served_once_however_many_groups_there_were() {
        let mut worker = Worker::default();
        let mut served = Vec::new();
        for group in 0..100 {
            worker.wake(group * 100..group * 100 + 100);
            served.extend(worker.serve(10));
        }
        while !worker.turns.is_empty() {
            served.extend(worker.serve(64));
        }
        served.sort_unstable();
        assert_eq!(served, (0..10_000).collect::<Vec<_>>());
    }

    #[test]
    fn what_waits_for_the_next_pass_is_served_although_small_groups_keep_coming() {
        let mut worker = Worker::default();
        worker.wake(0..1_000);
        worker.serve(500);
        worker.wake(0..500);
        let mut served = Vec::new();
        for turn in 0..1_000 {
            worker.wake(2_000 + turn..2_001 + turn);
            served.extend(worker.serve(4));
        }
        for slot in 0..500 {
            assert_eq!(
                served.iter().filter(|served| **served == slot).count(),
                1,
                "{slot}"
            );
        }
    }

    #[test]
    fn a_stream_of_a_fan_out_to_very_many_that_is_woken_again_waits_for_some_hundred_others_alone()
    {
        let mut worker = Worker::default();
        worker.wake(0..10_000);
        worker.serve(10);
        worker.wake(3..4);
        let served = worker.serve(PER_PASS + PER_GROUP);
        assert!(served.contains(&3));
        assert!(!served[..PER_PASS - 10].contains(&3));
    }

    #[test]
    fn turns_are_short_while_streams_are_woken_turn_by_turn_and_grow_otherwise() {
        let mut worker = Worker::default();
        worker.wake(0..100);
        assert_eq!(worker.turns.begin(&worker.inbox).length, SHORT_TURN);
        let next = worker.turns.begin(&worker.inbox).length;
        assert_eq!(next, GROWTH * SHORT_TURN);
        for _ in 0..10 {
            worker.turns.begin(&worker.inbox);
        }
        assert_eq!(worker.turns.begin(&worker.inbox).length, LONG_TURN);
        worker.wake(100..101);
        assert_eq!(worker.turns.begin(&worker.inbox).length, SHORT_TURN);
    }
}
