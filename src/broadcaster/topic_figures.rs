//! How many subscribers topics have, and how many events they had lately, for operators.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use super::Broadcaster;
use crate::{
    event::{EventId, SelectedTopics, Selector, Topic},
    history::{From, Limit},
};

/// Most that is taken from the window in one hold of its lock.
const STEP: Limit = Limit::new(1_024, usize::MAX);

/// The subscribers of topics.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SubscribersByTopic {
    /// How many subscribers name each topic, but for those that begin with `$`.
    pub topics: HashMap<Topic, u64>,
    /// How many subscribe to all topics.
    pub every: u64,
    /// How many subscribe by patterns, beside topics or not.
    pub patterns: u64,
    /// Whether all topics are here.
    pub is_complete: bool,
}

/// The events of one topic within some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecentEvents {
    /// How many there were.
    pub count: u64,
    /// The id of the newest.
    pub last_id: EventId,
}

impl Broadcaster {
    /// Counts the subscribers of the topics that begin with `prefix`, of at most `max_topics` different ones.
    ///
    /// It looks at every subscriber, in bounded holds of the locks: with many of them, call it on a thread that may
    /// wait.
    #[must_use]
    pub fn subscribers_by_topic(&self, prefix: &str, max_topics: usize) -> SubscribersByTopic {
        let mut counts = SubscribersByTopic {
            is_complete: true,
            ..SubscribersByTopic::default()
        };
        for shard in self.inner.shards.all() {
            shard.each_selector(|selector| counts.add(selector, prefix, max_topics));
        }
        counts
    }

    /// Counts the events of the last `within` by topic, as far as the window holds them, but for those of topics that
    /// begin with `$`.
    ///
    /// It passes over all of them, in bounded holds of the window's lock: call it on a thread that may wait.
    #[must_use]
    pub fn recent_events_by_topic(&self, within: Duration) -> HashMap<Topic, RecentEvents> {
        let window = &self.inner.window;
        let (selector, head) = (Selector::all().with_private(), window.head().id);
        let mut topics = HashMap::new();
        let mut from = From::Since(SystemTime::now() - within);
        loop {
            let chunk = window.read(from, &selector, STEP);
            for found in &chunk.events {
                count_event(&mut topics, found.event().topics(), found.id());
            }
            if chunk.read_to >= head {
                return topics;
            }
            from = From::After(chunk.read_to);
        }
    }
}

fn count_event(counts: &mut HashMap<Topic, RecentEvents>, topics: &[Topic], last_id: EventId) {
    for topic in topics.iter().filter(|topic| !topic.is_internal()) {
        if let Some(recent) = counts.get_mut(topic) {
            recent.count += 1;
            recent.last_id = last_id;
        } else {
            counts.insert(topic.clone(), RecentEvents { count: 1, last_id });
        }
    }
}

impl SubscribersByTopic {
    fn add(&mut self, selector: &Selector, prefix: &str, max_topics: usize) {
        match selector.selected() {
            SelectedTopics::All | SelectedTopics::Every => self.every += 1,
            SelectedTopics::Topics(topics) => self.add_topics(topics, prefix, max_topics),
            SelectedTopics::Matching(matching) => {
                self.patterns += 1;
                self.add_topics(matching.topics(), prefix, max_topics);
            }
        }
    }

    fn add_topics(&mut self, topics: &[Topic], prefix: &str, max_topics: usize) {
        let is_listed = |topic: &&Topic| !topic.is_internal() && topic.as_str().starts_with(prefix);
        for topic in topics.iter().filter(is_listed) {
            if let Some(count) = self.topics.get_mut(topic) {
                *count += 1;
            } else if self.topics.len() < max_topics {
                self.topics.insert(topic.clone(), 1);
            } else {
                self.is_complete = false;
            }
        }
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::{Event, Memory, Options, Start, history::Retention};

    fn topic(name: &str) -> Topic {
        name.parse().unwrap()
    }

    #[tokio::test]
    async fn subscribers_and_events_are_counted_by_topic_as_far_as_they_fit() {
        let memory = Memory::new(Retention::default());
        let broadcaster = Broadcaster::start(memory, Options::default()).unwrap();
        let subscribe = |selector| broadcaster.subscribe(selector, Start::Live).unwrap();
        let _streams = [
            subscribe(Selector::topics(&["a", "b"]).unwrap()),
            subscribe(Selector::topics(&["b"]).unwrap()),
            subscribe(Selector::all()),
        ];
        let counts = broadcaster.subscribers_by_topic("", 9);
        assert_eq!(counts.topics[&topic("a")], 1);
        assert_eq!(counts.topics[&topic("b")], 2);
        assert_eq!((counts.every, counts.patterns), (1, 0));
        assert!(counts.is_complete);
        let counts = broadcaster.subscribers_by_topic("", 1);
        assert!(counts.topics.len() == 1 && !counts.is_complete);
        let counts = broadcaster.subscribers_by_topic("b", 1);
        assert!(counts.topics[&topic("b")] == 2 && counts.is_complete);

        let event = |name: &str| Event::builder("").topic(name).private().build().unwrap();
        let events: Vec<_> = (0..3_000).map(|n| event(["a", "b"][n % 2])).collect();
        let ids = broadcaster.publish(events).await.unwrap().ids;
        let recent = broadcaster.recent_events_by_topic(Duration::from_secs(60));
        let of = |count, last_id: EventId| RecentEvents { count, last_id };
        assert_eq!(recent[&topic("a")], of(1_500, ids[2_998]));
        assert_eq!(recent[&topic("b")], of(1_500, ids[2_999]));
        let recent = broadcaster.recent_events_by_topic(Duration::ZERO);
        assert!(recent.len() <= 2);
    }
}
