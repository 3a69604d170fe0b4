//! A thread's share of the subscribers: opens them, some at a time, and reads what comes.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token};

use super::{
    endpoint::Endpoint,
    limits,
    link::{Link, is_ending},
    mark::{self, Mark},
    shared::{Shared, Stage},
    stream::Stream,
    tally::{Seen, Standing, Tally},
    timeline::Steps,
};

/// How long one subscriber may take to open.
const OPEN_LIMIT: Duration = Duration::from_secs(15);
/// How long all of them may take.
const OPENING_LIMIT: Duration = Duration::from_secs(120);
const EVENTS_AT_ONCE: usize = 1_024;
/// Of the thread, not of each stream.
const BUFFER_BYTES: usize = 64 << 10;
/// How soon a stage that has been entered is noticed.
const TICK: Duration = Duration::from_millis(50);

/// What a share of the subscribers is to be.
#[derive(Clone)]
pub(super) struct Share {
    pub(super) count: usize,
    /// The number of its first subscriber, and the step from one to its next.
    pub(super) first: usize,
    pub(super) step: usize,
    /// How many may be opening at a time.
    pub(super) at_once: usize,
    pub(super) lanes: usize,
    /// For each topic.
    pub(super) requests: Arc<[Arc<[u8]>]>,
}

pub(super) struct Crowd {
    shared: Arc<Shared>,
    place: Endpoint,
    share: Share,
    poll: Poll,
    streams: Vec<Option<Stream>>,
    newest_begun: Vec<u64>,
    /// All lanes of the first, then all of the second…
    seen: Vec<Seen>,
    next: usize,
    opening: usize,
    /// Those that may be opening, and until when.
    deadlines: VecDeque<(usize, Instant)>,
    began: Instant,
    reported: u64,
    tally: Tally,
}

impl Crowd {
    pub(super) fn new(
        shared: Arc<Shared>,
        place: Endpoint,
        share: Share,
        steps: Steps,
    ) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            streams: Vec::with_capacity(share.count),
            newest_begun: vec![0; share.count],
            seen: vec![Seen::default(); share.count * share.lanes],
            next: 0,
            opening: 0,
            deadlines: VecDeque::new(),
            began: Instant::now(),
            reported: 0,
            tally: Tally::new(steps),
            shared,
            place,
            share,
        })
    }

    pub(super) fn run(mut self) -> io::Result<Tally> {
        let mut events = Events::with_capacity(EVENTS_AT_ONCE);
        let mut buffer = vec![0; BUFFER_BYTES];
        while self.shared.stage() < Stage::Over {
            self.give_up_the_late();
            self.open_more();
            match self.poll.poll(&mut events, Some(TICK)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let mut has_read = false;
            for event in &events {
                has_read |= self.look(event.token().0, &mut buffer, is_ending(event));
            }
            self.tell(has_read);
        }
        self.shared
            .not_opened
            .lock()
            .add("ended early", self.opening as u64);
        Ok(self.tally)
    }

    fn open_more(&mut self) {
        while self.opening < self.share.at_once && self.next < self.share.count {
            let end = if self.shared.is_stopped() {
                Some("not tried: ended early")
            } else if self.began.elapsed() > OPENING_LIMIT {
                Some("not tried: opening took too long")
            } else {
                None
            };
            if let Some(why) = end {
                return self.give_up_the_rest(why);
            }
            let opened = self.open();
            self.next += 1;
            if let Err(error) = opened {
                self.streams.push(None);
                self.failed(&limits::why(&error, self.place.address));
                if limits::is_of_this_machine(&error) {
                    return self.give_up_the_rest(&limits::why(&error, self.place.address));
                }
            }
        }
    }

    fn open(&mut self) -> io::Result<()> {
        let number = self.share.first + self.next * self.share.step;
        let topic = number % self.share.requests.len();
        let mut link = Link::open(&self.place)?;
        link.leave_no_port_behind()?;
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(link.socket(), Token(self.next), both)?;
        let request = self.share.requests[topic].clone();
        self.streams.push(Some(Stream::new(link, topic, request)));
        self.deadlines
            .push_back((self.next, Instant::now() + OPEN_LIMIT));
        self.opening += 1;
        Ok(())
    }

    fn failed(&mut self, why: &str) {
        self.shared.not_opened.lock().add(why, 1);
        self.shared.tried.fetch_add(1, Relaxed);
    }

    fn give_up_the_rest(&mut self, why: &str) {
        let rest = self.share.count - self.next;
        self.shared.not_opened.lock().add(why, rest as u64);
        self.shared.tried.fetch_add(rest, Relaxed);
        self.next = self.share.count;
    }

    fn give_up_the_late(&mut self) {
        while let Some((at, deadline)) = self.deadlines.front().copied() {
            let is_opening = self.streams[at]
                .as_ref()
                .is_some_and(|stream| !stream.is_open());
            if is_opening && deadline > Instant::now() {
                return;
            }
            self.deadlines.pop_front();
            if is_opening {
                self.lose(at, "no answer in time");
            }
        }
    }

    /// Says whether something has come.
    fn look(&mut self, at: usize, buffer: &mut [u8], is_ending: bool) -> bool {
        let Some(Some(stream)) = self.streams.get_mut(at) else {
            return false;
        };
        let (shared, tally) = (&*self.shared, &mut self.tally);
        let start = shared.started.load(Relaxed);
        let lanes = self.share.lanes;
        let mut standing = Standing {
            topic: stream.topic,
            newest_begun: &mut self.newest_begun[at],
            seen: &mut self.seen[at * lanes..(at + 1) * lanes],
        };
        let mut is_warm = stream.is_warm;
        let take = |mark: Mark, now| {
            if mark.lane == mark::WARM_UP {
                is_warm = true;
            } else {
                tally.arrived(mark, &mut standing, &shared.ledger, (now, start));
            }
        };
        let outcome = stream.look(&shared.run, (buffer, is_ending), take, || shared.now());
        if is_warm && !stream.is_warm {
            stream.is_warm = true;
            shared.warm.fetch_add(1, Relaxed);
        }
        let topic = stream.topic;
        if outcome.has_opened {
            self.has_opened(topic);
        }
        if let Some(why) = outcome.end {
            self.lose(at, &why);
        }
        outcome.has_read
    }

    fn has_opened(&mut self, topic: usize) {
        self.opening -= 1;
        self.shared.ledger.opened(topic);
        self.shared.open.fetch_add(1, Relaxed);
        self.shared.tried.fetch_add(1, Relaxed);
    }

    fn lose(&mut self, at: usize, why: &str) {
        let Some(stream) = self.streams[at].take() else {
            return;
        };
        if !stream.is_open() {
            self.opening -= 1;
            return self.failed(why);
        }
        let shared = &self.shared;
        shared.open.fetch_sub(1, Relaxed);
        if stream.is_warm {
            shared.warm.fetch_sub(1, Relaxed);
        }
        if shared.stage() < Stage::Publishing {
            shared.ledger.not_opened(stream.topic);
            let why = format!("{why} right after it was opened");
            shared.not_opened.lock().add(&why, 1);
        } else {
            shared.ledger.cut(stream.topic);
            shared.cut.lock().add(why, 1);
        }
    }

    /// Brings the figures that others see up to date, once for all that was read in one go.
    fn tell(&mut self, has_read: bool) {
        let (shared, counts) = (&self.shared, &self.tally.counts);
        if has_read {
            shared.last_read.fetch_max(shared.now(), Relaxed);
        }
        if counts.delivered > self.reported {
            shared
                .delivered
                .fetch_add(counts.delivered - self.reported, Relaxed);
            shared.last_delivered.fetch_max(shared.now(), Relaxed);
            self.reported = counts.delivered;
        }
    }
}
