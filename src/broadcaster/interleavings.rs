//! Tries interleavings of walks, joins, polls, leaves and publishes: every place where a thread takes
//! a lock or an atomic of the core may be where another goes on. None may lose an event or a wake,
//! give an event twice, announce a gap where nothing is lost, or leave anybody waiting for ever.
//!
//! ```sh
//! RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR=target/shuttle \
//!     cargo test --no-default-features --lib interleavings
//! ```

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use futures_util::StreamExt;
use shuttle::{
    sync::{Condvar, Mutex},
    thread::{self, JoinHandle},
};

use super::{Broadcaster, Options, Start, Subscription};
use crate::{
    event::{Event, EventId, Form, Selector},
    history::{Memory, Retention},
};

const ITERATIONS: usize = 1_500;
/// How many preemptions a schedule of the second kind has.
const DEPTH: usize = 4;
const WINDOW: usize = 16;
const END: &str = "end";

/// Wakes one thread.
#[derive(Default)]
struct Bell {
    is_rung: Mutex<bool>,
    ringing: Condvar,
}

impl Bell {
    fn wait(&self) {
        let mut is_rung = self.is_rung.lock().unwrap();
        while !*is_rung {
            is_rung = self.ringing.wait(is_rung).unwrap();
        }
        *is_rung = false;
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.is_rung.lock().unwrap() = true;
        self.ringing.notify_one();
    }
}

/// A thread whose wake is lost waits for ever here, which ends the test.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => bell.wait(),
        }
    }
}

fn try_all(story: impl Fn() + Send + Sync + 'static) {
    let story = Arc::new(move || {
        // Never run: what it would do by the clock is not part of the story.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let runtime = runtime.unwrap();
        let _guard = runtime.enter();
        story();
    });
    let again = Arc::clone(&story);
    shuttle::check_random(move || story(), ITERATIONS);
    shuttle::check_pct(move || again(), ITERATIONS, DEPTH);
}

fn start() -> Broadcaster {
    let memory = Memory::new(Retention {
        events: WINDOW,
        ..Retention::default()
    });
    let options = Options {
        shards: 1,
        max_event_bytes: 16,
        ..Options::default()
    };
    Broadcaster::start(memory, options).unwrap()
}

fn walk(broadcaster: &Broadcaster) -> JoinHandle<()> {
    let walks = broadcaster.attend();
    thread::spawn(move || block_on(walks))
}

fn event(topics: &[&str], data: &str) -> Event {
    let event = Event::builder(data);
    let event = topics
        .iter()
        .fold(event, |event, topic| event.topic(*topic));
    event.build().unwrap()
}

fn publish(broadcaster: &Broadcaster, topics: &[&str], data: &str) -> EventId {
    block_on(broadcaster.publish(event(topics, data)))
        .unwrap()
        .ids[0]
}

/// Publishes so many events to these topics, and gives back the ids.
fn publisher(
    broadcaster: &Broadcaster,
    topics: &'static [&'static str],
    events: usize,
) -> JoinHandle<Vec<EventId>> {
    let broadcaster = broadcaster.clone();
    let publish = move |_| publish(&broadcaster, topics, "x");
    thread::spawn(move || (0..events).map(publish).collect())
}

fn subscribe(broadcaster: &Broadcaster, topics: &[&str], start: Start) -> Subscription {
    let selector = Selector::topics(topics).unwrap();
    broadcaster.subscribe(selector, Form::Sse, start).unwrap()
}

/// What a stream gave: where it began, and its events.
#[derive(Debug, Default)]
struct Got {
    connected: Option<EventId>,
    events: Vec<EventId>,
    ended: bool,
}

impl Got {
    fn take(&mut self, text: &str) {
        for block in text
            .split_inclusive("\n\n")
            .filter(|block| block.ends_with("\n\n"))
        {
            let line = |field: &str| block.lines().find_map(|line| line.strip_prefix(field));
            let id: EventId = line("id: ").unwrap().parse().unwrap();
            match line("event: ") {
                Some("connected") => self.connected = Some(id),
                Some("position") => {}
                Some(other) => panic!("{other} where nothing is lost"),
                None => self.events.push(id),
            }
            self.ended |= line("data: ") == Some(END);
        }
    }

    fn check(&self, published: &[EventId]) {
        let connected = self.connected.expect("a stream that has begun");
        let due = published.iter().copied().filter(|id| *id > connected);
        assert_eq!(
            self.events,
            due.collect::<Vec<_>>(),
            "due after {connected}"
        );
    }
}

fn read(mut stream: Subscription) -> Got {
    let mut got = Got::default();
    while !got.ended {
        let bytes = block_on(stream.next()).unwrap().unwrap();
        got.take(str::from_utf8(&bytes).unwrap());
    }
    got
}

/// Reads to the end on a thread of its own.
fn reader(stream: Subscription) -> JoinHandle<Got> {
    thread::spawn(move || read(stream))
}

#[test]
fn joins_and_leaves_in_the_middle_of_a_walk_lose_nothing() {
    try_all(|| {
        let broadcaster = start();
        let walks = walk(&broadcaster);
        let first = reader(subscribe(&broadcaster, &["a"], Start::Fresh));
        let leaver = subscribe(&broadcaster, &["a"], Start::Fresh);
        let leaver = thread::spawn(move || drop(leaver));
        let joiner = broadcaster.clone();
        let joiner = thread::spawn(move || read(subscribe(&joiner, &["a", "b"], Start::Fresh)));
        let mut published = publisher(&broadcaster, &["a", "b"], 3).join().unwrap();
        leaver.join().unwrap();
        published.push(publish(&broadcaster, &["a"], END));
        first.join().unwrap().check(&published);
        joiner.join().unwrap().check(&published);
        drop(broadcaster);
        walks.join().unwrap();
    });
}

#[test]
fn the_joint_between_replay_and_live_neither_loses_nor_repeats() {
    try_all(|| {
        let broadcaster = start();
        let walks = walk(&broadcaster);
        let stays = reader(subscribe(&broadcaster, &["b"], Start::Fresh));
        let mut published: Vec<_> = (0..4)
            .map(|_| publish(&broadcaster, &["a", "b"], "x"))
            .collect();
        let resumer = broadcaster.clone();
        let start = Start::After(published[0].to_string());
        let resumer = thread::spawn(move || read(subscribe(&resumer, &["a"], start)));
        let more = publisher(&broadcaster, &["a", "b"], 2);
        published.extend(more.join().unwrap());
        published.push(publish(&broadcaster, &["a", "b"], END));
        resumer.join().unwrap().check(&published);
        stays.join().unwrap().check(&published);
        drop(broadcaster);
        walks.join().unwrap();
    });
}

#[test]
fn the_last_leaves_and_another_joins_while_it_is_published() {
    try_all(|| {
        let broadcaster = start();
        let walks = walk(&broadcaster);
        let leaver = subscribe(&broadcaster, &["a"], Start::Fresh);
        let more = publisher(&broadcaster, &["a"], 3);
        let leaver = thread::spawn(move || drop(leaver));
        let joiner = broadcaster.clone();
        let joiner = thread::spawn(move || subscribe(&joiner, &["a"], Start::Fresh));
        leaver.join().unwrap();
        let joined = reader(joiner.join().unwrap());
        let mut published = more.join().unwrap();
        published.push(publish(&broadcaster, &["a"], END));
        joined.join().unwrap().check(&published);
        drop(broadcaster);
        walks.join().unwrap();
    });
}

#[test]
fn publishers_that_wait_for_room_are_told_when_there_is_some() {
    try_all(|| {
        let broadcaster = start();
        let walks = walk(&broadcaster);
        let reads = reader(subscribe(&broadcaster, &["a"], Start::Fresh));
        let leaver = subscribe(&broadcaster, &["a"], Start::Fresh);
        // Too few to overtake a reader, and more than a shard may be behind.
        let publishers: Vec<_> = (0..2)
            .map(|_| publisher(&broadcaster, &["a"], WINDOW / 2 - 1))
            .collect();
        let leaver = thread::spawn(move || drop(leaver));
        let published = publishers
            .into_iter()
            .flat_map(|publisher| publisher.join().unwrap());
        let mut published: Vec<_> = published.collect();
        leaver.join().unwrap();
        published.sort();
        published.push(publish(&broadcaster, &["a"], END));
        reads.join().unwrap().check(&published);
        drop(broadcaster);
        walks.join().unwrap();
    });
}

#[test]
fn publishers_do_not_wait_for_a_shard_that_everybody_has_left() {
    try_all(|| {
        let broadcaster = start();
        // Nobody walks in this one: all room is taken until the subscriber has left.
        let walks = broadcaster.attend();
        let leaver = subscribe(&broadcaster, &["a"], Start::Fresh);
        let publisher = publisher(&broadcaster, &["a"], WINDOW);
        let leaver = thread::spawn(move || drop(leaver));
        assert_eq!(publisher.join().unwrap().len(), WINDOW);
        leaver.join().unwrap();
        drop(walks);
    });
}
