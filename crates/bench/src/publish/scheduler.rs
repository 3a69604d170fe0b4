//! The thread that publishes: it decides which event is published when.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use mio::Events;

use super::{
    pool::{PublishPlan, PublishStats, PublisherPool},
    rate::Rate,
};
use crate::{
    reasons::Reasons,
    run_state::{RunState, Stage, nanos},
    timeline::Timeline,
};

/// How long responses are waited for after the user has ended the run.
const STOPPED_LIMIT: Duration = Duration::from_secs(2);
/// Until every subscriber has received one, each topic is sent another event so often.
const WARM_UP_INTERVAL: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(20);
const EVENTS_AT_ONCE: usize = 1_024;

/// When events are due, and how many there are at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) rate: Rate,
    pub(crate) duration: Duration,
    pub(crate) max_events: u64,
}

pub(crate) struct Scheduler {
    state: Arc<RunState>,
    pool: PublisherPool,
    events: Events,
    schedule: Schedule,
    /// How many events have been published, or begun to be.
    begun: u64,
    /// The events before this one are late because no publisher was free.
    late: u64,
}

impl Scheduler {
    pub(crate) fn new(
        state: Arc<RunState>,
        plan: PublishPlan,
        schedule: Schedule,
        timeline: Timeline,
    ) -> io::Result<Self> {
        Ok(Self {
            pool: PublisherPool::new(state.clone(), plan, timeline)?,
            events: Events::with_capacity(EVENTS_AT_ONCE),
            state,
            schedule,
            begun: 0,
            late: 0,
        })
    }

    pub(crate) fn run(mut self) -> io::Result<PublishStats> {
        if self.warm_up()? {
            self.publish()?;
        }
        Ok(self.pool.stats)
    }

    /// Publishes until all subscribers have received something; whether the run goes on.
    fn warm_up(&mut self) -> io::Result<bool> {
        let topics = self.pool.topics();
        // Connections that the run needs at once are open when it begins.
        let first_round = match self.schedule.rate {
            Rate::Max => topics.max(self.pool.size()),
            Rate::Every(_) => topics,
        };
        let (mut sent, mut to_send, mut round) = (0, first_round, self.state.now());
        while self.state.stage() == Stage::WarmUp {
            let now = self.state.now();
            if sent == to_send && now > round + nanos(WARM_UP_INTERVAL) {
                (sent, to_send, round) = (0, topics, now);
            }
            while sent < to_send {
                let Some(at) = self.pool.take_free() else {
                    break;
                };
                self.pool.warm_up(at, sent % topics);
                sent += 1;
            }
            self.pool.poll(&mut self.events, TICK)?;
            let is_complete = sent == to_send && !self.pool.has_pending();
            if is_complete && self.pool.warm_ups_accepted == 0 {
                return Ok(false);
            }
        }
        self.await_responses()?;
        self.pool.stats.rejected = Reasons::default();
        self.pool.stats.no_response = Reasons::default();
        Ok(self.state.stage() == Stage::Publishing)
    }

    fn publish(&mut self) -> io::Result<()> {
        let start = self.state.now().max(1);
        self.state.started.store(start, Relaxed);
        loop {
            let elapsed = Duration::from_nanos(self.state.now() - start);
            self.pool.stats.is_bounded = self.begun >= self.schedule.max_events;
            if self.state.is_stopped() || self.pool.stats.is_bounded {
                break;
            }
            if elapsed >= self.schedule.duration {
                // This thread may have been asleep when the last events were due.
                let last = self.schedule.duration;
                self.publish_due(start, last.saturating_sub(Duration::from_nanos(1)));
                break;
            }
            self.publish_due(start, elapsed);
            let next = self.schedule.rate.time_of(self.begun);
            let wait = if self.pool.has_free() {
                next.saturating_sub(elapsed).min(TICK)
            } else {
                TICK
            };
            self.pool.poll(&mut self.events, wait)?;
        }
        self.await_responses()?;
        self.pool.stats.took = Duration::from_nanos(self.state.now() - start);
        Ok(())
    }

    fn publish_due(&mut self, start: u64, elapsed: Duration) {
        let due = self
            .schedule
            .rate
            .due(elapsed)
            .min(self.schedule.max_events);
        // At most one event for each publisher, so that responses are read in between.
        for _ in 0..self.pool.size() {
            if self.begun >= due {
                return;
            }
            let Some(at) = self.pool.take_free() else {
                let is_unlimited = self.schedule.rate == Rate::Max;
                self.late = if is_unlimited { 0 } else { due };
                return;
            };
            // The latency of an event that had to wait for the server begins when it was due: otherwise a
            // server that stalls would not show (coordinated omission).
            let from = if self.begun < self.late {
                start + nanos(self.schedule.rate.time_of(self.begun))
            } else {
                self.state.now()
            };
            self.begun += 1;
            self.pool.publish(at, from);
        }
    }

    fn await_responses(&mut self) -> io::Result<()> {
        let began = self.state.now();
        while self.pool.has_pending() {
            let waited = Duration::from_nanos(self.state.now() - began);
            if self.state.is_stopped() && waited > STOPPED_LIMIT {
                self.pool.abandon_all("ended early");
            }
            self.pool.poll(&mut self.events, TICK)?;
        }
        Ok(())
    }
}
