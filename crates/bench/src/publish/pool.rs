//! All publishing connections: begins requests on those that are free, and counts the responses.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};

use super::publisher::{Outcome, Publisher};
use crate::{
    event_tracker::Untracked,
    http::{connection::is_ending, endpoint::Endpoint},
    marker::{LENGTH, Marker, WARM_UP},
    reasons::Reasons,
    run_state::{RunState, nanos},
    timeline::{Timeline, histogram},
};

/// Longer than an overloaded server lets publishers wait.
const RESPONSE_LIMIT: Duration = Duration::from_secs(30);
/// Servers close idle connections, some after five seconds: none should be closed while a request is sent.
const IDLE_LIMIT: Duration = Duration::from_secs(4);
/// How often overdue responses are looked for.
const OVERDUE_INTERVAL: Duration = Duration::from_millis(100);
/// How long a publisher pauses after a rejection, so that rejecting is not all that a server does.
const REJECTED_PAUSE: Duration = Duration::from_millis(10);
const NO_RESPONSE_PAUSE: Duration = Duration::from_millis(100);
const BUFFER_BYTES: usize = 64 << 10;
const PADDING: u8 = b'.';

/// What is published, and where.
pub(crate) struct PublishPlan {
    pub(crate) endpoint: Endpoint,
    /// The head of a request, for each topic.
    pub(crate) request_heads: Vec<String>,
    pub(crate) data_bytes: usize,
    pub(crate) publishers: usize,
}

/// What was published, and how the server responded.
#[derive(Debug)]
pub(crate) struct PublishStats {
    pub(crate) published: u64,
    pub(crate) rejected: Reasons,
    pub(crate) no_response: Reasons,
    /// From publish to response, in microseconds.
    pub(crate) response_times: Histogram<u64>,
    pub(crate) timeline: Timeline,
    pub(crate) untracked: Untracked,
    /// How long events were published.
    pub(crate) took: Duration,
    /// Publishing ended at the most events that were allowed.
    pub(crate) is_bounded: bool,
}

pub(super) struct PublisherPool {
    state: Arc<RunState>,
    plan: PublishPlan,
    poll: Poll,
    buffer: Vec<u8>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Publishers that pause, and until when.
    paused: VecDeque<(u64, usize)>,
    overdue_checked: u64,
    pub(super) warm_ups_accepted: u64,
    pub(super) stats: PublishStats,
}

#[derive(Default)]
struct Slot {
    publisher: Publisher,
    /// Of the last event of the run that it published.
    sequence: u32,
    last_response: u64,
    pending: Option<Pending>,
}

/// A request without a response.
#[derive(Debug, Clone, Copy)]
struct Pending {
    /// When its latencies begin.
    from: u64,
    deadline: u64,
    is_warm_up: bool,
}

impl PublishStats {
    pub(crate) fn new(timeline: Timeline) -> Self {
        Self {
            published: 0,
            rejected: Reasons::default(),
            no_response: Reasons::default(),
            response_times: histogram(),
            timeline,
            untracked: Untracked::default(),
            took: Duration::ZERO,
            is_bounded: false,
        }
    }
}

impl PublisherPool {
    pub(super) fn new(
        state: Arc<RunState>,
        plan: PublishPlan,
        timeline: Timeline,
    ) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            buffer: vec![0; BUFFER_BYTES],
            slots: Vec::new(),
            free: Vec::new(),
            paused: VecDeque::new(),
            overdue_checked: 0,
            warm_ups_accepted: 0,
            stats: PublishStats::new(timeline),
            state,
            plan,
        })
    }

    /// How many publishers there may be.
    pub(super) fn size(&self) -> usize {
        self.plan.publishers
    }

    pub(super) fn topics(&self) -> usize {
        self.plan.request_heads.len()
    }

    pub(super) fn has_free(&self) -> bool {
        !self.free.is_empty() || self.slots.len() < self.plan.publishers
    }

    /// The number of a publisher without a pending request.
    pub(super) fn take_free(&mut self) -> Option<usize> {
        let now = self.state.now();
        while self.paused.front().is_some_and(|(until, _)| *until <= now) {
            self.free.extend(self.paused.pop_front().map(|(_, at)| at));
        }
        if self.free.is_empty() && self.slots.len() < self.plan.publishers {
            self.slots.push(Slot::default());
            return Some(self.slots.len() - 1);
        }
        self.free.pop()
    }

    pub(super) fn has_pending(&self) -> bool {
        self.slots.iter().any(|slot| slot.pending.is_some())
    }

    /// Begins to publish an event of the run, whose latencies begin at `from`.
    pub(super) fn publish(&mut self, at: usize, from: u64) {
        let (publisher, begun) = (number(at), self.state.now());
        let slot = &mut self.slots[at];
        slot.sequence += 1;
        let marker = Marker {
            publisher,
            sequence: slot.sequence,
            time: from,
        };
        let tracker = &self.state.tracker;
        self.stats
            .untracked
            .add(tracker.begin(publisher, marker.sequence, begun));
        let topic = tracker.topic_of(publisher, marker.sequence);
        self.send(at, topic, marker);
    }

    /// Begins to publish an event that only shows whether the topic's streams deliver.
    pub(super) fn warm_up(&mut self, at: usize, topic: usize) {
        let marker = Marker {
            publisher: WARM_UP,
            sequence: 0,
            time: self.state.now(),
        };
        self.send(at, topic, marker);
    }

    fn send(&mut self, at: usize, topic: usize, marker: Marker) {
        let (slot, now) = (&mut self.slots[at], self.state.now());
        if now > slot.last_response + nanos(IDLE_LIMIT) {
            slot.publisher.close();
        }
        slot.pending = Some(Pending {
            from: marker.time,
            deadline: now + nanos(RESPONSE_LIMIT),
            is_warm_up: marker.publisher == WARM_UP,
        });
        let request = slot.publisher.request();
        request.clear();
        request.extend_from_slice(self.plan.request_heads[topic].as_bytes());
        let body = request.len();
        request.resize(body + self.plan.data_bytes, PADDING);
        self.state
            .run
            .write(marker, &mut request[body..body + LENGTH]);
        let registry = self.poll.registry();
        let outcome =
            slot.publisher
                .send(&self.plan.endpoint, registry, Token(at), &mut self.buffer);
        self.on_outcome(at, outcome);
    }

    /// Waits for responses, for `at_most` this long, and counts them.
    pub(super) fn poll(&mut self, events: &mut Events, at_most: Duration) -> io::Result<()> {
        match self.poll.poll(events, Some(at_most)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in events.iter() {
            let at = event.token().0;
            let publisher = &mut self.slots[at].publisher;
            let outcome = publisher.on_ready(&mut self.buffer, is_ending(event));
            self.on_outcome(at, outcome);
        }
        let now = self.state.now();
        if now > self.overdue_checked + nanos(OVERDUE_INTERVAL) {
            self.overdue_checked = now;
            self.abandon("no response in time", |pending| pending.deadline <= now);
        }
        Ok(())
    }

    /// Gives up all pending requests.
    pub(super) fn abandon_all(&mut self, why: &str) {
        self.abandon(why, |_| true);
    }

    fn abandon(&mut self, why: &str, which: impl Fn(&Pending) -> bool) {
        for at in 0..self.slots.len() {
            if self.slots[at].pending.as_ref().is_some_and(&which) {
                let outcome = self.slots[at].publisher.abandon(why.to_owned());
                self.on_outcome(at, outcome);
            }
        }
    }

    fn on_outcome(&mut self, at: usize, outcome: Outcome) {
        if outcome == Outcome::Pending {
            return;
        }
        let Some(pending) = self.slots[at].pending.take() else {
            return;
        };
        let now = self.state.now();
        self.slots[at].last_response = now;
        match &outcome {
            Outcome::Pending | Outcome::Accepted => self.free.push(at),
            Outcome::Rejected(_) => self.paused.push_back((now + nanos(REJECTED_PAUSE), at)),
            Outcome::Unknown(_) => self.paused.push_back((now + nanos(NO_RESPONSE_PAUSE), at)),
        }
        let (publisher, sequence) = (number(at), self.slots[at].sequence);
        if matches!(outcome, Outcome::Accepted | Outcome::Unknown(_)) && !pending.is_warm_up {
            let subscribers = self.state.tracker.subscribers_of(publisher, sequence);
            self.state.possible.fetch_add(subscribers.into(), Relaxed);
        }
        if outcome == Outcome::Accepted {
            self.on_accepted(at, pending, now);
        } else if !pending.is_warm_up {
            self.state.tracker.not_accepted(publisher, sequence);
        }
        match outcome {
            Outcome::Rejected(why) => self.stats.rejected.add(&why, 1),
            Outcome::Unknown(why) => self.stats.no_response.add(&why, 1),
            Outcome::Pending | Outcome::Accepted => {}
        }
    }

    fn on_accepted(&mut self, at: usize, pending: Pending, now: u64) {
        if pending.is_warm_up {
            self.warm_ups_accepted += 1;
            return;
        }
        let (state, publisher, sequence) = (&self.state, number(at), self.slots[at].sequence);
        state.tracker.accepted(publisher, sequence, now);
        let subscribers = state.tracker.subscribers_of(publisher, sequence);
        state.expected.fetch_add(subscribers.into(), Relaxed);
        self.stats.published += 1;
        let latency = now.saturating_sub(pending.from) / 1_000;
        self.stats.response_times.saturating_record(latency);
        let since_start = now.saturating_sub(state.started.load(Relaxed));
        self.stats.timeline.at(since_start).published += 1;
    }
}

/// There are far fewer publishers than numbers.
fn number(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(WARM_UP)
}
