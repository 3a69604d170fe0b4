//! All publishing connections: begins requests on those that are free, and counts the responses.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};

use super::{
    endpoint::Endpoint,
    lane::{Answered, Lane},
    ledger::Settled,
    link::is_ending,
    mark::{LENGTH, Mark, WARM_UP},
    shared::{Reasons, Shared, nanos},
    timeline::{Steps, histogram},
};

/// Longer than a server that is behind lets publishers wait.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Servers close idle connections, some after five seconds: none is to be closed under a request.
const IDLE_LIMIT: Duration = Duration::from_secs(4);
/// How often overdue responses are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a lane rests that was refused, so that refusing is not all that a server does.
const REFUSED_PAUSE: Duration = Duration::from_millis(10);
const AWAY_PAUSE: Duration = Duration::from_millis(100);
const BUFFER_BYTES: usize = 64 << 10;
const PADDING: u8 = b'.';

/// What is published, and where.
pub(super) struct Plan {
    pub(super) place: Endpoint,
    /// The head of a request, for each topic.
    pub(super) heads: Vec<String>,
    pub(super) size: usize,
    pub(super) lanes: usize,
}

/// What became of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) published: u64,
    pub(super) refused: Reasons,
    pub(super) unanswered: Reasons,
    /// From publish to its answer.
    pub(super) answers: Histogram<u64>,
    pub(super) steps: Steps,
    pub(super) settled: Settled,
    /// How long events were published.
    pub(super) took: Duration,
    /// As many were published as there may be, before the time was over.
    pub(super) is_bounded: bool,
}

pub(super) struct Lanes {
    shared: Arc<Shared>,
    plan: Plan,
    poll: Poll,
    buffer: Vec<u8>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Lanes that rest, and until when.
    resting: VecDeque<(u64, usize)>,
    looked_for_the_late: u64,
    pub(super) warm_ups_taken: u64,
    pub(super) outcome: Outcome,
}

#[derive(Default)]
struct Slot {
    lane: Lane,
    sequence: u32,
    answered: u64,
    asking: Option<Asking>,
}

#[derive(Debug, Clone, Copy)]
struct Asking {
    /// From when on its latencies count.
    from: u64,
    deadline: u64,
    is_warm_up: bool,
}

impl Outcome {
    pub(super) fn new(steps: Steps) -> Self {
        Self {
            published: 0,
            refused: Reasons::default(),
            unanswered: Reasons::default(),
            answers: histogram(),
            steps,
            settled: Settled::default(),
            took: Duration::ZERO,
            is_bounded: false,
        }
    }
}

impl Lanes {
    pub(super) fn new(shared: Arc<Shared>, plan: Plan, steps: Steps) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            buffer: vec![0; BUFFER_BYTES],
            slots: Vec::new(),
            free: Vec::new(),
            resting: VecDeque::new(),
            looked_for_the_late: 0,
            warm_ups_taken: 0,
            outcome: Outcome::new(steps),
            shared,
            plan,
        })
    }

    /// How many there may be.
    pub(super) fn most(&self) -> usize {
        self.plan.lanes
    }

    pub(super) fn topics(&self) -> usize {
        self.plan.heads.len()
    }

    pub(super) fn has_free(&self) -> bool {
        !self.free.is_empty() || self.slots.len() < self.plan.lanes
    }

    pub(super) fn take_free(&mut self) -> Option<usize> {
        let now = self.shared.now();
        while self.resting.front().is_some_and(|(until, _)| *until <= now) {
            self.free.extend(self.resting.pop_front().map(|(_, at)| at));
        }
        if self.free.is_empty() && self.slots.len() < self.plan.lanes {
            self.slots.push(Slot::default());
            return Some(self.slots.len() - 1);
        }
        self.free.pop()
    }

    pub(super) fn is_asking(&self) -> bool {
        self.slots.iter().any(|slot| slot.asking.is_some())
    }

    /// Begins to publish an event of the run, whose latencies count from then.
    pub(super) fn publish(&mut self, at: usize, from: u64) {
        let (lane, begun) = (number(at), self.shared.now());
        let slot = &mut self.slots[at];
        slot.sequence += 1;
        let mark = Mark {
            lane,
            sequence: slot.sequence,
            time: from,
        };
        let ledger = &self.shared.ledger;
        self.outcome
            .settled
            .add(ledger.begin(lane, mark.sequence, begun));
        let topic = ledger.topic_of(lane, mark.sequence);
        self.ask(at, topic, mark);
    }

    /// Begins to publish an event that only shows whether the topic's streams are alive.
    pub(super) fn warm_up(&mut self, at: usize, topic: usize) {
        let mark = Mark {
            lane: WARM_UP,
            sequence: 0,
            time: self.shared.now(),
        };
        self.ask(at, topic, mark);
    }

    fn ask(&mut self, at: usize, topic: usize, mark: Mark) {
        let (slot, now) = (&mut self.slots[at], self.shared.now());
        if now > slot.answered + nanos(IDLE_LIMIT) {
            slot.lane.close();
        }
        slot.asking = Some(Asking {
            from: mark.time,
            deadline: now + nanos(ANSWER_LIMIT),
            is_warm_up: mark.lane == WARM_UP,
        });
        let request = slot.lane.request();
        request.clear();
        request.extend_from_slice(self.plan.heads[topic].as_bytes());
        let body = request.len();
        request.resize(body + self.plan.size, PADDING);
        self.shared
            .run
            .write(mark, &mut request[body..body + LENGTH]);
        let registry = self.poll.registry();
        let answered = slot
            .lane
            .ask(&self.plan.place, registry, Token(at), &mut self.buffer);
        self.answered(at, answered);
    }

    /// Waits for answers, at most so long, and counts them.
    pub(super) fn poll(&mut self, events: &mut Events, at_most: Duration) -> io::Result<()> {
        match self.poll.poll(events, Some(at_most)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in events.iter() {
            let at = event.token().0;
            let answered = self.slots[at].lane.look(&mut self.buffer, is_ending(event));
            self.answered(at, answered);
        }
        let now = self.shared.now();
        if now > self.looked_for_the_late + nanos(LOOK_EVERY) {
            self.looked_for_the_late = now;
            self.give_up("no answer in time", |asking| asking.deadline <= now);
        }
        Ok(())
    }

    /// Gives up what is under way.
    pub(super) fn give_up_all(&mut self, why: &str) {
        self.give_up(why, |_| true);
    }

    fn give_up(&mut self, why: &str, which: impl Fn(&Asking) -> bool) {
        for at in 0..self.slots.len() {
            if self.slots[at].asking.as_ref().is_some_and(&which) {
                let answered = self.slots[at].lane.never(why.to_owned());
                self.answered(at, answered);
            }
        }
    }

    fn answered(&mut self, at: usize, answered: Answered) {
        if answered == Answered::NotYet {
            return;
        }
        let Some(asking) = self.slots[at].asking.take() else {
            return;
        };
        let now = self.shared.now();
        self.slots[at].answered = now;
        match &answered {
            Answered::NotYet | Answered::Taken => self.free.push(at),
            Answered::Refused(_) => self.resting.push_back((now + nanos(REFUSED_PAUSE), at)),
            Answered::Never(_) => self.resting.push_back((now + nanos(AWAY_PAUSE), at)),
        }
        if matches!(answered, Answered::Taken | Answered::Never(_)) && !asking.is_warm_up {
            let audience = self
                .shared
                .ledger
                .audience(number(at), self.slots[at].sequence);
            self.shared.possible.fetch_add(audience.into(), Relaxed);
        }
        if answered == Answered::Taken {
            self.taken(at, asking, now);
        } else if !asking.is_warm_up {
            self.shared
                .ledger
                .not_taken(number(at), self.slots[at].sequence);
        }
        match answered {
            Answered::Refused(why) => self.outcome.refused.add(&why, 1),
            Answered::Never(why) => self.outcome.unanswered.add(&why, 1),
            Answered::NotYet | Answered::Taken => {}
        }
    }

    fn taken(&mut self, at: usize, asking: Asking, now: u64) {
        if asking.is_warm_up {
            self.warm_ups_taken += 1;
            return;
        }
        let (shared, sequence) = (&self.shared, self.slots[at].sequence);
        shared.ledger.answered(number(at), sequence, now);
        let audience = shared.ledger.audience(number(at), sequence);
        shared.expected.fetch_add(audience.into(), Relaxed);
        let outcome = &mut self.outcome;
        outcome.published += 1;
        let latency = now.saturating_sub(asking.from) / 1_000;
        outcome.answers.saturating_record(latency);
        let since_start = now.saturating_sub(shared.started.load(Relaxed));
        outcome.steps.at(since_start).published += 1;
    }
}

/// There are far fewer lanes than numbers.
fn number(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(WARM_UP)
}
