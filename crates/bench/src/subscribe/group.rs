//! The subscribers of one thread: opens them, some at a time, and reads their streams.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token};

use super::{
    delivery_stats::{DeliveryStats, SequenceWindow, SubscriberState},
    subscriber::Subscriber,
};
use crate::{
    http::{
        connection::{Connection, is_ending},
        endpoint::Endpoint,
    },
    limits,
    marker::{Marker, WARM_UP},
    run_state::{RunState, Stage},
    timeline::Timeline,
};

/// How long one subscriber may take to open.
const OPEN_LIMIT: Duration = Duration::from_secs(15);
/// How long all of them may take.
const OPENING_LIMIT: Duration = Duration::from_secs(120);
const EVENTS_AT_ONCE: usize = 1_024;
/// One buffer for all subscribers of the thread.
const BUFFER_BYTES: usize = 64 << 10;
/// How soon a new stage is noticed.
const TICK: Duration = Duration::from_millis(50);

#[derive(Clone)]
pub(crate) struct GroupSettings {
    pub(crate) subscribers: usize,
    /// The number of its first subscriber, and the step from one to its next.
    pub(crate) first: usize,
    pub(crate) step: usize,
    /// How many may be opening at a time.
    pub(crate) at_once: usize,
    pub(crate) publishers: usize,
    /// The request for each topic.
    pub(crate) requests: Arc<[Arc<[u8]>]>,
}

pub(crate) struct SubscriberGroup {
    state: Arc<RunState>,
    endpoint: Endpoint,
    settings: GroupSettings,
    poll: Poll,
    subscribers: Vec<Option<Subscriber>>,
    /// For each subscriber, when the newest event that it has received was published.
    newest_begun: Vec<u64>,
    /// For each subscriber, a window for each publisher.
    windows: Vec<SequenceWindow>,
    next: usize,
    opening: usize,
    /// Those that may still be opening, and until when.
    deadlines: VecDeque<(usize, Instant)>,
    began: Instant,
    reported: u64,
    stats: DeliveryStats,
}

impl SubscriberGroup {
    pub(crate) fn new(
        state: Arc<RunState>,
        endpoint: Endpoint,
        settings: GroupSettings,
        timeline: Timeline,
    ) -> io::Result<Self> {
        let windows = settings.subscribers * settings.publishers;
        Ok(Self {
            poll: Poll::new()?,
            subscribers: Vec::with_capacity(settings.subscribers),
            newest_begun: vec![0; settings.subscribers],
            windows: vec![SequenceWindow::default(); windows],
            next: 0,
            opening: 0,
            deadlines: VecDeque::new(),
            began: Instant::now(),
            reported: 0,
            stats: DeliveryStats::new(timeline),
            state,
            endpoint,
            settings,
        })
    }

    pub(crate) fn run(mut self) -> io::Result<DeliveryStats> {
        let mut events = Events::with_capacity(EVENTS_AT_ONCE);
        let mut buffer = vec![0; BUFFER_BYTES];
        while self.state.stage() < Stage::Over {
            self.close_overdue();
            self.open_more();
            match self.poll.poll(&mut events, Some(TICK)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            let mut has_read = false;
            for event in &events {
                has_read |= self.on_ready(event.token().0, &mut buffer, is_ending(event));
            }
            self.report_progress(has_read);
        }
        self.state
            .not_opened
            .lock()
            .add("ended early", self.opening as u64);
        Ok(self.stats)
    }

    fn open_more(&mut self) {
        while self.opening < self.settings.at_once && self.next < self.settings.subscribers {
            let end = if self.state.is_stopped() {
                Some("not tried: ended early")
            } else if self.began.elapsed() > OPENING_LIMIT {
                Some("not tried: opening took too long")
            } else {
                None
            };
            if let Some(why) = end {
                return self.give_up_remaining(why);
            }
            let opened = self.open();
            self.next += 1;
            if let Err(error) = opened {
                self.subscribers.push(None);
                let why = limits::why(&error, self.endpoint.address);
                self.count_failure(&why);
                if limits::is_of_this_machine(&error) {
                    return self.give_up_remaining(&why);
                }
            }
        }
    }

    fn open(&mut self) -> io::Result<()> {
        let number = self.settings.first + self.next * self.settings.step;
        let topic = number % self.settings.requests.len();
        let mut connection = Connection::open(&self.endpoint)?;
        connection.close_by_reset()?;
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(connection.socket(), Token(self.next), both)?;
        let request = self.settings.requests[topic].clone();
        let subscriber = Subscriber::new(connection, topic, request);
        self.subscribers.push(Some(subscriber));
        self.deadlines
            .push_back((self.next, Instant::now() + OPEN_LIMIT));
        self.opening += 1;
        Ok(())
    }

    fn count_failure(&mut self, why: &str) {
        self.state.not_opened.lock().add(why, 1);
        self.state.tried.fetch_add(1, Relaxed);
    }

    fn give_up_remaining(&mut self, why: &str) {
        let remaining = self.settings.subscribers - self.next;
        self.state.not_opened.lock().add(why, remaining as u64);
        self.state.tried.fetch_add(remaining, Relaxed);
        self.next = self.settings.subscribers;
    }

    /// Closes subscribers that have been opening for too long.
    fn close_overdue(&mut self) {
        while let Some((at, deadline)) = self.deadlines.front().copied() {
            let is_opening = self.subscribers[at]
                .as_ref()
                .is_some_and(|subscriber| !subscriber.is_open());
            if is_opening && deadline > Instant::now() {
                return;
            }
            self.deadlines.pop_front();
            if is_opening {
                self.close(at, "no response in time");
            }
        }
    }

    /// Whether anything was read.
    fn on_ready(&mut self, at: usize, buffer: &mut [u8], is_ending: bool) -> bool {
        let Some(Some(subscriber)) = self.subscribers.get_mut(at) else {
            return false;
        };
        let (state, deliveries) = (&*self.state, &mut self.stats);
        let start = state.started.load(Relaxed);
        let publishers = self.settings.publishers;
        let mut receiver = SubscriberState {
            topic: subscriber.topic,
            newest_begun: &mut self.newest_begun[at],
            windows: &mut self.windows[at * publishers..(at + 1) * publishers],
        };
        let mut is_warm = subscriber.is_warm;
        let found = |marker: Marker, now| {
            if marker.publisher == WARM_UP {
                is_warm = true;
            } else {
                deliveries.count_arrival(marker, &mut receiver, &state.tracker, (now, start));
            }
        };
        let outcome = subscriber.on_ready(&state.run, (buffer, is_ending), found, || state.now());
        if is_warm && !subscriber.is_warm {
            subscriber.is_warm = true;
            state.warm.fetch_add(1, Relaxed);
        }
        let topic = subscriber.topic;
        if outcome.has_opened {
            self.count_opened(topic);
        }
        if let Some(why) = outcome.end {
            self.close(at, &why);
        }
        outcome.has_read
    }

    fn count_opened(&mut self, topic: usize) {
        self.opening -= 1;
        self.state.tracker.subscriber_opened(topic);
        self.state.open.fetch_add(1, Relaxed);
        self.state.tried.fetch_add(1, Relaxed);
    }

    fn close(&mut self, at: usize, why: &str) {
        let Some(subscriber) = self.subscribers[at].take() else {
            return;
        };
        if !subscriber.is_open() {
            self.opening -= 1;
            return self.count_failure(why);
        }
        let state = &self.state;
        state.open.fetch_sub(1, Relaxed);
        if subscriber.is_warm {
            state.warm.fetch_sub(1, Relaxed);
        }
        if state.stage() < Stage::Publishing {
            state.tracker.subscriber_lost(subscriber.topic);
            let why = format!("{why} right after it was opened");
            state.not_opened.lock().add(&why, 1);
        } else {
            state.tracker.subscriber_cut(subscriber.topic);
            state.cut.lock().add(why, 1);
        }
    }

    /// Updates the counts that other threads read, once for all that was read together.
    fn report_progress(&mut self, has_read: bool) {
        let (state, counts) = (&self.state, &self.stats.counts);
        if has_read {
            state.last_read.fetch_max(state.now(), Relaxed);
        }
        if counts.delivered > self.reported {
            state
                .delivered
                .fetch_add(counts.delivered - self.reported, Relaxed);
            state.last_delivered.fetch_max(state.now(), Relaxed);
            self.reported = counts.delivered;
        }
    }
}
