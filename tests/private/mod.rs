//! Private events: who is sent them, and who learns their ids. Random grants, topics, events and reconnects are
//! checked against what each client may read.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::Arc,
};

use fastrand::Rng;
use futures_util::{FutureExt as _, StreamExt as _};
use sse_broadcaster::{
    Broadcaster, Event, EventId, Memory, Options, Selector, Start,
    broadcaster::EncodedStream,
    encoding::{Encoder, Json, Sse},
    event::{ReadAccess, TopicMatcher},
    history::Retention,
    sse::{Position, PositionCipher},
};

const TOPICS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
/// Small, so that clients are overtaken.
const WINDOW: usize = 64;
const CLIENTS: usize = 24;
const DELIVERIES: usize = 100_000;

/// Tells ids apart from what they are encrypted to, and is its own inverse.
#[derive(Debug)]
struct Xor;

const KEY: u128 = 0x5eed_0bad_cafe_f00d_1234_5678_9abc_def0;

impl PositionCipher for Xor {
    fn encrypt(&self, id: EventId, _: u32) -> [u8; 16] {
        let plain = (u128::from(id.ms()) << 64) | u128::from(id.seq());
        (plain ^ KEY).to_be_bytes()
    }

    fn decrypt(&self, encrypted: [u8; 16]) -> EventId {
        let plain = u128::from_be_bytes(encrypted) ^ KEY;
        let part = |number: u128| u64::try_from(number & u128::from(u64::MAX)).unwrap();
        EventId::new(part(plain >> 64), part(plain))
    }
}

/// Some topics are granted; some always need a grant.
#[derive(Debug, Clone)]
struct Grants {
    granted: HashSet<&'static str>,
    protected: HashSet<&'static str>,
}

impl ReadAccess for Grants {
    fn is_granted(&self, topic: &str) -> bool {
        self.granted.contains(topic)
    }

    fn needs_grant(&self, topic: &str) -> bool {
        self.protected.contains(topic)
    }
}

/// Selects these topics.
#[derive(Debug)]
struct Among(Vec<&'static str>);

impl TopicMatcher for Among {
    fn matches(&self, topic: &str) -> bool {
        self.0.contains(&topic)
    }
}

#[derive(Debug)]
struct Published {
    topics: Vec<&'static str>,
    private: bool,
}

#[derive(Debug)]
struct Client {
    name: usize,
    topics: Vec<&'static str>,
    /// What it asks for by a rule instead of by name.
    matchers: Vec<Arc<dyn TopicMatcher>>,
    /// `None`: without a grant.
    grants: Option<Arc<Grants>>,
    encoder: &'static dyn Encoder,
    stream: Option<EncodedStream>,
    /// The id field that was sent last.
    last_id: Option<String>,
    /// Where the client began: what follows is due to it.
    begun: Option<EventId>,
    /// Event ids, since the beginning or the last gap.
    received: Vec<EventId>,
    deliveries: usize,
}

impl Client {
    fn selector(&self) -> Selector {
        let matchers = self.matchers.clone();
        let topics = self.topics.iter().map(|topic| topic.parse().unwrap());
        let selector = Selector::any_of(topics, matchers).unwrap();
        match &self.grants {
            Some(grants) => selector.with_access(Arc::clone(grants) as Arc<dyn ReadAccess>),
            None => selector,
        }
    }

    fn may_read(&self, event: &Published) -> bool {
        let of = |topics: &HashSet<&str>| event.topics.iter().any(|topic| topics.contains(topic));
        match &self.grants {
            Some(grants) => {
                let needs_grant = event.private || of(&grants.protected);
                !needs_grant || of(&grants.granted)
            }
            None => !event.private,
        }
    }

    fn is_due(&self, event: &Published) -> bool {
        let is_selected = |topic: &&'static str| {
            let mut matchers = self.matchers.iter();
            self.topics.contains(topic) || matchers.any(|matcher| matcher.matches(topic))
        };
        event.topics.iter().any(is_selected) && self.may_read(event)
    }
}

struct World {
    broadcaster: Broadcaster,
    log: BTreeMap<EventId, Published>,
    clients: Vec<Client>,
    rng: Rng,
}

fn some(rng: &mut Rng, most: usize) -> Vec<&'static str> {
    let count = rng.usize(1..=most);
    rng.choose_multiple(TOPICS, count)
}

impl World {
    fn new(seed: u64) -> Self {
        let memory = Memory::new(Retention::new().events(WINDOW));
        let options = Options::default()
            .shards(1)
            .max_event_bytes(100)
            .position_cipher(Arc::new(Xor));
        let mut rng = Rng::with_seed(seed);
        let clients = (0..CLIENTS).map(|name| {
            let grants = (name % 3 > 0).then(|| {
                Arc::new(Grants {
                    granted: some(&mut rng, 3).into_iter().collect(),
                    protected: some(&mut rng, 2).into_iter().collect(),
                })
            });
            let matchers = (0..name % 4)
                .map(|_| -> Arc<dyn TopicMatcher> { Arc::new(Among(some(&mut rng, 2))) });
            let matchers: Vec<_> = matchers.collect();
            let topics = if matchers.is_empty() || rng.bool() {
                some(&mut rng, 3)
            } else {
                Vec::new()
            };
            Client {
                name,
                topics,
                matchers,
                grants,
                encoder: [&Sse as &dyn Encoder, &Json][name % 2],
                stream: None,
                last_id: None,
                begun: None,
                received: Vec::new(),
                deliveries: 0,
            }
        });
        let clients = clients.collect();
        Self {
            broadcaster: Broadcaster::start(memory, options).unwrap(),
            log: BTreeMap::new(),
            clients,
            rng,
        }
    }

    async fn publish(&mut self) {
        let published = Published {
            topics: some(&mut self.rng, 3),
            private: self.rng.bool(),
        };
        let event = published
            .topics
            .iter()
            .fold(Event::builder("x"), |event, topic| event.topic(*topic));
        let event = if published.private {
            event.private()
        } else {
            event
        };
        let id = self.broadcaster.publish_one(event.build().unwrap()).await;
        self.log.insert(id.unwrap(), published);
    }

    /// Comes back with the last id, or begins anew in one way or another.
    fn connect(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let resumes = self.rng.u8(..8) > 0;
        let start = if let (Some(id), true) = (&client.last_id, resumes) {
            Start::After(id.clone())
        } else {
            client.begun = None;
            client.received.clear();
            match self.rng.u8(..3) {
                0 => Start::Live,
                1 => Start::Earliest,
                _ => Start::Last(self.rng.usize(..9)),
            }
        };
        let subscription = self
            .broadcaster
            .subscribe(client.selector(), start)
            .unwrap();
        client.stream = Some(subscription.encoded(client.encoder));
    }

    fn read(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let Some(stream) = &mut client.stream else {
            return;
        };
        let mut text = String::new();
        while let Some(Some(Ok(bytes))) = stream.next().now_or_never() {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        for block in text.split_inclusive("\n\n") {
            self.check_ids(index, block);
            self.take(index, block);
        }
    }

    /// No id of an event that the client may not read stands anywhere in a block.
    fn check_ids(&self, index: usize, block: &str) {
        let client = &self.clients[index];
        let words = block.split(|c: char| !c.is_ascii_digit() && c != '-');
        for id in words.filter_map(|word| word.parse::<EventId>().ok()) {
            if let Some(event) = self.log.get(&id) {
                assert!(
                    client.may_read(event),
                    "{client:?} learns the id of {event:?}: {block}"
                );
            }
        }
    }

    fn take(&mut self, index: usize, block: &str) {
        let client = &mut self.clients[index];
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let Some(id) = field("id: ") else { return };
        client.last_id = Some(id.to_owned());
        let position = || match id.parse::<Position>().unwrap() {
            Position::Id(id) => id,
            Position::Encrypted(encrypted) => Xor.decrypt(encrypted),
        };
        match field("event: ") {
            Some("connected") if client.begun.is_some() => {}
            Some("connected" | "gap") => {
                client.begun = Some(position());
                client.received.clear();
            }
            Some("position") => {}
            Some(other) => panic!("{other}: {block}"),
            None => {
                let id = position();
                let event = &self.log[&id];
                assert!(client.is_due(event), "{client:?} is sent {event:?}");
                client.received.push(id);
                client.deliveries += 1;
            }
        }
    }

    /// Each client that is connected was sent all that is due, once and in order.
    fn check_complete(&self) {
        for client in self.clients.iter().filter(|client| client.stream.is_some()) {
            let Some(begun) = client.begun else { continue };
            let after = self.log.range(begun..).filter(|(id, _)| **id > begun);
            let due: Vec<_> = after
                .filter(|(_, event)| client.is_due(event))
                .map(|(id, _)| *id)
                .collect();
            assert_eq!(client.received, due, "due to {} after {begun}", client.name);
        }
    }

    async fn step(&mut self) {
        let index = self.rng.usize(..CLIENTS);
        match self.rng.u8(..20) {
            0..9 => self.publish().await,
            9..12 => self.clients[index].stream = None,
            12..15 if self.clients[index].stream.is_none() => self.connect(index),
            _ => {
                settle().await;
                self.read(index);
            }
        }
    }

    async fn come_to_rest(&mut self) {
        // What is due may take several polls, and walks between them.
        for _ in 0..4 {
            settle().await;
            for index in 0..CLIENTS {
                self.read(index);
            }
        }
        self.check_complete();
    }

    fn deliveries(&self) -> usize {
        self.clients.iter().map(|client| client.deliveries).sum()
    }
}

/// Lets the walks go on.
async fn settle() {
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clients.fmt(f)
    }
}

#[tokio::test]
async fn a_client_is_sent_no_private_event_and_no_id_of_one_without_a_grant_and_all_else_exactly_once()
 {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    let mut deliveries = 0;
    let mut round = 0;
    while deliveries < DELIVERIES {
        let mut world = World::new(seed.wrapping_add(round));
        for step in 0..3_000 {
            world.step().await;
            if step % 50 == 49 {
                world.come_to_rest().await;
            }
        }
        deliveries += world.deliveries();
        round += 1;
    }
}
