//! The list of subscriptions on several nodes, which share it, and the events that announce its changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    HUB, get,
    nodes::{HubHistory, node},
    publish, subscribe, subscriber, subscriber_token,
    subscriptions::{ALL, list, one_token, wait_for},
};
use crate::support::{
    PATIENCE, Server, Stream,
    redis::RedisServer,
    shared::{SharedHistory, tests_of},
    tokens::bearer,
    wait_until,
};

/// Subscriptions that begin on each node in the test with a model, how often the list is read meanwhile, and how many
/// clients follow the events from there.
const OF_EACH_NODE: usize = 500;
const LISTS: usize = 150;
const READERS: usize = 10;
pub const SETTINGS: [&str; 1] = ["--mercure-subscriptions"];

pub fn two(history: &impl SharedHistory) -> [Server; 2] {
    [(); 2].map(|()| node(history, &SETTINGS))
}

/// A stream of all events, which has begun.
pub fn watch(node: &Server) -> Stream {
    let mut watcher = subscribe(node, "topic=*");
    assert_eq!(next(&mut watcher).1, "*");
    watcher
}

/// The next change: the id, the topic, and whether it is active.
pub fn next(stream: &mut Stream) -> (String, String, bool) {
    change(&stream.event().expect("an event").data)
}

fn change(data: &str) -> (String, String, bool) {
    let document: Value = serde_json::from_str(data).unwrap();
    let text = |name: &str| document[name].as_str().map(str::to_owned);
    let topic = text("topic").or_else(|| text("match")).unwrap();
    (text("id").unwrap(), topic, document["active"] == true)
}

/// So many changes, by topic.
pub fn changes(stream: &mut Stream, count: usize) -> BTreeMap<String, Vec<bool>> {
    let mut changes = BTreeMap::<String, Vec<bool>>::new();
    for _ in 0..count {
        let (_, topic, is_active) = next(stream);
        changes.entry(topic).or_default().push(is_active);
    }
    changes
}

pub fn topics(listed: &[Value]) -> Vec<&str> {
    let topics = listed.iter().map(|one| one["topic"].as_str().unwrap());
    topics.collect()
}

pub fn the_list_of_every_node_has_the_subscriptions_of_all_until_they_end<H: SharedHistory>() {
    let history = H::start();
    let nodes = two(&history);
    let claims = json!({ "mercure": { "subscribe": ["*"], "payload": { "user": "änna \"1\"" } } });
    let lines = bearer(&subscriber_token(&claims));
    let query = format!("{HUB}?topic=a%2F%7Bid%7D&match=a&match=a&match_urlpattern=%2Fa%2F*");
    let first = nodes[0].subscribe_with(&query, &lines);
    wait_for(&nodes[1], 3);
    let _second = subscribe(&nodes[1], "topic=b");
    let listed = wait_for(&nodes[0], 4);
    assert_eq!(topics(&listed), ["a/{id}", "a", "/a/*", "b"]);
    for node in &nodes {
        assert_eq!(wait_for(node, 4), listed);
        let by = |path: &str, lines: &str| {
            let found = get(node, &format!("{ALL}/{path}"), lines).json();
            found["subscriptions"].as_array().unwrap().clone()
        };
        let zero = subscriber(&["*"]);
        assert_eq!(by("a%2F%7Bid%7D", &zero), listed[..1]);
        assert!(by("a", &zero).is_empty());
        assert_eq!(by("exact/a", &one_token())[0]["id"], listed[1]["id"]);
        let by_pattern = by("urlpattern/%2Fa%2F%2A", &one_token());
        assert_eq!(by_pattern[0]["match_type"], "urlpattern");
        for one in &listed {
            let single = list(node, one["id"].as_str().unwrap()).json();
            assert_eq!(single["id"], one["id"]);
            assert_eq!(single["payload"], one["payload"]);
        }
    }
    assert_eq!(listed[0]["payload"], json!({ "user": "änna \"1\"" }));
    drop(first);
    assert_eq!(topics(&wait_for(&nodes[1], 1)), ["b"]);
    for ended in &listed[..3] {
        assert_eq!(list(&nodes[1], ended["id"].as_str().unwrap()).status, 404);
    }
    assert_eq!(
        list(&nodes[1], &format!("{ALL}/a%2F%7Bid%7D")).json()["subscriptions"],
        json!([])
    );
}

pub fn a_change_on_one_node_changes_the_tag_of_the_list_on_the_others<H: SharedHistory>() {
    let history = H::start();
    let nodes = two(&history);
    let mut watcher = watch(&nodes[1]);
    let zero = subscriber(&["*"]);
    let tag = || list(&nodes[1], ALL).header("etag").unwrap().to_owned();
    let with = |tag: &str| get(&nodes[1], ALL, &format!("{zero}\nIf-None-Match: {tag}")).status;
    let mut stream = None;
    for topic in ["a", ""] {
        let before = tag();
        assert_eq!(with(&before), 304);
        stream = (!topic.is_empty()).then(|| subscribe(&nodes[0], "topic=a"));
        next(&mut watcher);
        assert_eq!(with(&before), 200);
        assert_ne!(tag(), before);
    }
    assert!(stream.is_none());
}

pub fn short_subscriptions_are_announced_once_when_they_begin_and_once_when_they_end<
    H: HubHistory,
>() {
    let history = H::start();
    let nodes = two(&history);
    let mut watcher = watch(&nodes[1]);
    let count = 200;
    for number in 0..count {
        drop(subscribe(&nodes[number % 2], &format!("match=t{number}")));
    }
    let changes = changes(&mut watcher, count * 2);
    assert_eq!(changes.len(), count);
    assert!(
        changes.values().all(|both| *both == [true, false]),
        "{changes:?}"
    );
    let last = subscribe(&nodes[0], "topic=last");
    assert_eq!(next(&mut watcher).1, "last");
    drop((last, watcher));
    wait_until("none of them is kept", || history.has_no_subscriptions());
}

/// What a client knows of subscriptions: their topics, by id.
#[derive(Clone, Default)]
struct View(BTreeMap<String, String>);

impl View {
    /// The list of a node, and the id of the newest event as of it.
    fn read(node: &Server) -> (Self, String) {
        let found = list(node, ALL).json();
        let listed = found["subscriptions"].as_array().unwrap();
        let topics = listed.iter().map(|one| {
            let (id, topic, _) = change(&one.to_string());
            (id, topic)
        });
        let cursor = found["lastEventID"].as_str().unwrap();
        (Self(topics.collect()), cursor.to_owned())
    }

    fn apply(&mut self, data: &str) {
        let (id, topic, is_active) = change(data);
        if is_active {
            self.0.insert(id, topic);
        } else {
            self.0.remove(&id);
        }
    }

    fn topics(&self) -> Vec<String> {
        sorted(self.0.values().cloned().collect())
    }
}

fn follow(node: &Server, cursor: &str) -> Stream {
    let stream = subscribe(node, &format!("topic=*&lastEventID={cursor}"));
    assert_eq!(stream.header("last-event-id"), Some(cursor));
    stream
}

fn sorted(mut topics: Vec<String>) -> Vec<String> {
    topics.sort();
    topics
}

/// Waits until both nodes list subscriptions to these topics.
pub fn wait_for_topics(nodes: &[Server; 2], expected: &[String]) {
    for node in nodes {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = list(node, ALL).json();
            let listed = topics(found["subscriptions"].as_array().unwrap());
            let listed = sorted(listed.into_iter().map(str::to_owned).collect());
            if listed == expected {
                break;
            }
            assert!(Instant::now() < deadline, "{listed:?} is not {expected:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Opens streams on a node, and closes some of them; returns those that stay open, with their topics.
fn open_and_close(
    node: &Server,
    seed: u64,
    begun: &AtomicUsize,
) -> (Vec<Stream>, BTreeSet<String>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut open: Vec<(Stream, Vec<String>)> = Vec::new();
    let mut count = 0;
    while count < OF_EACH_NODE {
        if !open.is_empty() && random.u8(..3) == 0 {
            drop(open.swap_remove(random.usize(..open.len())));
            continue;
        }
        let matchers = random.usize(1..=4);
        let topics = (0..matchers).map(|index| format!("t{seed}-{count}-{index}"));
        let topics: Vec<_> = topics.collect();
        let named = topics.iter().map(|topic| {
            let name = ["topic", "match", "match_urlpattern"][random.usize(..3)];
            format!("{name}={topic}")
        });
        let query = named.collect::<Vec<_>>().join("&");
        open.push((subscribe(node, &query), topics));
        count += matchers;
        begun.fetch_add(matchers, Ordering::Relaxed);
    }
    let (streams, topics): (Vec<_>, Vec<_>) = open.into_iter().unzip();
    (streams, topics.into_iter().flatten().collect())
}

pub fn who_reads_the_list_and_follows_the_events_after_its_id_knows_all_subscriptions<
    H: SharedHistory,
>() {
    let seed = fastrand::u64(..u64::MAX / 2);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let history = H::start();
    let nodes = two(&history);
    let begun = AtomicUsize::new(0);
    let (mut lists, mut readers) = (Vec::new(), Vec::new());
    let open = thread::scope(|scope| {
        let begun = &begun;
        let seeded = nodes.iter().zip(seed..);
        let threads = seeded
            .map(|(node, seed)| scope.spawn(move || open_and_close(node, seed, begun)))
            .collect::<Vec<_>>();
        for number in 0..LISTS {
            let share = OF_EACH_NODE * 2 * number / LISTS;
            wait_until("so many have begun", || {
                begun.load(Ordering::Relaxed) >= share
            });
            let (view, cursor) = View::read(&nodes[random.usize(..2)]);
            if number % (LISTS / READERS) == 0 {
                readers.push((view.clone(), follow(&nodes[random.usize(..2)], &cursor)));
            }
            lists.push((view, cursor));
        }
        let open = threads.into_iter().map(|thread| thread.join().unwrap());
        open.collect::<Vec<_>>()
    });
    let mut all = follow(&nodes[0], "earliest");
    let expected = open.iter().flat_map(|(_, topics)| topics.iter().cloned());
    let of_readers = (0..=readers.len()).map(|_| "*".to_owned());
    let expected = sorted(expected.chain(of_readers).collect());
    wait_for_topics(&nodes, &expected);
    let (mut view, mut log) = (View::default(), Vec::new());
    while view.0.len() != expected.len() || view.topics() != expected {
        let event = all.event().expect("an event");
        view.apply(&event.data);
        log.push((event.id, event.data));
    }
    check_changes(&log);
    for (mut view, cursor) in lists {
        let after = log.iter().position(|(id, _)| *id == cursor);
        assert!(after.is_some() || cursor == "earliest", "{cursor}");
        let later = &log[after.map_or(0, |at| at + 1)..];
        for (_, data) in later {
            view.apply(data);
        }
        assert_eq!(view.topics(), expected);
    }
    publish(&nodes[0], "topic=end&data=end");
    for (mut view, mut stream) in readers {
        let events = std::iter::from_fn(|| stream.event().map(|event| event.data));
        let events = events.take_while(|data| data != "end");
        events.for_each(|data| view.apply(&data));
        assert_eq!(view.topics(), expected);
    }
}

/// Checks that each subscription has begun once, and has ended at most once.
fn check_changes(log: &[(String, String)]) {
    let mut history = BTreeMap::<String, Vec<bool>>::new();
    for (_, data) in log {
        let (id, _, is_active) = change(data);
        history.entry(id).or_default().push(is_active);
    }
    let once = [vec![true], vec![true, false]];
    let mut of_each = history.values();
    assert!(of_each.all(|changes| once.contains(changes)), "{history:?}");
    assert!(history.len() >= OF_EACH_NODE * 2);
}

mod redis {
    use super::*;
    use crate::mercure::nodes_list;

    tests_of! { nodes_list, RedisServer:
        the_list_of_every_node_has_the_subscriptions_of_all_until_they_end,
        a_change_on_one_node_changes_the_tag_of_the_list_on_the_others,
        short_subscriptions_are_announced_once_when_they_begin_and_once_when_they_end,
        who_reads_the_list_and_follows_the_events_after_its_id_knows_all_subscriptions,
    }
}
