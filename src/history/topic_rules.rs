//! Rules by topic: how much of a topic is kept, and whether its last event is.

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{Batch, Retain};
use crate::event::{Event, Topic, TopicMatcher};

/// Most rules of one broadcaster: each is asked for each topic that is published.
pub const MAX_TOPIC_RULES: usize = 100;
/// Longest topic whose last event is kept, in bytes: every history has to take it as a part of a key.
pub const MAX_LATEST_TOPIC_BYTES: usize = 1_900;

/// What the keys of last events begin with; the topic follows.
pub(crate) const LATEST_PREFIX: &str = "$latest/";

/// The key under which the last event of a topic is retained, packed as [`Event::pack`] does. No topic, and so no other
/// value, has a key that begins like this.
///
/// ```
/// use sse_broadcaster::{
///     Broadcaster, Event, Memory, Options, Topic, event::Selector,
///     history::{Batch, Retain, Retention, TopicRule, TopicRules, latest_key},
/// };
/// # use std::sync::Arc;
/// # #[derive(Debug)]
/// # struct Any;
/// # impl sse_broadcaster::event::TopicMatcher for Any {
/// #     fn matches(&self, _: &str) -> bool { true }
/// # }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let rules = TopicRules::new([TopicRule::new(Arc::new(Any)).latest()])?;
/// let options = Options::default().topic_rules(rules);
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), options)?;
/// let id = broadcaster.publish_one(Event::builder("12").topic("price").build()?).await?;
///
/// let kept = broadcaster.retained(&[&latest_key("price")]).await?;
/// let (_, written_at) = kept.values[0].as_ref().ok_or("the last event")?;
/// assert_eq!(*written_at, id);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn latest_key(topic: &str) -> String {
    format!("{LATEST_PREFIX}{topic}")
}

/// The topic of a key that [`latest_key`] gave.
pub(crate) fn topic_of(key: &str) -> Option<&str> {
    key.strip_prefix(LATEST_PREFIX)
}

/// What is kept of the topics that a matcher selects.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TopicRule {
    matcher: Arc<dyn TopicMatcher>,
    /// Most events of each topic; 0 keeps none for replay. `None`, the default, is no limit of the topic's own.
    pub events: Option<usize>,
    /// Most bytes of each topic's events; `None`, the default, is no limit of the topic's own.
    pub bytes: Option<usize>,
    /// How old the events of these topics grow; `None`, the default, is no limit of the topic's own.
    pub age: Option<Duration>,
    /// Whether each topic's last event is kept outside of retention, and sent first to new subscribers.
    pub latest: bool,
}

impl TopicRule {
    /// For the topics that this matcher selects, without limits.
    #[must_use]
    pub fn new(matcher: Arc<dyn TopicMatcher>) -> Self {
        Self {
            matcher,
            events: None,
            bytes: None,
            age: None,
            latest: false,
        }
    }

    /// Sets [`events`](Self::events).
    #[must_use]
    pub fn events(mut self, events: usize) -> Self {
        self.events = Some(events);
        self
    }

    /// Sets [`bytes`](Self::bytes).
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Sets [`age`](Self::age).
    #[must_use]
    pub fn age(mut self, age: Duration) -> Self {
        self.age = Some(age);
        self
    }

    /// Sets [`latest`](Self::latest).
    #[must_use]
    pub fn latest(mut self) -> Self {
        self.latest = true;
        self
    }

    /// Whether it drops events before the retention of the whole log does.
    #[must_use]
    pub fn has_limit(&self) -> bool {
        self.events.is_some() || self.bytes.is_some() || self.age.is_some()
    }

    /// Whether it applies to this topic, unless a rule before it does.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        !Topic::is_internal_name(topic) && self.matcher.matches(topic)
    }
}

/// Rules in order: the first that matches a topic applies to it. None applies to topics that begin with `$`.
///
/// All nodes that share a log have to be given the same rules: each applies its own to what is published on it, and to
/// what it sends to its subscribers.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use sse_broadcaster::{event::TopicMatcher, history::{TopicRule, TopicRules}};
///
/// #[derive(Debug)]
/// struct Below(&'static str);
///
/// impl TopicMatcher for Below {
///     fn matches(&self, topic: &str) -> bool {
///         topic.starts_with(self.0)
///     }
/// }
///
/// let rules = TopicRules::new([
///     TopicRule::new(Arc::new(Below("prices/"))).events(1).latest(),
///     TopicRule::new(Arc::new(Below(""))).age(Duration::from_secs(3600)),
/// ])?;
/// assert_eq!(rules.find("prices/a").and_then(|rule| rule.events), Some(1));
/// assert_eq!(rules.find("jobs/1").and_then(|rule| rule.events), None);
/// assert!(rules.find("$signal/a").is_none());
/// # Ok::<_, sse_broadcaster::history::TooManyTopicRules>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct TopicRules(Arc<[TopicRule]>);

impl TopicRules {
    /// These rules, in their order.
    ///
    /// # Errors
    /// [`TooManyTopicRules`] past [`MAX_TOPIC_RULES`].
    pub fn new(rules: impl IntoIterator<Item = TopicRule>) -> Result<Self, TooManyTopicRules> {
        let rules: Arc<[_]> = rules.into_iter().take(MAX_TOPIC_RULES + 1).collect();
        if rules.len() > MAX_TOPIC_RULES {
            return Err(TooManyTopicRules);
        }
        Ok(Self(rules))
    }

    /// The rule that applies to this topic.
    #[must_use]
    pub fn find(&self, topic: &str) -> Option<&TopicRule> {
        self.0.iter().find(|rule| rule.matches(topic))
    }

    /// The rules, in their order.
    #[must_use]
    pub fn rules(&self) -> &[TopicRule] {
        &self.0
    }

    /// Whether some rule drops events.
    pub(crate) fn have_limits(&self) -> bool {
        self.0.iter().any(TopicRule::has_limit)
    }

    /// The rule that drops events of this topic, if there is one.
    pub(crate) fn limit(&self, topic: &str) -> Option<&TopicRule> {
        self.find(topic).filter(|rule| rule.has_limit())
    }

    /// Whether the last event of some topics is kept.
    #[must_use]
    pub fn have_latest(&self) -> bool {
        self.0.iter().any(|rule| rule.latest)
    }

    /// Whether the last event of this topic is kept. None is of a topic longer than [`MAX_LATEST_TOPIC_BYTES`].
    #[must_use]
    pub fn keep_latest(&self, topic: &str) -> bool {
        topic.len() <= MAX_LATEST_TOPIC_BYTES && self.find(topic).is_some_and(|rule| rule.latest)
    }

    /// Has the batch retain the last event of each of its topics of which it is kept. A
    /// [`Broadcaster`](crate::Broadcaster) does so with what is published; for histories that take events by other ways.
    pub fn retain_latest(&self, batch: &mut Batch) {
        if !self.have_latest() {
            return;
        }
        // Topics with an event that is no repeat: those before it in the batch are overwritten in any case.
        let mut decided = HashSet::new();
        let mut retain = Vec::new();
        for (index, event) in batch.events.iter().enumerate().rev() {
            let mut packed = None;
            for topic in event.topics().iter().map(Topic::as_str) {
                if decided.contains(topic) || !self.keep_latest(topic) {
                    continue;
                }
                if event.idempotency_key().is_none() {
                    decided.insert(topic);
                }
                let value = packed.get_or_insert_with(|| pack(event)).clone();
                retain.push(Retain::new(latest_key(topic), Some(value)).of_event(index));
            }
        }
        // Of several for one key the last is to count.
        batch.retain.extend(retain.into_iter().rev());
    }
}

fn pack(event: &Event) -> Bytes {
    let mut packed = Vec::new();
    event.pack(&mut packed);
    packed.into()
}

/// More than [`MAX_TOPIC_RULES`] rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyTopicRules;

impl fmt::Display for TooManyTopicRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX_TOPIC_RULES} rules by topic are allowed")
    }
}

impl std::error::Error for TooManyTopicRules {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Fields;

    #[derive(Debug)]
    struct Below(&'static str);

    impl TopicMatcher for Below {
        fn matches(&self, topic: &str) -> bool {
            topic.starts_with(self.0)
        }
    }

    fn rule(prefix: &'static str) -> TopicRule {
        TopicRule::new(Arc::new(Below(prefix)))
    }

    fn event(topics: &[&str], data: &str, key: Option<&str>) -> Event {
        let event = Event::builder(data);
        let event = topics
            .iter()
            .fold(event, |event, topic| event.topic(*topic));
        let event = match key {
            Some(key) => event.idempotency_key(key),
            None => event,
        };
        event.build().unwrap()
    }

    fn retained(batch: Vec<Event>) -> Vec<(String, usize, String)> {
        let rules = TopicRules::new([rule("a/none"), rule("a").latest()]).unwrap();
        let mut batch = Batch::from(batch);
        rules.retain_latest(&mut batch);
        let read = |retain: &Retain| {
            let value = retain.value.as_ref().unwrap();
            let data = Fields::checked(value).unwrap().data().to_owned();
            (retain.key.clone(), retain.of_event.unwrap(), data)
        };
        batch.retain.iter().map(read).collect()
    }

    #[test]
    fn the_first_rule_that_matches_applies_and_none_to_internal_topics() {
        let rules = TopicRules::new([rule("a/b").events(1), rule("").latest()]).unwrap();
        assert_eq!(rules.find("a/b/c").unwrap().events, Some(1));
        assert!(!rules.keep_latest("a/b/c") && rules.keep_latest("a/c"));
        assert!(rules.find("$signal/x").is_none() && !rules.keep_latest("$signal/x"));
        assert!(!rules.keep_latest(&"x".repeat(MAX_LATEST_TOPIC_BYTES + 1)));
        let none = TopicRules::default();
        assert!(none.find("a").is_none() && !none.have_latest());
    }

    #[test]
    fn rules_have_a_limit() {
        let of = |count| TopicRules::new((0..count).map(|_| rule("")));
        assert_eq!(of(MAX_TOPIC_RULES).unwrap().rules().len(), MAX_TOPIC_RULES);
        assert_eq!(of(MAX_TOPIC_RULES + 1).unwrap_err(), TooManyTopicRules);
    }

    #[test]
    fn a_batch_retains_the_last_event_of_each_topic_that_has_the_rule() {
        let batch = vec![
            event(&["a", "b"], "1", None),
            event(&["a/none", "a", "a2"], "2", None),
            event(&["b"], "3", None),
        ];
        let key = latest_key;
        assert_eq!(
            retained(batch),
            [(key("a2"), 1, "2".into()), (key("a"), 1, "2".into())]
        );
    }

    #[test]
    fn what_may_be_a_repeat_leaves_what_is_before_it() {
        let batch = vec![
            event(&["a"], "1", None),
            event(&["a"], "2", Some("x")),
            event(&["a"], "3", None),
            event(&["a"], "4", Some("y")),
        ];
        assert_eq!(
            retained(batch),
            [
                (latest_key("a"), 2, "3".into()),
                (latest_key("a"), 3, "4".into())
            ]
        );
    }
}
