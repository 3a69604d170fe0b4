use std::sync::Arc;

use futures_util::StreamExt as _;

use super::*;
use crate::{
    Broadcaster, Event, Memory, Options, Selector, Start,
    event::TopicMatcher,
    history::{Retention, TopicRule, TopicRules},
};

#[derive(Debug)]
struct Below(&'static str);

impl TopicMatcher for Below {
    fn matches(&self, topic: &str) -> bool {
        topic.starts_with(self.0)
    }
}

/// Topics below `p` have the rule, and history holds 16 events.
fn broadcaster() -> Broadcaster {
    let rule = TopicRule::new(Arc::new(Below("p"))).latest();
    let options = Options::default()
        .topic_rules(TopicRules::new([rule]).unwrap())
        .max_event_bytes(300 << 10);
    let memory = Memory::new(Retention::new().events(16));
    Broadcaster::start(memory, options).unwrap()
}

async fn publish(broadcaster: &Broadcaster, topic: &str, data: &str) -> EventId {
    let event = Event::builder(data).topic(topic).build().unwrap();
    broadcaster.publish_one(event).await.unwrap()
}

/// What a stream is sent up to an event with this data: the data of events and the names of notices.
async fn read(subscription: &mut Subscription, end: &str) -> Vec<String> {
    let mut read = Vec::new();
    while read.last().is_none_or(|last| last != end) {
        match subscription.next().await.unwrap() {
            Item::Events(events) => {
                let data = events.iter().map(|found| found.event().data().to_owned());
                read.extend(data);
            }
            Item::Notice(Notice::Gap(gap)) => {
                assert_eq!(gap.position, None);
                read.push("gap".to_owned());
            }
            Item::Notice(Notice::Connected(_)) => read.push("connected".to_owned()),
            Item::Notice(Notice::Position(Some(_))) => read.push("position".to_owned()),
            _ => {}
        }
    }
    read
}

#[tokio::test]
async fn a_stream_that_history_has_overtaken_is_sent_the_last_events_behind_the_gap() {
    let broadcaster = broadcaster();
    publish(&broadcaster, "p1", "had").await;
    publish(&broadcaster, "p2", "overtaken before it is read").await;
    let mut slow = broadcaster.subscribe(Selector::all(), Start::Live).unwrap();
    publish(&broadcaster, "p2", "seen").await;
    assert_eq!(read(&mut slow, "seen").await, ["had", "connected", "seen"]);
    publish(&broadcaster, "p2", "lost").await;
    publish(&broadcaster, "p2", "kept").await;
    for _ in 0..40 {
        publish(&broadcaster, "other", "x").await;
    }
    publish(&broadcaster, "p3", "end").await;
    let sent = read(&mut slow, "end").await;
    assert_eq!(&sent[..3], ["gap", "kept", "position"]);
    assert!(sent[3..18].iter().all(|data| data == "x"), "{sent:?}");
    assert_eq!((&sent[18][..], sent.len()), ("end", 19));
}

#[tokio::test]
async fn a_stream_that_begins_after_an_unknown_id_is_sent_them_all() {
    let broadcaster = broadcaster();
    let id = publish(&broadcaster, "p1", "kept").await;
    for _ in 0..40 {
        publish(&broadcaster, "other", "x").await;
    }
    publish(&broadcaster, "p2", "end").await;
    // Of another log, before or after this one, and no id at all.
    let later = EventId::new(id.ms() + 1_000_000, 1).to_string();
    for start in ["1-1", &later, "unknown"] {
        let start = Start::After(start.to_owned());
        let mut stream = broadcaster.subscribe(Selector::all(), start).unwrap();
        let sent = read(&mut stream, "end").await;
        assert_eq!(&sent[..3], ["gap", "kept", "connected"]);
        assert_eq!(sent.len(), 3 + 16);
    }
}

#[tokio::test]
async fn parts_are_bounded_and_no_more_than_one_is_held() {
    let broadcaster = broadcaster();
    let large: Vec<_> = (0..12)
        .map(|n| char::from(b'a' + n).to_string().repeat(100 << 10))
        .collect();
    for (n, data) in large.iter().enumerate() {
        publish(&broadcaster, &format!("p{n}"), data).await;
    }
    for _ in 0..40 {
        publish(&broadcaster, "other", "x").await;
    }
    let mut stream = broadcaster.subscribe(Selector::all(), Start::Live).unwrap();
    let mut sent = Vec::new();
    loop {
        match stream.next().await.unwrap() {
            Item::Events(events) => {
                assert!(events.text_bytes() <= 256 << 10);
                sent.extend(events.iter().map(|found| found.event().data().to_owned()));
                drop(events);
            }
            Item::Notice(Notice::Connected(_)) => break,
            _ => {}
        }
    }
    assert!(sent == large, "{} of {} came", sent.len(), large.len());
    assert_eq!(broadcaster.replay_buffers().used(), 0);
}

#[tokio::test]
async fn streams_of_topics_without_the_rule_begin_as_ever() {
    let broadcaster = broadcaster();
    publish(&broadcaster, "p1", "kept").await;
    let other = Selector::topics(&["other"]).unwrap();
    let mut stream = broadcaster.subscribe(other, Start::Live).unwrap();
    publish(&broadcaster, "other", "live").await;
    // It began at once, and not when history was read.
    assert_eq!(read(&mut stream, "live").await, ["connected", "live"]);
    assert_eq!(broadcaster.stats().replayed.get(), 0);
}
