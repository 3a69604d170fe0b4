use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    Event, Memory, Options, Selector,
    broadcaster::Start,
    event::TopicMatcher,
    history::{Retention, TopicRule},
};

#[derive(Debug)]
struct Below(&'static str);

impl TopicMatcher for Below {
    fn matches(&self, topic: &str) -> bool {
        topic.starts_with(self.0)
    }
}

fn below(prefix: &'static str) -> TopicRule {
    TopicRule::new(Arc::new(Below(prefix)))
}

/// A broadcaster, and a keeper of these rules whose rounds the test begins.
fn start(rules: impl IntoIterator<Item = TopicRule>) -> (Broadcaster, Keeper) {
    let history = Memory::new(Retention::default());
    let broadcaster = Broadcaster::start(history, Options::default()).unwrap();
    let keeper = Keeper::new(&broadcaster.inner, TopicRules::new(rules).unwrap());
    (broadcaster, keeper)
}

async fn publish(broadcaster: &Broadcaster, topics: &[&str], data: &str) {
    let event = Event::builder(data);
    let event = topics
        .iter()
        .fold(event, |event, topic| event.topic(*topic));
    broadcaster
        .publish_one(event.build().unwrap())
        .await
        .unwrap();
}

async fn left(broadcaster: &Broadcaster) -> Vec<String> {
    let all = Selector::all().with_private();
    let mut reader = broadcaster
        .read_history(all, Start::Earliest, 10_000)
        .await
        .unwrap();
    let mut left = Vec::new();
    while let Some(events) = reader.next().await.unwrap() {
        left.extend(events.iter().map(|found| found.event().data().to_owned()));
    }
    left
}

async fn round(broadcaster: &Broadcaster, keeper: &mut Keeper) {
    let kept = keeper.round(broadcaster.clone()).await;
    assert!(kept.is_ok());
}

/// Two rounds: what the first one sees, the second one looks at.
async fn keep_rules(broadcaster: &Broadcaster, keeper: &mut Keeper) {
    for _ in 0..2 {
        round(broadcaster, keeper).await;
    }
}

#[tokio::test]
async fn an_event_stays_for_a_round_so_that_every_node_can_offer_it_to_its_subscribers() {
    let (broadcaster, mut keeper) = start([below("cursors/").events(0)]);
    publish(&broadcaster, &["cursors/a"], "old").await;
    round(&broadcaster, &mut keeper).await;
    publish(&broadcaster, &["cursors/a"], "new").await;
    assert_eq!(left(&broadcaster).await, ["old", "new"]);
    round(&broadcaster, &mut keeper).await;
    assert_eq!(left(&broadcaster).await, ["new"]);
    round(&broadcaster, &mut keeper).await;
    assert_eq!(left(&broadcaster).await, [""; 0]);
}

#[tokio::test]
async fn of_each_topic_the_newest_events_stay_and_other_topics_keep_theirs() {
    let (broadcaster, mut keeper) =
        start([below("prices/").events(2), below("cursors/").events(0)]);
    for number in 0..4 {
        for topic in ["prices/a", "prices/b", "cursors/a", "orders"] {
            publish(&broadcaster, &[topic], &format!("{topic} {number}")).await;
        }
    }
    keep_rules(&broadcaster, &mut keeper).await;
    let expected = [
        "orders 0",
        "orders 1",
        "prices/a 2",
        "prices/b 2",
        "orders 2",
        "prices/a 3",
        "prices/b 3",
        "orders 3",
    ];
    assert_eq!(left(&broadcaster).await, expected);
    // What changes nothing appends nothing.
    publish(&broadcaster, &["prices/c"], "new").await;
    let head = broadcaster.bounds().head;
    keep_rules(&broadcaster, &mut keeper).await;
    assert_eq!(broadcaster.bounds().head, head);
    assert_eq!(left(&broadcaster).await.len(), expected.len() + 1);
}

#[tokio::test]
async fn an_event_with_another_topic_stays() {
    let (broadcaster, mut keeper) = start([below("a").events(0)]);
    publish(&broadcaster, &["a", "orders"], "both").await;
    publish(&broadcaster, &["a"], "alone").await;
    keep_rules(&broadcaster, &mut keeper).await;
    assert_eq!(left(&broadcaster).await, ["both"]);
}

#[tokio::test]
async fn events_that_have_grown_too_old_go_though_nothing_is_published() {
    let (broadcaster, mut keeper) = start([below("a").age(Duration::from_millis(20))]);
    publish(&broadcaster, &["a"], "old").await;
    publish(&broadcaster, &["b"], "other").await;
    keep_rules(&broadcaster, &mut keeper).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    publish(&broadcaster, &["a"], "new").await;
    // As if a scan were due.
    keeper.scan.restart();
    keep_rules(&broadcaster, &mut keeper).await;
    let left = left(&broadcaster).await;
    assert!(!left.contains(&"old".to_owned()), "{left:?}");
    assert!(left.contains(&"other".to_owned()), "{left:?}");
}

#[tokio::test]
async fn bytes_bound_each_topic() {
    let most = 10_000;
    let (broadcaster, mut keeper) = start([below("a").bytes(most)]);
    let data = "x".repeat(372);
    // Each costs 256, and twice its data and its topic.
    for _ in 0..40 {
        publish(&broadcaster, &["a"], &data).await;
        publish(&broadcaster, &["b"], &data).await;
        keep_rules(&broadcaster, &mut keeper).await;
    }
    let a = Selector::topics(&["a"]).unwrap();
    let mut reader = broadcaster
        .read_history(a, Start::Earliest, 1_000)
        .await
        .unwrap();
    let events = reader.next().await.unwrap().unwrap();
    let bytes: usize = events.iter().map(|found| found.fields().cost()).sum();
    assert!((most * 8 / 10..=most).contains(&bytes), "{bytes}");
    assert_eq!(left(&broadcaster).await.len(), 40 + events.len());
}

#[tokio::test]
async fn what_was_there_at_the_start_is_looked_at_too() {
    let (broadcaster, _) = start([]);
    for number in 0..3 {
        publish(&broadcaster, &["a"], &number.to_string()).await;
    }
    let rules = TopicRules::new([below("a").events(1)]).unwrap();
    let mut keeper = Keeper::new(&broadcaster.inner, rules);
    keep_rules(&broadcaster, &mut keeper).await;
    assert_eq!(left(&broadcaster).await, ["2"]);
}

#[tokio::test]
async fn more_topics_than_one_round_looks_at_follow_in_the_next() {
    let (broadcaster, mut keeper) = start([below("").events(1)]);
    let topics: Vec<_> = (0..=TOPICS_PER_ROUND)
        .map(|number| format!("t{number:03}"))
        .collect();
    for _ in 0..2 {
        for topic in &topics {
            publish(&broadcaster, &[topic], "x").await;
        }
    }
    keep_rules(&broadcaster, &mut keeper).await;
    assert_eq!(left(&broadcaster).await.len(), topics.len() + 1);
    keep_rules(&broadcaster, &mut keeper).await;
    assert_eq!(left(&broadcaster).await.len(), topics.len());
}
