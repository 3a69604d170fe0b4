//! The thread that publishes: which event when.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use mio::Events;

use super::{
    lanes::{Lanes, Outcome, Plan},
    rate::Rate,
    shared::{Reasons, Shared, Stage, nanos},
    timeline::Steps,
};

/// How long responses are waited for, once the user has ended the run.
const STOPPED_LIMIT: Duration = Duration::from_secs(2);
/// Until every subscriber has seen one, each topic gets another event so often.
const WARM_UP_EVERY: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(20);
const EVENTS_AT_ONCE: usize = 1_024;

/// Which events are due when, and how many there are at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    pub(super) pace: Rate,
    pub(super) duration: Duration,
    pub(super) max_events: u64,
}

pub(super) struct Publishers {
    shared: Arc<Shared>,
    lanes: Lanes,
    events: Events,
    when: When,
    begun: u64,
    /// The events before this one were late for want of a lane.
    late: u64,
}

impl Publishers {
    pub(super) fn new(
        shared: Arc<Shared>,
        plan: Plan,
        when: When,
        steps: Steps,
    ) -> io::Result<Self> {
        Ok(Self {
            lanes: Lanes::new(shared.clone(), plan, steps)?,
            events: Events::with_capacity(EVENTS_AT_ONCE),
            shared,
            when,
            begun: 0,
            late: 0,
        })
    }

    pub(super) fn run(mut self) -> io::Result<Outcome> {
        if self.warm_up()? {
            self.publish()?;
        }
        Ok(self.lanes.outcome)
    }

    /// Publishes until all have seen something; says whether the run is to go on.
    fn warm_up(&mut self) -> io::Result<bool> {
        let topics = self.lanes.topics();
        // Connections that the run needs at once are open when it begins.
        let first_round = match self.when.pace {
            Rate::Max => topics.max(self.lanes.most()),
            Rate::Every(_) => topics,
        };
        let (mut sent, mut to_send, mut round) = (0, first_round, self.shared.now());
        while self.shared.stage() == Stage::WarmUp {
            let now = self.shared.now();
            if sent == to_send && now > round + nanos(WARM_UP_EVERY) {
                (sent, to_send, round) = (0, topics, now);
            }
            while sent < to_send {
                let Some(at) = self.lanes.take_free() else {
                    break;
                };
                self.lanes.warm_up(at, sent % topics);
                sent += 1;
            }
            self.lanes.poll(&mut self.events, TICK)?;
            let is_answered = sent == to_send && !self.lanes.is_asking();
            if is_answered && self.lanes.warm_ups_taken == 0 {
                return Ok(false);
            }
        }
        self.await_responses()?;
        self.lanes.outcome.refused = Reasons::default();
        self.lanes.outcome.unanswered = Reasons::default();
        Ok(self.shared.stage() == Stage::Publishing)
    }

    fn publish(&mut self) -> io::Result<()> {
        let start = self.shared.now().max(1);
        self.shared.started.store(start, Relaxed);
        loop {
            let elapsed = Duration::from_nanos(self.shared.now() - start);
            self.lanes.outcome.is_bounded = self.begun >= self.when.max_events;
            if self.shared.is_stopped() || self.lanes.outcome.is_bounded {
                break;
            }
            if elapsed >= self.when.duration {
                // This thread may have slept over the last that were due.
                self.publish_due(
                    start,
                    self.when.duration.saturating_sub(Duration::from_nanos(1)),
                );
                break;
            }
            self.publish_due(start, elapsed);
            let next = self.when.pace.time_of(self.begun).saturating_sub(elapsed);
            let wait = if self.lanes.has_free() {
                next.min(TICK)
            } else {
                TICK
            };
            self.lanes.poll(&mut self.events, wait)?;
        }
        self.await_responses()?;
        self.lanes.outcome.took = Duration::from_nanos(self.shared.now() - start);
        Ok(())
    }

    fn publish_due(&mut self, start: u64, elapsed: Duration) {
        let due = self.when.pace.due(elapsed).min(self.when.max_events);
        // As many as there are lanes, so that responses are read in between.
        for _ in 0..self.lanes.most() {
            if self.begun >= due {
                return;
            }
            let Some(at) = self.lanes.take_free() else {
                self.late = if self.when.pace == Rate::Max { 0 } else { due };
                return;
            };
            // One that had to wait for the server counts from when it was due: otherwise a server
            // that stands still would not show.
            let from = if self.begun < self.late {
                start + nanos(self.when.pace.time_of(self.begun))
            } else {
                self.shared.now()
            };
            self.begun += 1;
            self.lanes.publish(at, from);
        }
    }

    fn await_responses(&mut self) -> io::Result<()> {
        let began = self.shared.now();
        while self.lanes.is_asking() {
            let waited = Duration::from_nanos(self.shared.now() - began);
            if self.shared.is_stopped() && waited > STOPPED_LIMIT {
                self.lanes.give_up_all("ended early");
            }
            self.lanes.poll(&mut self.events, TICK)?;
        }
        Ok(())
    }
}
