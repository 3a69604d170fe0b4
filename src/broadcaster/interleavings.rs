//! Tries interleavings of walks, joins, polls, leaves and publishes: every place where a thread takes
//! a lock or an atomic of the core may be where another goes on. None may lose an event or a wake,
//! give an event twice, announce a gap where nothing is lost, or leave anybody waiting for ever.
//!
//! ```sh
//! RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR=target/shuttle \
//!     cargo test -p sse-broadcaster --lib interleavings
//! ```
//! `INTERLEAVINGS` sets how many schedules of each kind are tried.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use futures_util::StreamExt;
use shuttle::{
    sync::{
        Condvar, Mutex,
        mpsc::{Receiver, channel},
    },
    thread::{self, JoinHandle},
};

use super::{Broadcaster, EncodedStream, Options, Start};
use crate::{
    encoding::Sse,
    event::{Event, EventId, Selector},
    history::{Memory, Retention},
};

const ITERATIONS: usize = 400;
const ITERATIONS_VARIABLE: &str = "INTERLEAVINGS";
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
    let iterations = std::env::var(ITERATIONS_VARIABLE)
        .map_or(ITERATIONS, |text| text.parse().expect("a number"));
    shuttle::check_random(move || story(), iterations);
    shuttle::check_pct(move || again(), iterations, DEPTH);
}

fn start() -> Broadcaster {
    let memory = Memory::new(Retention {
        events: WINDOW,
        ..Retention::default()
    });
    let options = Options::default().shards(1).max_event_bytes(16);
    Broadcaster::start(memory, options).unwrap()
}

fn walk(broadcaster: &Broadcaster) -> JoinHandle<()> {
    let walks = broadcaster.attend();
    thread::spawn(move || block_on(walks))
}

/// Where an event came to be, and its topics.
type Published = (EventId, Topics);

type Topics = &'static [&'static str];

fn publish(broadcaster: &Broadcaster, topics: Topics, data: &str) -> Published {
    let event = Event::builder(data);
    let event = topics
        .iter()
        .fold(event, |event, topic| event.topic(*topic));
    let appended = block_on(broadcaster.publish(event.build().unwrap()));
    (appended.unwrap().ids[0], topics)
}

/// Publishes so many events, to these topics in turn.
fn publisher(
    broadcaster: &Broadcaster,
    topics: &'static [Topics],
    events: usize,
) -> JoinHandle<Vec<Published>> {
    let broadcaster = broadcaster.clone();
    let publish = move |topics: &Topics| publish(&broadcaster, topics, "x");
    thread::spawn(move || topics.iter().cycle().take(events).map(publish).collect())
}

fn subscribe(broadcaster: &Broadcaster, topics: Topics, start: Start) -> EncodedStream {
    let selector = Selector::topics(topics).unwrap();
    broadcaster
        .subscribe(selector, start)
        .unwrap()
        .encoded(&Sse)
}

/// What a stream gave: where it began, and its events.
#[derive(Debug, Default)]
struct Got {
    connected: Option<EventId>,
    events: Vec<EventId>,
    ended: bool,
}

impl Got {
    fn read(&mut self, stream: &mut EncodedStream) {
        let bytes = block_on(stream.next()).unwrap().unwrap();
        self.take(str::from_utf8(&bytes).unwrap());
    }

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

    fn check(&self, asked: Topics, published: &[Published]) {
        let connected = self.connected.expect("a stream that has begun");
        let is_due = |(id, topics): &&Published| {
            *id > connected && topics.iter().any(|topic| asked.contains(topic))
        };
        let due: Vec<_> = published.iter().filter(is_due).map(|(id, _)| *id).collect();
        assert_eq!(self.events, due, "due after {connected}");
    }
}

fn read(mut stream: EncodedStream) -> Got {
    let mut got = Got::default();
    while !got.ended {
        got.read(&mut stream);
    }
    got
}

/// Reads to the end on a thread of its own.
fn reader(stream: EncodedStream) -> JoinHandle<Got> {
    thread::spawn(move || read(stream))
}

/// The same, of one that joins at any time, and says so.
fn joiner(
    broadcaster: &Broadcaster,
    topics: Topics,
    start: Start,
) -> (JoinHandle<Got>, Receiver<()>) {
    let (joined, has_joined) = channel();
    let broadcaster = broadcaster.clone();
    let reads = thread::spawn(move || {
        let stream = subscribe(&broadcaster, topics, start);
        joined.send(()).unwrap();
        drop(broadcaster);
        read(stream)
    });
    (reads, has_joined)
}

fn leaver(broadcaster: &Broadcaster, topics: Topics) -> JoinHandle<()> {
    let stream = subscribe(broadcaster, topics, Start::Live);
    thread::spawn(move || drop(stream))
}

fn end(broadcaster: Broadcaster, walks: JoinHandle<()>) {
    drop(broadcaster);
    walks.join().unwrap();
}

const A: Topics = &["a"];
const B: Topics = &["b"];
const BOTH: Topics = &["a", "b"];

#[test]
fn joins_and_leaves_in_the_middle_of_a_walk_lose_nothing() {
    try_all(|| {
        let broadcaster = start();
        let walks = walk(&broadcaster);
        let first = reader(subscribe(&broadcaster, BOTH, Start::Live));
        let leaves = leaver(&broadcaster, A);
        let (joins, has_joined) = joiner(&broadcaster, BOTH, Start::Live);
        let more = publisher(&broadcaster, &[A, B, BOTH], 3);
        let mut published = more.join().unwrap();
        leaves.join().unwrap();
        has_joined.recv().unwrap();
        published.push(publish(&broadcaster, A, END));
        first.join().unwrap().check(BOTH, &published);
        joins.join().unwrap().check(BOTH, &published);
        end(broadcaster, walks);
    });
}

#[test]
fn the_joint_between_replay_and_live_neither_loses_nor_repeats() {
    try_all(|| {
        let broadcaster = start();
        let walks = walk(&broadcaster);
        let stays = reader(subscribe(&broadcaster, B, Start::Live));
        let mut published = publisher(&broadcaster, &[A, BOTH], 4).join().unwrap();
        let start = Start::After(published[0].0.to_string());
        let (resumes, _has_joined) = joiner(&broadcaster, A, start);
        let more = publisher(&broadcaster, &[BOTH, A, A], 3);
        published.extend(more.join().unwrap());
        published.push(publish(&broadcaster, BOTH, END));
        resumes.join().unwrap().check(A, &published);
        stays.join().unwrap().check(B, &published);
        end(broadcaster, walks);
    });
}

#[test]
fn the_last_leaves_and_another_joins_while_it_is_published() {
    try_all(|| {
        let broadcaster = start();
        let walks = walk(&broadcaster);
        let leaves = leaver(&broadcaster, A);
        let more = publisher(&broadcaster, &[A], WINDOW - 4);
        let (joins, has_joined) = joiner(&broadcaster, A, Start::Live);
        let mut published = more.join().unwrap();
        leaves.join().unwrap();
        has_joined.recv().unwrap();
        published.push(publish(&broadcaster, A, END));
        joins.join().unwrap().check(A, &published);
        end(broadcaster, walks);
    });
}

#[test]
fn what_is_published_while_the_first_joins_does_not_wait_for_more() {
    try_all(|| {
        let broadcaster = start();
        let walks = walk(&broadcaster);
        let joiner = broadcaster.clone();
        let joiner = thread::spawn(move || subscribe(&joiner, A, Start::Live));
        let published = publisher(&broadcaster, &[A], 1).join().unwrap();
        let (mut stream, mut got) = (joiner.join().unwrap(), Got::default());
        while got.connected.is_none_or(|at| at < published[0].0) && got.events.is_empty() {
            got.read(&mut stream);
        }
        got.check(A, &published);
        drop(stream);
        end(broadcaster, walks);
    });
}

#[test]
fn publishers_that_wait_for_one_another_are_told() {
    try_all(|| {
        let broadcaster = start();
        let publish = |_| {
            let broadcaster = broadcaster.clone();
            let event = Event::builder("x").build().unwrap();
            let batch = vec![event; WINDOW / 4];
            thread::spawn(move || block_on(broadcaster.publish(batch)).unwrap())
        };
        for publisher in [0; 3].map(publish) {
            publisher.join().unwrap();
        }
    });
}

#[test]
fn publishers_that_wait_for_room_are_told_when_there_is_some() {
    try_all(|| {
        let broadcaster = start();
        let walks = walk(&broadcaster);
        let reads = reader(subscribe(&broadcaster, A, Start::Live));
        let leaves = leaver(&broadcaster, A);
        // Too few to overtake a reader, and more than a shard may be behind.
        let few = || publisher(&broadcaster, &[A], WINDOW / 2 - 1);
        let publishers = [few(), few()].map(|publisher| publisher.join().unwrap());
        leaves.join().unwrap();
        let mut published = publishers.concat();
        published.sort_unstable();
        published.push(publish(&broadcaster, A, END));
        reads.join().unwrap().check(A, &published);
        end(broadcaster, walks);
    });
}

#[test]
fn publishers_do_not_wait_for_a_shard_that_everybody_has_left() {
    try_all(|| {
        let broadcaster = start();
        // Nobody polls it: all room is taken until the subscriber has left.
        let walks = broadcaster.attend();
        let leaves = leaver(&broadcaster, A);
        let more = publisher(&broadcaster, &[A], WINDOW);
        assert_eq!(more.join().unwrap().len(), WINDOW);
        leaves.join().unwrap();
        drop(walks);
    });
}

#[test]
fn publishers_do_not_wait_for_a_shard_whose_walks_have_ended() {
    try_all(|| {
        let broadcaster = start();
        let walks = broadcaster.attend();
        let _stays = subscribe(&broadcaster, A, Start::Live);
        let more = publisher(&broadcaster, &[A], WINDOW);
        let ends = thread::spawn(move || drop(walks));
        assert_eq!(more.join().unwrap().len(), WINDOW);
        ends.join().unwrap();
    });
}
