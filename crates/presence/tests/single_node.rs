//! Presence on one node: events, counts, lists and signals.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use sse_broadcaster::{
    Broadcaster, Event, Memory, Options, Selector, Start, Subscription, broadcaster::Item,
    history::Retention,
};
use sse_broadcaster_access::{Grants, Pattern, PatternSet};
use sse_broadcaster_presence::{
    Connection, MAX_TOPIC_BYTES, MemoryStore, Presence, PresenceOptions, events_topic, signal_name,
};
use sse_broadcaster_signals::{Condition, Signals};
use tokio::time::timeout;

const GRACE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(60);

struct Node {
    broadcaster: Broadcaster,
    signals: Signals,
    presence: Presence,
}

impl Node {
    fn start(broadcaster: &Broadcaster) -> Self {
        let signals = Signals::new(broadcaster);
        let topics = ["room", "rooms/{room}"].map(|topic| Pattern::selector(topic).unwrap());
        let options = PresenceOptions::new(PatternSet::new(topics).unwrap()).grace(GRACE);
        let presence = Presence::start(options, Arc::new(MemoryStore::new()), &signals);
        Self {
            broadcaster: broadcaster.clone(),
            signals,
            presence,
        }
    }

    fn connect(&self, topics: &[&str], grants: &Grants) -> Option<Connection> {
        let selector = Selector::topics(topics).unwrap();
        self.presence.connect(selector.selected(), grants)
    }

    fn events(&self, topic: &str) -> Events {
        Events::of(&self.broadcaster, topic)
    }

    /// Waits until a topic has this many users and connections.
    async fn wait_for(&self, topic: &str, users: u64, connections: u64) {
        let counted = async {
            loop {
                let counts = self.presence.counts(topic).await.unwrap();
                if (counts.users, counts.connections) == (users, connections) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, counted).await.unwrap();
    }
}

fn broadcaster() -> Broadcaster {
    Broadcaster::start(Memory::new(Retention::default()), Options::default()).unwrap()
}

fn user(name: &str) -> Arc<Grants> {
    let payload = json!({ "name": name.to_uppercase() });
    Grants::builder().user(name).payload(payload).build()
}

/// The events of presence of a topic.
struct Events {
    subscription: Subscription,
    read: VecDeque<(String, Value)>,
}

impl Events {
    fn of(broadcaster: &Broadcaster, topic: &str) -> Self {
        let selector = Selector::topics(&[events_topic(topic)]).unwrap();
        let subscribed = broadcaster.subscribe(selector.with_private(), Start::Live);
        Self {
            subscription: subscribed.unwrap(),
            read: VecDeque::new(),
        }
    }

    async fn next(&mut self) -> (String, Value) {
        while self.read.is_empty() {
            let item = timeout(PATIENCE, self.subscription.next()).await.unwrap();
            if let Item::Events(events) = item.unwrap() {
                self.read
                    .extend(events.iter().map(|found| read(found.event())));
            }
        }
        self.read.pop_front().unwrap()
    }
}

fn read(event: &Event) -> (String, Value) {
    let name = event.name().unwrap().as_str().to_owned();
    (name, serde_json::from_str(event.data()).unwrap())
}

fn joined(user: &str, users: u64) -> (String, Value) {
    let data = json!({ "name": user.to_uppercase() });
    let event = json!({ "user": user, "data": data, "users": users });
    ("join".to_owned(), event)
}

fn left(user: &str, users: u64) -> (String, Value) {
    ("leave".to_owned(), joined(user, users).1)
}

#[tokio::test(start_paused = true)]
async fn a_user_joins_with_the_first_connection_and_leaves_a_grace_after_the_last() {
    let node = Node::start(&broadcaster());
    let mut events = node.events("room");
    let tab = node.connect(&["room"], &user("anna"));
    assert_eq!(events.next().await, joined("anna", 1));
    let other_tab = node.connect(&["room", "rooms/1"], &user("anna"));
    node.wait_for("room", 1, 2).await;
    node.wait_for("rooms/1", 1, 1).await;

    drop(tab);
    node.wait_for("room", 1, 1).await;
    drop(other_tab);
    let closed = tokio::time::Instant::now();
    let ben = node.connect(&["room"], &user("ben"));
    // Closing one of two tabs has shown nothing.
    assert_eq!(events.next().await, joined("ben", 2));
    assert_eq!(events.next().await, left("anna", 1));
    assert!(closed.elapsed() >= GRACE, "{:?}", closed.elapsed());
    drop(ben);
    assert_eq!(events.next().await, left("ben", 0));
    node.wait_for("room", 0, 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_reloads_show_nothing_in_events_and_counts() {
    let node = Node::start(&broadcaster());
    let mut events = node.events("room");
    let mut tab = node.connect(&["room"], &user("anna"));
    let mut anonymous = node.connect(&["room"], &Grants::anonymous());
    assert_eq!(events.next().await, joined("anna", 1));
    node.wait_for("room", 1, 2).await;
    for _ in 0..100 {
        drop((tab.take(), anonymous.take()));
        tokio::time::sleep(Duration::from_millis(700)).await;
        let counts = node.presence.counts("room").await.unwrap();
        assert_eq!((counts.users, counts.connections), (1, 2));
        tab = node.connect(&["room"], &user("anna"));
        anonymous = node.connect(&["room"], &Grants::anonymous());
    }
    tokio::time::sleep(2 * GRACE).await;
    node.wait_for("room", 1, 2).await;
    let _ben = node.connect(&["room"], &user("ben"));
    assert_eq!(events.next().await, joined("ben", 2));
}

#[tokio::test]
async fn all_topics_internal_ones_and_those_without_presence_are_not_joined() {
    let node = Node::start(&broadcaster());
    let long = format!("rooms/{}", "x".repeat(MAX_TOPIC_BYTES));
    let long = &long[..=MAX_TOPIC_BYTES];
    for topic in ["*", "other", "$presence/room", "$signal/room", long] {
        assert!(node.connect(&[topic], &user("anna")).is_none(), "{topic}");
    }
    assert!(node.connect(&["other", "room"], &user("anna")).is_some());
}

#[tokio::test]
async fn a_list_is_paged_in_the_order_of_users_and_has_their_data() {
    let node = Node::start(&broadcaster());
    let names = ["anna", "ben", "clara"];
    let connections = names.map(|name| node.connect(&["room"], &user(name)));
    let _anonymous = node.connect(&["room"], &Grants::anonymous());
    node.wait_for("room", 3, 4).await;
    let page = node.presence.members("room", "", 2).await.unwrap();
    let users: Vec<_> = page.found.iter().map(|member| &*member.user).collect();
    assert_eq!((users, page.more), (vec!["anna", "ben"], true));
    assert_eq!(page.found[0].data.as_deref(), Some(r#"{"name":"ANNA"}"#));
    let page = node.presence.members("room", "ben", 2).await.unwrap();
    assert_eq!((page.found.len(), page.more), (1, false));
    drop(connections);
}

#[tokio::test(start_paused = true)]
async fn the_signal_has_the_counts_at_most_twice_a_second_and_is_zero_before_it_ends() {
    let node = Node::start(&broadcaster());
    let name = signal_name("room").unwrap();
    let document = async || node.signals.get(&name).await.unwrap();
    let mut connections = Vec::new();
    let mut versions = std::collections::BTreeSet::new();
    let begun = tokio::time::Instant::now();
    for number in 0..100 {
        connections.push(node.connect(&["room"], &user(&number.to_string())));
        tokio::time::sleep(Duration::from_millis(20)).await;
        versions.extend(document().await.map(|document| document.version));
    }
    let most = begun.elapsed().as_millis() / 500 + 1;
    assert!(
        (2..=most).contains(&(versions.len() as u128)),
        "{versions:?}"
    );
    let reached = async {
        let all = json!({ "users": 100, "connections": 100 });
        while document()
            .await
            .is_none_or(|document| document.value != all)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        connections.clear();
        let mut last = Value::Null;
        while let Some(document) = document().await {
            last = document.value;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        last
    };
    let last = timeout(PATIENCE, reached).await.unwrap();
    assert_eq!(last, json!({ "users": 0, "connections": 0 }));
}

#[tokio::test(start_paused = true)]
async fn somebody_who_comes_while_the_signal_is_zero_is_shown_and_the_signal_stays() {
    let node = Node::start(&broadcaster());
    let name = signal_name("room").unwrap();
    let shows = async |connections: u64| {
        let counts = json!({ "users": 0, "connections": connections });
        while node
            .signals
            .get(&name)
            .await
            .unwrap()
            .is_none_or(|document| document.value != counts)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let come_and_go = async {
        drop(node.connect(&["room"], &Grants::anonymous()));
        shows(1).await;
        shows(0).await;
        let _second = node.connect(&["room"], &Grants::anonymous());
        shows(1).await;
        tokio::time::sleep(GRACE).await;
        shows(1).await;
    };
    timeout(PATIENCE, come_and_go).await.unwrap();
}

#[tokio::test]
async fn a_new_process_announces_that_those_of_the_one_before_are_gone() {
    let broadcaster = broadcaster();
    let signals = Signals::new(&broadcaster);
    let name = signal_name("room").unwrap();
    let left_over = json!({ "users": 3, "connections": 4 });
    let condition = Condition::default();
    signals.set(&name, &condition, left_over).await.unwrap();
    let other = "counter".parse().unwrap();
    signals.set(&other, &condition, json!(1)).await.unwrap();

    let mut events = Events::of(&broadcaster, "room");
    let node = Node::start(&broadcaster);
    let _anna = node.connect(&["room"], &user("anna"));
    let reset = ("reset".to_owned(), json!({ "users": 0 }));
    assert_eq!(events.next().await, reset);
    assert_eq!(events.next().await, joined("anna", 1));
    assert!(signals.get(&other).await.unwrap().is_some());
}

#[tokio::test]
async fn among_ten_thousand_members_each_change_is_one_small_event() {
    const MEMBERS: u64 = 10_000;
    let node = Node::start(&broadcaster());
    let mut events = node.events("room");
    let mut connections = Vec::new();
    for number in 0..MEMBERS {
        connections.push(node.connect(&["room"], &user(&format!("user-{number}"))));
    }
    for number in 1..=MEMBERS {
        let (name, data) = events.next().await;
        assert_eq!((name.as_str(), &data["users"]), ("join", &json!(number)));
        assert!(data.to_string().len() < 100, "{data}");
    }
    node.wait_for("room", MEMBERS, MEMBERS).await;
    let _again = node.connect(&["room"], &user("user-7"));
    let _new = node.connect(&["room"], &user("new"));
    assert_eq!(events.next().await, joined("new", MEMBERS + 1));
}
