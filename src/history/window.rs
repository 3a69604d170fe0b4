//! The newest events in memory: sought by id, indexed by topic, bounded by number, bytes and age.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::future::BoxFuture;

use super::{
    Bounds, Chunk, Found, From, Limit, NameKind, NameRange, Names,
    ids::now_ms,
    times::{Step, Steps},
};
use crate::{
    event::{Encodings, EventId, NEW_TOPIC_BYTES, SelectedTopics, Selector, Stored, Topic},
    sync::{
        RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Most events that one read looks at, so that no read holds the lock for long.
const MAX_LOOKED_AT: usize = 4_096;

/// How much is kept. Whichever bound is reached first drops the oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How many events, at least one.
    pub events: usize,
    /// In memory what the events take there; in a log by [`Event::cost`](crate::Event::cost).
    pub bytes: usize,
    /// By append time; `None` keeps whatever its age.
    pub age: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            events: 100_000,
            bytes: 64 << 20,
            age: None,
        }
    }
}

/// A place in the window, counted from the start of the process, beside its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPosition {
    /// Which log it is in.
    pub epoch: u64,
    /// How many events came before, and their bytes.
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    pub(crate) id: EventId,
}

/// What came after a place.
#[derive(Debug, Clone)]
pub(crate) struct Tail {
    pub(crate) from: LogPosition,
    pub(crate) to: LogPosition,
    pub(crate) events: Vec<Arc<Stored>>,
    /// The place asked for is not in the window any more, or of another epoch; `from` is where
    /// it goes on.
    pub(crate) lost: bool,
}

/// See the module. One lock, held for bounded work only and never across an await.
pub struct Window {
    retention: Retention,
    /// By which its own clock drops events.
    age: Option<Duration>,
    log: RwLock<Log>,
    pushed_events: AtomicU64,
    pushed_bytes: AtomicU64,
    follower: OnceLock<Box<dyn Follower>>,
}

/// Who delivers what comes into a window.
pub(crate) trait Follower: Send + Sync {
    /// Something was pushed.
    fn pushed(&self);

    /// Waits until so much more can come without pushing out what was not delivered yet.
    fn room(&self, events: u64, bytes: u64) -> BoxFuture<'_, ()>;
}

struct Log {
    epoch: u64,
    events: VecDeque<Arc<Stored>>,
    /// Per topic the numbers of its events, in order.
    topics: HashMap<Topic, VecDeque<u64>>,
    /// The place before the first of `events`.
    floor: LogPosition,
    head: LogPosition,
    /// When the newest event that retention dropped had been appended.
    trimmed_ms: Option<u64>,
    /// What the clock showed last.
    newest_ms: u64,
    steps: Steps,
    /// What is held takes so many bytes of memory; of these so many are reserved for encodings.
    held_bytes: usize,
    reserved_bytes: usize,
    encodings: Arc<Encodings>,
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("retention", &self.retention)
            .field("bounds", &self.bounds())
            .finish_non_exhaustive()
    }
}

impl Window {
    /// An empty window of the log `epoch`, whose last id is `head`.
    #[must_use]
    pub fn new(retention: Retention, epoch: u64, head: EventId) -> Self {
        let start = LogPosition {
            epoch,
            number: 0,
            bytes: 0,
            id: head,
        };
        Self {
            retention,
            age: retention.age,
            log: RwLock::new(Log {
                epoch,
                events: VecDeque::new(),
                topics: HashMap::new(),
                floor: start,
                head: start,
                trimmed_ms: None,
                newest_ms: 0,
                steps: Steps::default(),
                held_bytes: 0,
                reserved_bytes: 0,
                encodings: Arc::default(),
            }),
            pushed_events: AtomicU64::new(0),
            pushed_bytes: AtomicU64::new(0),
            follower: OnceLock::new(),
        }
    }

    /// For a log whose clock is not the node's: what grows too old there is dropped here when that is heard
    /// of.
    #[must_use]
    pub fn aged_elsewhere(self) -> Self {
        Self { age: None, ..self }
    }

    /// How much it holds at most.
    #[must_use]
    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// A window has one follower; false where it has one already.
    pub(crate) fn follow(&self, follower: impl Follower + 'static) -> bool {
        self.follower.set(Box::new(follower)).is_ok()
    }

    /// Whether somebody delivers what comes.
    pub fn is_followed(&self) -> bool {
        self.follower.get().is_some()
    }

    /// Takes in what was appended, ids increasing, and returns what retention dropped for it.
    pub fn push(&self, appended: Vec<Arc<Stored>>) -> Vec<Arc<Stored>> {
        let dropped = {
            let mut log = self.log.write();
            for stored in appended {
                log.push(stored);
            }
            let now = now_ms();
            let dropped = log.trim(self.by_own_clock(), now);
            self.pushed_events.store(log.head.number, Ordering::Release);
            self.pushed_bytes.store(log.head.bytes, Ordering::Release);
            dropped
        };
        self.call_follower();
        dropped
    }

    /// For histories that others write to as well: waits until the node's own shards have walked so
    /// far that these events push out nothing that they have not.
    pub async fn room(&self, events: &[Arc<Stored>]) {
        if let Some(follower) = self.follower.get() {
            let bytes: u64 = events
                .iter()
                .map(|stored| stored.event().most_memory() as u64)
                .sum();
            follower.room(events.len() as u64, bytes).await;
        }
    }

    /// Drops what has grown too old; returns it.
    pub fn expire(&self) -> Vec<Arc<Stored>> {
        let now = now_ms();
        if self.age.is_none() || !self.log.read().is_due(self.by_own_clock(), now) {
            return Vec::new();
        }
        let mut log = self.log.write();
        log.trim(self.by_own_clock(), now_ms())
    }

    /// Drops what the log that this is the end of has dropped.
    pub fn trim_to(&self, floor: EventId) {
        if floor > self.log.read().floor.id {
            let dropped = self.log.write().trim_to(floor);
            drop(dropped);
        }
    }

    /// History goes on as another log: nothing is held of it yet, and its last id is `head`, which
    /// may be lower than what was seen before.
    pub fn restart(&self, epoch: u64, head: EventId) {
        {
            let mut log = self.log.write();
            log.epoch = epoch;
            log.clear();
            log.head = LogPosition {
                epoch,
                id: head,
                ..log.head
            };
            log.floor = log.head;
        }
        self.call_follower();
    }

    /// The same log goes on behind `to`: what came between cannot be had any more. Who stands before
    /// it reads on from history, which knows what is lost.
    pub fn skip_to(&self, to: EventId) {
        {
            let mut log = self.log.write();
            log.clear();
            log.head.number += 1;
            log.head.id = to;
            log.floor = log.head;
            self.pushed_events.store(log.head.number, Ordering::Release);
        }
        self.call_follower();
    }

    fn by_own_clock(&self) -> Retention {
        Retention {
            age: self.age,
            ..self.retention
        }
    }

    fn call_follower(&self) {
        if let Some(follower) = self.follower.get() {
            follower.pushed();
        }
    }

    /// How many events were pushed so far, and their bytes.
    pub(crate) fn pushed(&self) -> (u64, u64) {
        (
            self.pushed_events.load(Ordering::Acquire),
            self.pushed_bytes.load(Ordering::Acquire),
        )
    }

    /// Behind the newest event.
    pub fn head(&self) -> LogPosition {
        self.log.read().head
    }

    /// What came after `place`, within the limit or one event alone.
    pub(crate) fn after(&self, place: LogPosition, limit: Limit) -> Tail {
        self.log.read().after(place, limit)
    }

    /// Reads as [`History::read`](super::History::read) does, from memory alone. An own id is not
    /// known here.
    #[must_use]
    pub fn read(&self, from: From<'_>, selector: &Selector, limit: Limit) -> Chunk {
        self.log.read().read(from, selector, limit)
    }

    /// The same, if what is asked for is held here for sure; otherwise it is to be read from the log
    /// that this is the end of. [`Chunk::oldest`] is the log's to say.
    #[must_use]
    pub fn read_held(&self, from: From<'_>, selector: &Selector, limit: Limit) -> Option<Chunk> {
        let log = self.log.read();
        log.holds(from, selector)
            .then(|| log.read(from, selector, limit))
    }

    /// The topics of what it holds.
    #[must_use]
    pub fn topics(&self, range: NameRange<'_>) -> Names {
        let log = self.log.read();
        let (topics, more) = range.first(NameKind::Topics, log.topics.keys());
        let newest = |topic: &Topic| {
            let number = log.topics.get(topic)?.back()?;
            let newest = log.events.get(log.index(*number))?;
            Some((topic.as_str().to_owned(), newest.id()))
        };
        Names {
            found: topics.into_iter().filter_map(newest).collect(),
            more,
        }
    }

    /// What it holds; bytes are those of memory.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        let log = self.log.read();
        Bounds {
            epoch: log.epoch,
            trim_floor: log.floor.id,
            oldest: log.events.front().map(|stored| stored.id()),
            head: log.head.id,
            events: log.events.len(),
            bytes: log.held_bytes,
        }
    }
}

impl Log {
    fn clear(&mut self) {
        self.events.clear();
        self.topics.clear();
        self.trimmed_ms = None;
        self.newest_ms = 0;
        self.steps.clear();
        (self.held_bytes, self.reserved_bytes) = (0, 0);
        self.encodings.bound(0);
    }

    /// The clock shows this time, behind all events that are held.
    fn see_time(&mut self, ms: u64) {
        if ms < self.newest_ms && !self.events.is_empty() {
            let number = self.head.number - 1;
            self.steps.push(Step { number, ms });
        }
        self.newest_ms = ms;
    }

    /// When the event at this index was taken; it never decreases with the index.
    fn time(&self, index: usize) -> u64 {
        let number = self.floor.number + index as u64;
        self.steps.time(number, self.events[index].time_ms())
    }

    fn push(&mut self, stored: Arc<Stored>) {
        debug_assert!(stored.id() > self.head.id, "ids increase");
        self.see_time(stored.time_ms());
        for topic in stored.event().topics() {
            if let Some(numbers) = self.topics.get_mut(topic) {
                numbers.push_back(self.head.number);
            } else {
                self.topics
                    .insert(topic.clone(), VecDeque::from([self.head.number]));
                self.held_bytes += NEW_TOPIC_BYTES;
            }
        }
        self.held_bytes += stored.event().memory();
        self.reserved_bytes += stored.event().encoded_bytes();
        stored.keep_encodings(&self.encodings);
        self.head.pass(&stored);
        self.events.push_back(stored);
    }

    /// Whether events may be dropped for their age, or the clock went back.
    fn is_due(&self, retention: Retention, now_ms: u64) -> bool {
        now_ms < self.newest_ms || self.has_expired(retention, now_ms)
    }

    fn has_expired(&self, retention: Retention, now_ms: u64) -> bool {
        let Some(age) = retention.age.filter(|_| !self.events.is_empty()) else {
            return false;
        };
        u128::from(now_ms.saturating_sub(self.time(0))) > age.as_millis()
    }

    fn trim(&mut self, retention: Retention, now_ms: u64) -> Vec<Arc<Stored>> {
        let mut dropped = Vec::new();
        if retention.age.is_some() {
            self.see_time(now_ms);
        }
        while self.events.len() > retention.events
            || self.held_bytes > retention.bytes
            || self.has_expired(retention, now_ms)
        {
            let Some(stored) = self.drop_oldest() else {
                break;
            };
            dropped.push(stored);
        }
        self.encodings.bound(self.reserved_bytes);
        dropped
    }

    fn trim_to(&mut self, floor: EventId) -> Vec<Arc<Stored>> {
        let mut dropped = Vec::new();
        while self
            .events
            .front()
            .is_some_and(|oldest| oldest.id() <= floor)
        {
            dropped.extend(self.drop_oldest());
        }
        dropped
    }

    fn drop_oldest(&mut self) -> Option<Arc<Stored>> {
        let time_ms = self.events.front().map(|_| self.time(0));
        let stored = self.events.pop_front()?;
        for topic in stored.event().topics() {
            if let Some(numbers) = self.topics.get_mut(topic) {
                numbers.pop_front();
                if numbers.is_empty() {
                    self.topics.remove(topic);
                    self.held_bytes -= NEW_TOPIC_BYTES;
                }
            }
        }
        self.held_bytes -= stored.event().memory();
        self.reserved_bytes -= stored.event().encoded_bytes();
        self.steps.drop_to(self.floor.number);
        self.floor.pass(&stored);
        self.trimmed_ms = time_ms;
        Some(stored)
    }

    fn after(&self, place: LogPosition, limit: Limit) -> Tail {
        let lost = place.epoch != self.epoch || place.number < self.floor.number;
        let from = match lost {
            true if place.epoch != self.epoch => self.head,
            true => self.floor,
            false => place,
        };
        let skip = self.index(from.number);
        let (mut events, mut bytes) = (Vec::new(), 0);
        let mut to = from;
        for stored in self.events.range(skip..).take(limit.events) {
            bytes += stored.event().cost();
            if bytes > limit.bytes && !events.is_empty() {
                break;
            }
            to.pass(stored);
            events.push(Arc::clone(stored));
        }
        Tail {
            from,
            to,
            events,
            lost,
        }
    }

    fn index(&self, number: u64) -> usize {
        usize::try_from(number - self.floor.number).unwrap_or(usize::MAX)
    }

    fn id_before(&self, index: usize) -> EventId {
        match index.checked_sub(1) {
            Some(before) => self.events[before].id(),
            None => self.floor.id,
        }
    }

    /// The index at which a read begins, and whether something before it is lost.
    fn locate(&self, from: From<'_>, selector: &Selector) -> (usize, bool) {
        let index_after = |id: EventId| self.events.partition_point(|stored| stored.id() <= id);
        match from {
            From::After(id) => (index_after(id), id < self.floor.id),
            From::LastEventId(text) => match text.parse() {
                Ok(id) => {
                    let index = index_after(id);
                    let known = self.id_before(index) == id;
                    if known { (index, false) } else { (0, true) }
                }
                Err(_) => (0, true),
            },
            From::Since(ms) => {
                let index = self.index_at(ms);
                (index, self.trimmed_ms.is_some_and(|trimmed| trimmed >= ms))
            }
            From::Ago(_) => self.locate(from.by_clock(now_ms()), selector),
            From::Earliest => (0, false),
            From::Last(count) => (self.find_last(count, selector).unwrap_or(0), false),
        }
    }

    /// The first event that was taken at or after this time.
    fn index_at(&self, ms: u64) -> usize {
        let (mut low, mut high) = (0, self.events.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.time(middle) < ms {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn holds(&self, from: From<'_>, selector: &Selector) -> bool {
        match from {
            From::After(id) => id >= self.floor.id,
            From::LastEventId(_) => !self.locate(from, selector).1,
            From::Since(ms) => self.trimmed_ms.is_some_and(|trimmed| trimmed < ms),
            // The log's clock may be another.
            From::Ago(_) | From::Earliest => false,
            From::Last(count) => self.find_last(count, selector).is_some(),
        }
    }

    fn find_last(&self, count: usize, selector: &Selector) -> Option<usize> {
        let admitted = |index: &usize| selector.admits(self.events[*index].event());
        let Some(nth) = count.checked_sub(1) else {
            return Some(self.events.len());
        };
        match selector.selected() {
            SelectedTopics::All => (0..self.events.len()).rev().filter(admitted).nth(nth),
            SelectedTopics::Topics(topics) => {
                let mut last: Vec<usize> = Vec::new();
                for numbers in topics.iter().filter_map(|topic| self.topics.get(topic)) {
                    let indexes = numbers.iter().rev().map(|number| self.index(*number));
                    last.extend(indexes.filter(admitted).take(count));
                }
                last.sort_unstable();
                last.dedup();
                last.iter().rev().nth(nth).copied()
            }
        }
    }

    fn read(&self, from: From<'_>, selector: &Selector, limit: Limit) -> Chunk {
        let (start, gap) = self.locate(from, selector);
        let (candidates, complete) = match selector.selected() {
            SelectedTopics::All => {
                let end = self.events.len().min(start.saturating_add(MAX_LOOKED_AT));
                ((start..end).collect(), end == self.events.len())
            }
            // One more, to stop right before it: events of other topics that are dropped in between
            // are no loss then.
            SelectedTopics::Topics(topics) => {
                self.of_topics(topics, start, limit.events.max(1).saturating_add(1))
            }
        };
        let after = match from {
            // Kept as it is: a position that was skipped has no event of its own.
            From::After(id) if !gap => id,
            _ => self.id_before(start),
        };
        let mut chunk = Chunk {
            epoch: self.epoch,
            after,
            gap,
            events: Vec::new(),
            read_to: self.head.id.max(after),
            oldest: self.events.front().map(|stored| stored.id()),
        };
        let mut bytes = 0;
        for index in &candidates {
            let stored = &self.events[*index];
            if !selector.admits(stored.event()) {
                continue;
            }
            bytes += stored.event().cost();
            let full = chunk.events.len() >= limit.events || bytes > limit.bytes;
            if full && !chunk.events.is_empty() {
                chunk.read_to = self.id_before(*index);
                return chunk;
            }
            chunk.events.push(Found::Shared(Arc::clone(stored)));
        }
        if let (false, Some(last)) = (complete, candidates.last()) {
            chunk.read_to = self.events[*last].id();
        }
        chunk
    }

    /// The indexes of these topics' events from `start` on, and whether these are all.
    fn of_topics(&self, topics: &[Topic], start: usize, max: usize) -> (Vec<usize>, bool) {
        let first = self.floor.number + start as u64;
        let mut indexes: Vec<usize> = Vec::new();
        let mut complete_to = usize::MAX;
        for numbers in topics.iter().filter_map(|topic| self.topics.get(topic)) {
            let skip = numbers.partition_point(|number| *number < first);
            let some = numbers.range(skip..).take(max).map(|n| self.index(*n));
            indexes.extend(some);
            if numbers.len() - skip > max {
                complete_to = complete_to.min(self.index(numbers[skip + max - 1]));
            }
        }
        indexes.sort_unstable();
        indexes.dedup();
        indexes.retain(|index| *index <= complete_to);
        (indexes, complete_to == usize::MAX)
    }
}

impl LogPosition {
    pub(crate) fn pass(&mut self, stored: &Stored) {
        self.number += 1;
        self.bytes += stored.event().most_memory() as u64;
        self.id = stored.id();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    const ALL: Limit = Limit {
        events: 1_000,
        bytes: usize::MAX,
    };

    fn id(number: u64) -> EventId {
        EventId::new(number, 1)
    }

    fn window(events: usize) -> Window {
        let retention = Retention {
            events,
            ..Retention::default()
        };
        Window::new(retention, 1, EventId::new(0, 0))
    }

    fn push(window: &Window, number: u64, topics: &[&str]) {
        let event = topics
            .iter()
            .fold(Event::builder("x"), |event, topic| event.topic(*topic));
        let stored = Stored::new(id(number), number, event.build().unwrap());
        window.push(vec![Arc::new(stored)]);
    }

    fn topics(topics: &[&str]) -> Selector {
        Selector::topics(topics).unwrap()
    }

    fn ids(chunk: &Chunk) -> Vec<u64> {
        chunk.events.iter().map(|stored| stored.id().ms()).collect()
    }

    #[test]
    fn a_read_gives_each_matching_event_once_in_order() {
        let window = window(100);
        push(&window, 1, &["a"]);
        push(&window, 2, &["a", "b"]);
        push(&window, 3, &["c"]);
        push(&window, 4, &["b"]);
        let chunk = window.read(From::Earliest, &topics(&["b", "a"]), ALL);
        assert_eq!(ids(&chunk), [1, 2, 4]);
        assert_eq!(chunk.read_to, id(4));
        assert_eq!(
            ids(&window.read(From::Last(2), &topics(&["a", "b"]), ALL)),
            [2, 4]
        );
        assert_eq!(
            ids(&window.read(From::Last(9), &Selector::all(), ALL)),
            [1, 2, 3, 4]
        );
        assert_eq!(
            ids(&window.read(From::Last(0), &Selector::all(), ALL)),
            [0; 0]
        );
    }

    #[test]
    fn a_read_that_finds_nothing_says_how_far_it_looked() {
        let window = window(100);
        push(&window, 1, &["a"]);
        push(&window, 2, &["a"]);
        let chunk = window.read(From::After(id(1)), &topics(&["b"]), ALL);
        assert!(chunk.events.is_empty() && !chunk.gap);
        assert_eq!(chunk.read_to, id(2));
    }

    #[test]
    fn reading_in_small_chunks_gives_the_same_as_reading_at_once() {
        let window = window(1_000);
        for number in 1..=300 {
            push(&window, number, &[["a", "b", "c"][(number % 3) as usize]]);
        }
        for selector in [topics(&["a", "c"]), topics(&["b"]), Selector::all()] {
            let whole = window.read(From::Earliest, &selector, ALL);
            let (mut pieces, mut at) = (Vec::new(), From::Earliest);
            loop {
                let limit = Limit { events: 7, ..ALL };
                let chunk = window.read(at, &selector, limit);
                pieces.extend(ids(&chunk));
                at = From::After(chunk.read_to);
                if chunk.read_to == id(300) {
                    break;
                }
            }
            assert_eq!(pieces, ids(&whole));
        }
    }

    #[test]
    fn what_retention_dropped_is_a_gap_and_the_trim_floor_is_not() {
        let window = window(2);
        for number in 1..=4 {
            push(&window, number, &["a"]);
        }
        let read = |from| window.read(from, &topics(&["a"]), ALL);
        let lost = read(From::LastEventId("1-1"));
        assert!(lost.gap);
        assert_eq!((lost.after, ids(&lost)), (id(2), vec![3, 4]));
        assert!(!read(From::LastEventId("2-1")).gap);
        assert!(!read(From::LastEventId("4-1")).gap);
        assert!(read(From::LastEventId("3-2")).gap);
        assert!(read(From::LastEventId("5-1")).gap);
        assert!(read(From::LastEventId("garbage")).gap);
        assert!(read(From::After(id(1))).gap);
        assert!(read(From::Since(2)).gap);
        assert!(!read(From::Since(3)).gap);
        assert!(!read(From::Earliest).gap);
    }

    #[test]
    fn a_topic_whose_events_are_gone_leaves_nothing_behind() {
        let window = window(1);
        push(&window, 1, &["a"]);
        push(&window, 2, &["b"]);
        assert_eq!(window.log.read().topics.len(), 1);
    }

    #[test]
    fn bytes_bound_the_window_too() {
        let retention = Retention {
            bytes: 1_000,
            ..Retention::default()
        };
        let window = Window::new(retention, 1, EventId::new(0, 0));
        for number in 1..=50 {
            push(&window, number, &["a"]);
        }
        let bounds = window.bounds();
        assert!(bounds.bytes <= 1_000 && bounds.events > 0, "{bounds:?}");
    }

    #[test]
    fn another_epoch_sets_every_place_to_its_head() {
        let window = window(10);
        push(&window, 8, &["a"]);
        let place = window.head();
        window.restart(2, id(3));
        let tail = window.after(place, ALL);
        assert!(tail.lost);
        assert_eq!((tail.from.id, tail.to.id), (id(3), id(3)));
    }
}
