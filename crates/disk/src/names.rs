//! The topics of a log, found by seeking from each to the next.

use super::{
    engine::{Fault, Store},
    record::{Damaged, Listed, id_of_topic_key, topic_keys_from, topic_of_key},
};
use sse_broadcaster::{
    event::{EventId, Topic},
    history::{NameKind, NameRange, Names},
};

/// Sorts behind every byte of a key that ends a topic, and before those of longer topics.
const BEHIND_TOPIC: &str = "\u{1}";
/// Behind every topic of the server's own, which begin with `$`.
const BEHIND_RESERVED: &str = "%";
const RESERVED: &str = "$";

/// Two seeks for each topic.
pub(super) fn topics(store: &Store, range: NameRange<'_>) -> Result<Names, Fault> {
    let view = store.view();
    let mut names = Names::default();
    let mut from = if range.after > range.prefix {
        format!("{}{BEHIND_TOPIC}", range.after)
    } else {
        range.prefix.to_owned()
    };
    while let Some(key) = view.topic_key_from(topic_keys_from(&from))? {
        let topic = topic_of_key(&key)?;
        if topic.starts_with(RESERVED) {
            BEHIND_RESERVED.clone_into(&mut from);
            continue;
        }
        if !range.holds(NameKind::Topics, topic) {
            break;
        }
        if names.found.len() == range.limit {
            names.more = true;
            break;
        }
        let topic = Topic::new(topic).map_err(|_| Damaged)?;
        let before = id_of_topic_key(&key)?.before();
        let end = EventId::new(u64::MAX, u64::MAX);
        let mut ids = view.of_topic(Listed::Whole, &topic, before, end);
        if let Some(newest) = ids.next_back() {
            names.found.push((topic.as_str().to_owned(), newest?));
        }
        from = format!("{topic}{BEHIND_TOPIC}");
    }
    Ok(names)
}
