//! History that continues as another log, whose ids may be lower than those before: every stream is sent one gap,
//! and nothing that comes after is lost.

use std::{
    sync::{Arc, Mutex},
    task::{Poll, Wake},
};

use fastrand::Rng;
use futures_util::{
    StreamExt,
    future::{BoxFuture, FutureExt, ready},
};
use sse_broadcaster::{
    Broadcaster, Event, EventId, Options, Selector, Start,
    broadcaster::EncodedStream,
    encoding::Sse,
    event::Stored,
    history::{
        AppendError, Appended, Batch, Bounds, Chunk, From, History, Limit, NameKind, NameRange,
        Names, ReservationGuard, RetainedAt, Retention, Stats, Unavailable, Window,
    },
};
use tokio::runtime::Runtime;

use crate::{
    model::gate::{Gate, Reads},
    model::seed::seeds,
    model::wire::{Block, Parser},
    model::world::Flag,
};

const WINDOW: usize = 64;
/// More senders than a walk visits at once.
const CROWD: usize = 300;
const SCENARIOS: usize = 1_000;

/// A log that can be replaced by another one.
#[derive(Clone)]
struct Replaced {
    window: Arc<Window>,
    /// Every position of each log, its birth first.
    logs: Arc<Mutex<Vec<Vec<EventId>>>>,
    gate: Gate,
    stats: Arc<Stats>,
}

impl Replaced {
    fn new() -> Self {
        let retention = Retention::new().events(WINDOW);
        let birth = EventId::new(1_000, 0);
        Self {
            window: Arc::new(Window::new(retention, 0, birth)),
            logs: Arc::new(Mutex::new(vec![vec![birth]])),
            gate: Gate::default(),
            stats: Arc::default(),
        }
    }

    fn replace(&self, head: EventId) {
        let mut logs = self.logs.lock().unwrap();
        logs.push(vec![head]);
        self.window.restart(logs.len() as u64, head);
    }

    fn append_now(&self, batch: Batch) -> Appended {
        let mut logs = self.logs.lock().unwrap();
        let log = logs.last_mut().unwrap();
        let mut place = |event| {
            let id = after(log[log.len() - 1], 1);
            log.push(id);
            Arc::new(Stored::new(id, id.ms(), event))
        };
        let stored: Vec<_> = batch.events.into_iter().map(&mut place).collect();
        let ids = stored.iter().map(|stored| stored.id()).collect();
        self.window.push(stored);
        Appended { ids }
    }
}

impl History for Replaced {
    fn append(
        &self,
        batch: Batch,
        _: ReservationGuard,
    ) -> BoxFuture<'_, Result<Appended, AppendError>> {
        ready(Ok(self.append_now(batch))).boxed()
    }

    fn read<'a>(
        &'a self,
        from: From<'a>,
        selector: &'a Selector,
        limit: Limit,
    ) -> BoxFuture<'a, Result<Chunk, Unavailable>> {
        async move {
            let chunk = self.window.read(from, selector, limit);
            self.gate.pass().await?;
            Ok(chunk)
        }
        .boxed()
    }

    fn tail(&self) -> Arc<Window> {
        Arc::clone(&self.window)
    }

    fn retained<'a>(
        &'a self,
        _keys: &'a [&'a str],
    ) -> BoxFuture<'a, Result<RetainedAt, Unavailable>> {
        ready(Err(Unavailable::new("a test"))).boxed()
    }

    fn names<'a>(
        &'a self,
        _kind: NameKind,
        range: NameRange<'a>,
    ) -> BoxFuture<'a, Result<Names, Unavailable>> {
        ready(Ok(self.window.topics(range))).boxed()
    }

    fn bounds(&self) -> Bounds {
        self.window.bounds()
    }

    fn stats(&self) -> &Stats {
        &self.stats
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}

struct World {
    runtime: Runtime,
    history: Replaced,
    broadcaster: Broadcaster,
    walks: BoxFuture<'static, ()>,
    walker: Arc<Flag>,
}

struct Reader {
    stream: EncodedStream,
    topic: &'static str,
    woken: Arc<Flag>,
    parser: Parser,
    blocks: Vec<Block>,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let history = Replaced::new();
        let options = Options::default().shards(1).max_event_bytes(100);
        let guard = runtime.enter();
        let broadcaster = Broadcaster::start(history.clone(), options).unwrap();
        drop(guard);
        Self {
            walks: broadcaster.attend().boxed(),
            walker: Flag::raised(),
            runtime,
            history,
            broadcaster,
        }
    }

    fn logs(&self) -> Vec<Vec<EventId>> {
        self.history.logs.lock().unwrap().clone()
    }

    fn log(&self) -> Vec<EventId> {
        self.logs().pop().unwrap()
    }

    fn publish(&self, events: usize) -> EventId {
        let _guard = self.runtime.enter();
        let event = Event::builder("x").topic("a").build().unwrap();
        let appended = self.broadcaster.publish(vec![event; events]).now_or_never();
        *appended
            .expect("there is room")
            .unwrap()
            .ids
            .last()
            .unwrap()
    }

    /// The walk goes on by one hold of the lock.
    fn walk(&mut self) {
        let walks = &mut self.walks;
        assert!(self.walker.poll(|cx| walks.poll_unpin(cx)).is_pending());
    }

    fn join(&self, start: Start) -> Reader {
        self.join_topic("a", start)
    }

    fn join_topic(&self, topic: &'static str, start: Start) -> Reader {
        let selector = Selector::topics(&[topic]).unwrap();
        Reader {
            stream: self
                .broadcaster
                .subscribe(selector, start)
                .unwrap()
                .encoded(&Sse),
            topic,
            woken: Flag::raised(),
            parser: Parser::default(),
            blocks: Vec::new(),
        }
    }

    fn settle<'a>(&mut self, readers: impl IntoIterator<Item = &'a mut Reader>) {
        let mut readers: Vec<_> = readers.into_iter().collect();
        for _ in 0..20 {
            self.walk();
            for reader in &mut readers {
                while reader.poll() {}
            }
        }
    }
}

impl Reader {
    /// Whether it got anything.
    fn poll(&mut self) -> bool {
        let stream = &mut self.stream;
        match self.woken.poll(|cx| stream.poll_next_unpin(cx)) {
            Poll::Ready(bytes) => {
                self.woken.wake_by_ref();
                self.blocks
                    .extend(self.parser.feed(bytes.unwrap().unwrap()));
                true
            }
            Poll::Pending => false,
        }
    }

    /// Names and ids of what came since the last look.
    fn seen(&mut self) -> Vec<(String, String)> {
        let blocks = self.blocks.drain(..);
        let named = |block: Block| (block.name.unwrap_or_default(), block.id.unwrap());
        blocks.map(named).collect()
    }
}

fn blocks_of(blocks: &[(&str, EventId)]) -> Vec<(String, String)> {
    let blocks = blocks
        .iter()
        .map(|(name, id)| ((*name).into(), id.to_string()));
    blocks.collect()
}

const LOWER: EventId = EventId::new(500, 0);
const HIGHER: EventId = EventId::new(9_000, 0);

fn after(id: EventId, by: u64) -> EventId {
    EventId::new(id.ms(), id.seq() + by)
}

#[test]
fn live_and_slow_streams_are_sent_one_gap_by_a_new_epoch_and_continue() {
    for head in [LOWER, HIGHER] {
        let mut world = World::new();
        let (mut live, mut slow) = (world.join(Start::Live), world.join(Start::Live));
        world.settle([&mut live, &mut slow]);
        world.publish(3);
        world.settle([&mut live]);
        live.seen();
        slow.seen();
        world.history.replace(head);
        world.settle([&mut live]);
        world.publish(2);
        world.settle([&mut live]);
        let on = [("gap", head), ("", after(head, 1)), ("", after(head, 2))];
        assert_eq!(live.seen(), blocks_of(&on));
        world.settle([&mut slow]);
        assert_eq!(slow.seen(), blocks_of(&on));
    }
}

#[test]
fn a_stream_that_is_polled_before_the_walk_sees_the_new_epoch_waits_for_it() {
    for head in [LOWER, HIGHER] {
        let mut world = World::new();
        let mut slow = world.join(Start::Live);
        world.settle([&mut slow]);
        for _ in 0..3 {
            world.publish(1);
            world.walk();
            world.walk();
        }
        slow.seen();
        world.history.replace(head);
        for _ in 0..9 {
            slow.poll();
        }
        world.publish(1);
        world.settle([&mut slow]);
        world.publish(1);
        world.settle([&mut slow]);
        let seen = slow.seen();
        let gaps = seen.iter().filter(|(name, _)| name == "gap").count();
        assert_eq!((gaps, &seen[0].0[..]), (1, "gap"), "{seen:?}");
        assert_eq!(
            seen.last(),
            blocks_of(&[("", after(head, 2))]).first(),
            "{seen:?}"
        );
    }
}

#[test]
fn a_resume_with_an_id_of_the_previous_epoch_is_sent_one_gap() {
    for head in [LOWER, HIGHER] {
        let mut world = World::new();
        let mut stays = world.join(Start::Live);
        let last_id = world.publish(3);
        world.settle([&mut stays]);
        world.history.replace(head);
        let mut back = world.join(Start::After(last_id.to_string()));
        world.settle([&mut back, &mut stays]);
        world.publish(1);
        world.settle([&mut back, &mut stays]);
        let on = [("gap", head), ("connected", head), ("", after(head, 1))];
        assert_eq!(back.seen(), blocks_of(&on));
    }
}

#[test]
fn a_subscriber_that_joins_during_a_change_of_epoch_has_no_gap() {
    for head in [LOWER, HIGHER] {
        let mut world = World::new();
        let mut crowd: Vec<_> = (0..CROWD).map(|_| world.join(Start::Live)).collect();
        world.settle(&mut crowd);
        let leaves = crowd.pop();
        drop(leaves);
        world.history.replace(head);
        world.walk();
        let mut joined = world.join(Start::Live);
        world.settle([&mut joined]);
        world.publish(1);
        world.settle([&mut joined]);
        assert_eq!(
            joined.seen(),
            blocks_of(&[("connected", head), ("", after(head, 1))])
        );
        world.settle(&mut crowd);
        for reader in &mut crowd {
            let seen = reader.seen();
            assert_eq!(seen[1..], blocks_of(&[("gap", head), ("", after(head, 1))]));
        }
    }
}

/// Where a reader came to: which log, and which of its positions.
fn follow(seen: &[(String, String)], logs: &[Vec<EventId>]) -> (usize, usize) {
    let find = |id: &str| {
        let id: EventId = id.parse().unwrap();
        let find = |(log, ids): (usize, &Vec<EventId>)| Some((log, ids.binary_search(&id).ok()?));
        logs.iter().enumerate().find_map(find).expect("a position")
    };
    let (mut at, mut announced) = (None, Vec::new());
    for (name, id) in seen {
        let to = find(id);
        match (&name[..], at) {
            ("connected", None) => announced.push(to.0),
            ("connected", Some(gap)) => assert_eq!((to, announced.len()), (gap, 1), "{seen:?}"),
            ("gap", _) => {
                assert!(
                    !announced.contains(&to.0),
                    "a log was announced twice: {seen:?}"
                );
                announced.push(to.0);
            }
            ("position", Some((log, place))) => assert!(to.0 == log && to.1 >= place, "{seen:?}"),
            ("", Some((log, place))) => assert_eq!(to, (log, place + 1), "{seen:?}"),
            _ => panic!("out of place: {seen:?}"),
        }
        at = Some(to);
    }
    at.expect("it has begun")
}

/// Nothing is published to the topic "b".
fn topic(rng: &mut Rng) -> &'static str {
    if rng.u8(0..4) == 0 { "b" } else { "a" }
}

fn step(world: &mut World, readers: &mut Vec<Reader>, rng: &mut Rng) {
    match rng.u8(0..18) {
        0 => {
            let birth = EventId::new(rng.u64(1..2_000), 0);
            if !world.logs().iter().any(|log| log[0] == birth) {
                world.history.replace(birth);
            }
        }
        1..5 if world.broadcaster.lag() < 20 && world.log().len() < WINDOW - 4 => {
            world.publish(rng.usize(1..4));
        }
        5..9 => world.walk(),
        9 => readers.push(world.join_topic(topic(rng), Start::Live)),
        10 => {
            let logs = world.logs();
            let log = &logs[rng.usize(..logs.len())];
            let start = Start::After(log[rng.usize(..log.len())].to_string());
            readers.push(world.join_topic(topic(rng), start));
        }
        11 => world.history.gate.set(Reads::Held),
        12 => world.history.gate.set(Reads::Immediate),
        _ if readers.is_empty() => {}
        _ => {
            // More than one where there are many.
            let reader = rng.usize(..readers.len());
            for reader in readers.iter_mut().skip(reader).step_by(40) {
                reader.poll();
            }
        }
    }
}

fn run(seed: u64, crowd: usize, steps: usize) {
    let mut rng = Rng::with_seed(seed);
    let (mut world, mut readers) = (World::new(), Vec::new());
    readers.extend((0..crowd).map(|_| world.join_topic(topic(&mut rng), Start::Live)));
    for _ in 0..rng.usize(10..steps) {
        step(&mut world, &mut readers, &mut rng);
    }
    world.history.gate.set(Reads::Immediate);
    world.publish(1);
    world.settle(&mut readers);
    let logs = world.logs();
    for reader in &mut readers {
        let (log, place) = follow(&reader.seen(), &logs);
        assert_eq!(log, logs.len() - 1, "the log that it was sent last, {seed}");
        let all = reader.topic == "b" || place == logs[log].len() - 1;
        assert!(all, "something is due and was not sent, {seed}");
    }
}

#[test]
fn a_new_epoch_at_any_step_sends_every_stream_one_gap() {
    for seed in seeds(254).take(SCENARIOS) {
        run(seed, 0, 80);
    }
    for seed in seeds(253).take(SCENARIOS / 50) {
        run(seed, CROWD, 400);
    }
}
