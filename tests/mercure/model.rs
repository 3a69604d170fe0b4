//! Random grants, subscriptions and events, compared with a model: who gets what, live and replayed, and which ids a
//! response may have.

use super::{HUB, hub, publish, subscriber};
use crate::support::{Server, Stream};

const TOPICS: u8 = 8;
const SUBSCRIBERS: usize = 10;
const EVENTS: usize = 250;

struct Client {
    query: String,
    authorization: String,
    asks: Vec<u8>,
    granted: Vec<u8>,
}

struct Published {
    id: String,
    data: String,
    topics: Vec<u8>,
    private: bool,
}

impl Client {
    fn random(random: &mut fastrand::Rng) -> Self {
        let (asks, granted) = (some(random), some(random));
        let query = asks.iter().map(|topic| match random.u8(..4) {
            0 => format!("match={}", name(*topic)),
            // Patterns are relative to the hub, as topics are.
            1 => format!("match_urlpattern={}", name(*topic)),
            2 => format!("topic=%7Ba,b%7D{}", name(*topic)),
            _ => format!("topic={}", name(*topic)),
        });
        let query: Vec<_> = query.collect();
        let grants: Vec<_> = granted.iter().map(|topic| name(*topic)).collect();
        let grants: Vec<_> = grants.iter().map(String::as_str).collect();
        Self {
            query: query.join("&"),
            authorization: subscriber(&grants),
            asks,
            granted,
        }
    }

    fn open(&self, server: &Server, cursor: &str) -> Stream {
        let path = format!("{HUB}?{}&topic=end{cursor}", self.query);
        server.subscribe_with(&path, &self.authorization)
    }

    fn may_read(&self, event: &Published) -> bool {
        !event.private
            || event
                .topics
                .iter()
                .any(|topic| self.granted.contains(topic))
    }

    fn gets(&self, event: &Published) -> bool {
        event.topics.iter().any(|topic| self.asks.contains(topic)) && self.may_read(event)
    }

    fn expected<'a>(&self, events: &'a [Published]) -> Vec<&'a str> {
        let due = events.iter().filter(|event| self.gets(event));
        due.map(|event| event.data.as_str()).collect()
    }
}

fn name(topic: u8) -> String {
    format!("t{topic}")
}

fn some(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut topics: Vec<_> = (0..TOPICS).filter(|_| random.u8(..3) == 0).collect();
    topics.push(random.u8(..TOPICS));
    topics.sort_unstable();
    topics.dedup();
    topics
}

fn published(server: &Server, random: &mut fastrand::Rng, number: usize) -> Published {
    let (topics, private) = (some(random), random.bool());
    let data = format!("event-{number}");
    let form: Vec<_> = topics
        .iter()
        .map(|topic| format!("topic={}", name(*topic)))
        .collect();
    let mut form = form.join("&") + "&data=" + &data;
    if private {
        form += "&private=on";
    }
    if random.bool() {
        form += "&id=own-";
        form += &number.to_string();
    }
    Published {
        id: publish(server, &form),
        data,
        topics,
        private,
    }
}

/// The data and the ids up to the event that ends the test.
fn read(stream: &mut Stream) -> (Vec<String>, Vec<String>) {
    let (mut data, mut ids) = (Vec::new(), Vec::new());
    loop {
        let event = stream.event().expect("an event");
        if event.data == "end" {
            return (data, ids);
        }
        data.push(event.data);
        ids.push(event.id);
    }
}

#[test]
fn a_client_gets_what_it_asks_for_and_may_read_and_no_id_of_anything_else() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let server = hub(&[]);
    let clients: Vec<_> = (0..SUBSCRIBERS)
        .map(|_| Client::random(&mut random))
        .collect();
    let mut live: Vec<_> = clients
        .iter()
        .map(|client| client.open(&server, ""))
        .collect();
    let events: Vec<_> = (0..EVENTS)
        .map(|number| published(&server, &mut random, number))
        .collect();
    publish(&server, "topic=end&data=end");
    for (client, stream) in clients.iter().zip(&mut live) {
        assert_eq!(read(stream).0, client.expected(&events), "{}", client.query);
        let mut replayed = client.open(&server, "&last_event_id=earliest");
        let (data, ids) = read(&mut replayed);
        assert_eq!(data, client.expected(&events), "{}", client.query);
        let readable = |id: &String| {
            let mut events = events.iter();
            events.any(|event| event.id == *id && client.may_read(event))
        };
        assert!(ids.iter().all(readable));
    }
    for _ in 0..100 {
        let client = &clients[random.usize(..SUBSCRIBERS)];
        let from = random.usize(..EVENTS);
        let event = &events[from];
        let mut stream = client.open(&server, &format!("&lastEventID={}", event.id));
        let reply = stream.header("last-event-id").expect("a reply").to_owned();
        if !client.may_read(event) {
            assert_eq!(reply, "earliest");
            continue;
        }
        assert_eq!(reply, event.id);
        assert_eq!(read(&mut stream).0, client.expected(&events[from + 1..]));
    }
}
