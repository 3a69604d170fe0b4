//! A broadcaster driven by hand: nothing in it moves but by a step of the test, and nothing is
//! polled that was not woken.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use futures_util::StreamExt;
use sse_broadcaster::{
    Broadcaster, Event, EventId, Format, Memory, Options, Start,
    broadcaster::EncodedStream,
    broadcaster::PublishError,
    history::{Appended, Retention},
};
use tokio::runtime::Runtime;

use crate::{
    model::gate::{Gate, Gated, Reads, birth},
    model::oracle::{self, Asks, Chain, Log, Opening, Published, Reader},
    model::wire::Parser,
};

/// Longer than any number of steps moves the clock.
const PUBLISH_WAIT: Duration = Duration::from_secs(1 << 20);
/// How often per interval it is looked at which streams were quiet.
/// Looks at the clock before a stream that is sent nothing has its ping.
pub const LOOKS_PER_PING: u32 = 7;
const PING_INTERVAL: Duration = Duration::from_secs(4);
/// More rounds than anything needs to come to rest.
const ROUNDS: usize = 10_000;

/// A waker that only remembers.
pub struct Flag(AtomicBool);

impl Flag {
    pub fn raised() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Polls if there is a reason to.
    pub fn poll<T>(self: &Arc<Self>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        if !self.0.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        poll(&mut Context::from_waker(&Waker::from(Arc::clone(self))))
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What one publish asks for.
#[derive(Debug, Clone)]
pub struct New {
    pub topics: u8,
    pub private: bool,
    pub own: Option<u8>,
}

struct Publisher {
    batch: Vec<(New, Event)>,
    task: Task<Result<Appended, PublishError>>,
    woken: Arc<Flag>,
}

struct Walker {
    task: Task<()>,
    woken: Arc<Flag>,
}

/// One connection: the server's end, and what lies between it and the client.
struct Stream {
    subscription: EncodedStream,
    woken: Arc<Flag>,
    start: Start,
    fresh_head: EventId,
    /// History's floor at its beginning: what was known then may have been read with others.
    floor: EventId,
    /// The replay is to be told when it has come here.
    until: Option<EventId>,
    parser: Parser,
    reader: Reader,
    /// Written, and not read by the client yet.
    socket: VecDeque<u8>,
}

/// One that comes back with its last id, as an `EventSource` does.
pub struct Client {
    asks: Asks,
    format: Format,
    start: Start,
    tells_head: bool,
    chain: Chain,
    parser: Parser,
    stream: Option<Stream>,
}

/// How one world differs from another.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub events: usize,
    pub bytes: usize,
    pub age: Option<Duration>,
    pub data_bytes: usize,
    pub shards: usize,
    /// Reads may be held: what they answer may be old.
    pub gated: bool,
}

impl Shape {
    pub const fn of(events: usize) -> Self {
        Self {
            events,
            bytes: 1 << 30,
            age: None,
            data_bytes: 16,
            shards: 1,
            gated: false,
        }
    }

    /// What is lost, and when, is known exactly.
    fn is_strict(self) -> bool {
        !self.gated && self.age.is_none()
    }
}

pub struct World {
    shape: Shape,
    pub broadcaster: Broadcaster,
    gate: Gate,
    walkers: Vec<Walker>,
    publishers: Vec<Publisher>,
    pub clients: Vec<Client>,
    pub log: Log,
    /// How many events of the log retention has dropped.
    dropped: usize,
    published: usize,
    runtime: Runtime,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

/// Shards are given to threads in turn.
fn on_a_new_thread<T: Send>(call: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(call).join()).expect("a thread")
}

impl World {
    pub fn new(shape: Shape) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let retention = Retention::new()
            .events(shape.events)
            .bytes(shape.bytes)
            .age(shape.age);
        let history = Gated {
            memory: Memory::new(retention),
            gate: Gate::default(),
        };
        let (gate, log) = (history.gate.clone(), Log::new(birth(&history)));
        let options = Options::default()
            .shards(shape.shards)
            .ping_interval(PING_INTERVAL)
            .publish_wait(PUBLISH_WAIT)
            .max_event_bytes(shape.data_bytes);
        let guard = runtime.enter();
        let broadcaster = Broadcaster::start(history, options).unwrap();
        drop(guard);
        // Pings come an interval after the first look.
        runtime.block_on(tokio::task::yield_now());
        let mut world = Self {
            shape,
            broadcaster,
            gate,
            walkers: Vec::new(),
            publishers: Vec::new(),
            clients: Vec::new(),
            log,
            dropped: 0,
            published: 0,
            runtime,
        };
        world.attend();
        world
    }

    fn attend(&mut self) {
        for _ in 0..self.shape.shards {
            let broadcaster = &self.broadcaster;
            let task: Task<()> = if self.shape.shards > 1 {
                on_a_new_thread(|| Box::pin(broadcaster.attend()))
            } else {
                Box::pin(broadcaster.attend())
            };
            let woken = Flag::raised();
            self.walkers.push(Walker { task, woken });
        }
    }

    /// The walks' tasks end wherever they are.
    pub fn stop_walking(&mut self) {
        self.walkers.clear();
    }

    /// The same, and others take over.
    pub fn replace_walkers(&mut self) {
        self.stop_walking();
        self.attend();
    }

    /// The next walks go on by one hold of the lock; whether any had a reason to.
    pub fn walk(&mut self) -> bool {
        let _guard = self.runtime.enter();
        let mut walked = false;
        for walker in &mut self.walkers {
            walked |= walker.woken.is_raised();
            let ended = walker.woken.poll(|cx| walker.task.as_mut().poll(cx));
            assert!(ended.is_pending(), "walks end with the broadcaster");
        }
        walked
    }

    /// Lets an interval of pings pass.
    pub fn ping(&mut self) {
        for _ in 0..LOOKS_PER_PING {
            self.look();
        }
    }

    /// Lets a part of it pass, after which it is looked at who was quiet.
    pub fn look(&mut self) {
        self.runtime.block_on(async {
            tokio::time::advance(PING_INTERVAL / 8).await;
            tokio::task::yield_now().await;
        });
    }

    /// What was published until now is dropped by its age, if it has a bound.
    pub fn grow_old(&mut self) {
        if let Some(age) = self.shape.age {
            thread::sleep(age + Duration::from_millis(1));
        }
        self.trim();
    }

    pub fn set_reads(&mut self, reads: Reads) {
        self.gate.set(reads);
    }

    /// How often history was read so far.
    pub fn reads(&self) -> usize {
        self.gate.reads()
    }

    pub fn floor(&self) -> EventId {
        self.broadcaster.bounds().trim_floor
    }

    fn held(&self) -> &[Published] {
        &self.log.events[self.dropped..]
    }
}

/// Publishing.
impl World {
    /// As much of the batch as may be published at once.
    pub fn publish(&mut self, mut batch: Vec<New>, data_bytes: usize) {
        batch.truncate(self.shape.events / 4);
        let (mut events, mut bytes) = (Vec::new(), 0);
        for new in batch {
            self.published += 1;
            let data = format!(
                "{:0>1$}",
                self.published,
                data_bytes.min(self.shape.data_bytes)
            );
            let event = oracle::event(new.topics, new.private, new.own, data);
            bytes += event.most_memory();
            if bytes <= self.shape.bytes / 4 {
                events.push((new, event));
            }
        }
        let batch: Vec<Event> = events.iter().map(|(_, event)| event.clone()).collect();
        let broadcaster = self.broadcaster.clone();
        self.publishers.push(Publisher {
            batch: events,
            task: Box::pin(async move { broadcaster.publish(batch).await }),
            woken: Flag::raised(),
        });
        self.poll_publishers();
    }

    /// Whether any had a reason to go on.
    pub fn poll_publishers(&mut self) -> bool {
        let mut went_on = false;
        for mut publisher in std::mem::take(&mut self.publishers) {
            went_on |= publisher.woken.is_raised();
            let guard = self.runtime.enter();
            let polled = publisher.woken.poll(|cx| publisher.task.as_mut().poll(cx));
            drop(guard);
            match polled {
                Poll::Pending => self.publishers.push(publisher),
                Poll::Ready(Ok(appended)) => self.keep(publisher.batch, &appended.ids),
                Poll::Ready(Err(error)) => panic!("refused: {error}"),
            }
        }
        went_on
    }

    /// A publisher that waits for room goes away: nothing of it was kept.
    pub fn forget_a_publisher(&mut self) {
        self.publishers.pop();
    }

    fn keep(&mut self, batch: Vec<(New, Event)>, ids: &[EventId]) {
        assert_eq!(batch.len(), ids.len());
        let dropped = self.dropped;
        for ((new, event), id) in batch.into_iter().zip(ids) {
            let held = &self.log.events[dropped..];
            let first = held
                .iter()
                .find(|held| new.own.is_some() && held.own == new.own);
            if let Some(first) = first {
                assert_eq!(
                    *id, first.id,
                    "a repeated own id has the first one's position"
                );
            } else {
                let event = Published::new(*id, new.topics, new.own, &event);
                self.log.push(event);
            }
        }
        self.trim();
    }

    fn held_bytes(&self) -> usize {
        let held = self.held().iter();
        let topics = held.clone().fold(0, |all, event| all | event.topics);
        let topics = oracle::names(topics).len();
        held.map(|event| event.memory).sum::<usize>() + topics * oracle::NEW_TOPIC_BYTES
    }

    fn trim(&mut self) {
        while self.held().len() > self.shape.events || self.held_bytes() > self.shape.bytes {
            self.dropped += 1;
        }
        let bounds = self.broadcaster.bounds();
        assert_eq!(bounds.head, self.log.head());
        if self.shape.age.is_some() {
            self.dropped = self.log.index_after(bounds.trim_floor);
        }
        assert_eq!(bounds.trim_floor, self.log.before(self.dropped));
        assert_eq!(bounds.events, self.held().len());
    }
}

/// Subscribing.
impl World {
    pub fn join(&mut self, asks: Asks, format: Format, start: Start, tells_head: bool) -> usize {
        self.clients.push(Client {
            asks,
            format,
            start,
            tells_head,
            chain: Chain::default(),
            parser: Parser::default(),
            stream: None,
        });
        self.connect(self.clients.len() - 1);
        self.clients.len() - 1
    }

    /// Comes back with the last id, or as it came first where it has none.
    pub fn connect(&mut self, client: usize) {
        let floor = self.floor();
        let client = &mut self.clients[client];
        if client.stream.is_some() {
            return;
        }
        let last_id = client.chain.last_id.clone();
        let start = last_id.map_or(client.start.clone(), Start::After);
        let (broadcaster, asks) = (&self.broadcaster, client.asks);
        let subscribe = || broadcaster.subscribe(asks.selector(), start.clone());
        let mut subscription = if self.shape.shards > 1 {
            on_a_new_thread(subscribe).unwrap()
        } else {
            subscribe().unwrap()
        };
        if client.tells_head {
            subscription.announce_head();
        }
        let subscription = subscription.encoded(client.format.encoder());
        client.stream = Some(Stream {
            floor,
            until: client.tells_head.then(|| subscription.head()),
            subscription,
            woken: Flag::raised(),
            start,
            fresh_head: self.log.head(),
            parser: Parser::default(),
            reader: Reader::new(asks, client.format),
            socket: VecDeque::new(),
        });
    }

    /// The server's end is polled once, if it was woken; whether it was.
    pub fn poll(&mut self, client: usize) -> bool {
        let Some(stream) = &self.clients[client].stream else {
            return false;
        };
        let opening = self.opening(self.clients[client].asks, stream);
        let strict = self.shape.is_strict();
        let _guard = self.runtime.enter();
        let stream = self.clients[client].stream.as_mut().unwrap();
        let woken = stream.woken.is_raised();
        let subscription = &mut stream.subscription;
        match stream.woken.poll(|cx| subscription.poll_next_unpin(cx)) {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(bytes))) => {
                stream.woken.wake_by_ref();
                let floor = self.broadcaster.bounds().trim_floor;
                for block in stream.parser.feed(bytes.iter().copied()) {
                    stream.reader.see(&block, &self.log, floor, opening, strict);
                }
                stream.socket.extend(bytes);
            }
            Poll::Ready(Some(Err(_))) => {
                assert!(self.shape.gated, "a stream was cut");
                self.cut(client, usize::MAX);
            }
            Poll::Ready(None) => panic!("a stream ended cleanly"),
        }
        woken
    }

    /// Polled from another task than before.
    pub fn move_to_another_task(&mut self, client: usize) {
        if let Some(stream) = &mut self.clients[client].stream {
            stream.woken = Flag::raised();
        }
    }

    /// The client reads so many bytes.
    pub fn receive(&mut self, client: usize, bytes: usize) {
        let client = &mut self.clients[client];
        let Some(stream) = &mut client.stream else {
            return;
        };
        let some = stream.socket.drain(..bytes.min(stream.socket.len()));
        for block in client.parser.feed(some) {
            client.chain.see(&block);
        }
    }

    /// The connection breaks after the client has read so many more bytes.
    pub fn cut(&mut self, client: usize, bytes: usize) {
        self.receive(client, bytes);
        self.clients[client].stream = None;
        self.clients[client].parser = Parser::default();
    }

    fn opening(&self, asks: Asks, stream: &Stream) -> Opening {
        if stream.reader.at.is_some() {
            return Opening::Any;
        }
        match &stream.start {
            Start::Live => Opening::Fresh(stream.fresh_head),
            Start::After(id) if self.shape.is_strict() => self.opening_after(id, stream.floor),
            Start::After(id) => match id.parse() {
                Ok(id) if self.log.has(id) => Opening::After(id),
                _ => Opening::Any,
            },
            _ if !self.shape.is_strict() => Opening::Any,
            Start::Earliest => self.opening_at(self.dropped),
            Start::Last(count) => {
                let matches = |index: &usize| asks.admits(&self.log.events[*index]);
                let mut last = (self.dropped..self.log.events.len()).rev().filter(matches);
                match count.checked_sub(1) {
                    None => self.opening_at(self.log.events.len()),
                    Some(nth) => self.opening_at(last.nth(nth).unwrap_or(self.dropped)),
                }
            }
            Start::Ago(_) => unreachable!("the model has no clock"),
            Start::Since(time) => {
                let is_before = |event: &Published| oracle::time(event.id) < *time;
                let first = self.log.events.partition_point(is_before);
                Opening::At {
                    gap: first < self.dropped,
                    at: self.log.before(first.max(self.dropped)),
                }
            }
        }
    }

    fn opening_at(&self, index: usize) -> Opening {
        let at = self.log.before(index);
        Opening::At { gap: false, at }
    }

    fn opening_after(&self, brought: &str, floor: EventId) -> Opening {
        let is_own =
            |event: &&Published| event.own.map(oracle::idempotency_key).as_deref() == Some(brought);
        let mut owned = self.log.events.iter().filter(is_own);
        let place = match (brought.parse(), owned.next(), owned.next()) {
            (Ok(id), ..) => Some(id),
            (Err(_), Some(only), None) if only.id > self.floor() => Some(only.id),
            _ => None,
        };
        match place {
            Some(at) if self.is_held(at) => Opening::At { gap: false, at },
            Some(at) if at >= floor && self.log.has(at) => Opening::After(at),
            _ => Opening::At {
                gap: true,
                at: self.floor(),
            },
        }
    }

    /// History knows the position: a resume from it is no gap.
    fn is_held(&self, id: EventId) -> bool {
        id >= self.floor() && self.log.has(id)
    }
}

/// Coming to rest.
impl World {
    /// Everything that was woken goes on until nothing is, and then everybody has all that is due.
    pub fn settle(&mut self) {
        self.set_reads(Reads::Answered);
        let mut rounds = 0;
        while self.go_on() {
            rounds += 1;
            assert!(rounds < ROUNDS, "it does not come to rest");
        }
        assert_eq!(
            self.publishers.len(),
            0,
            "a publisher waits though there is room"
        );
        assert_eq!(self.broadcaster.lag(), 0, "a shard was not rung");
        for client in 0..self.clients.len() {
            self.receive(client, usize::MAX);
            self.check_rest(client);
        }
        self.check_those_at_rest();
        let connected = self
            .clients
            .iter()
            .filter(|client| client.stream.is_some())
            .count();
        let stats = self.broadcaster.stats();
        assert_eq!(stats.subscribers.get(), connected as u64);
        assert_eq!(stats.behind.get(), 0, "nobody is behind");
    }

    fn go_on(&mut self) -> bool {
        let mut went_on = self.walk();
        went_on |= self.poll_publishers();
        for client in 0..self.clients.len() {
            went_on |= self.poll(client);
        }
        went_on
    }

    fn check_rest(&self, client: usize) {
        let client = &self.clients[client];
        let Some(stream) = &client.stream else { return };
        let at = stream.reader.at.expect("the stream has begun");
        let due = self.log.matching(client.asks, at, self.log.head()).next();
        assert!(due.is_none(), "{due:?} is due and was not sent");
        client.chain.check(client.asks, &self.log);
        let until = stream.until.unwrap_or(at);
        assert!(
            at >= until,
            "the replay came to {at} and was to say so at {until}"
        );
    }

    /// A stream that is polled as it is woken comes back without a gap whenever it is cut, also while
    /// its shard is as far behind as it may be, and however quiet its topics are.
    pub fn check_those_at_rest(&self) {
        if !self.shape.is_strict() {
            return;
        }
        for stream in self
            .clients
            .iter()
            .filter_map(|client| client.stream.as_ref())
        {
            let at = stream.reader.at.filter(|_| !stream.woken.is_raised());
            let is_held = at.is_none_or(|at| self.is_held(at));
            assert!(
                is_held,
                "cut now, the stream at {at:?} would have a false gap"
            );
        }
    }

    /// The end of every story: all come back, and all have everything.
    pub fn finish(&mut self) {
        self.set_reads(Reads::Answered);
        for client in 0..self.clients.len() {
            self.connect(client);
        }
        self.settle();
        for client in 0..self.clients.len() {
            self.cut(client, 0);
        }
        self.walk();
        assert_eq!(self.broadcaster.stats().subscribers.get(), 0);
    }
}
