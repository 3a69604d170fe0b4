//! The topics of one event, or of one subscription.

use smallvec::SmallVec;

use super::{Invalid, Topic};

/// Most topics that one event may have, and that one subscription may ask for.
pub const MAX_TOPICS: usize = 100;

/// Topics without repeats. Most events have one.
pub(super) type Topics = SmallVec<[Topic; 1]>;

/// The error for so many topics.
pub(super) fn too_many_topics(count: usize) -> Invalid {
    Invalid::new(
        "too_many_topics",
        format!("{count} topics; at most {MAX_TOPICS} are allowed"),
    )
}

/// The topics with these names, in their order, each by `parse`.
pub(super) fn parse_topics<S: AsRef<str>>(
    texts: &[S],
    parse: fn(&str) -> Result<Topic, Invalid>,
) -> Result<Topics, Invalid> {
    if texts.len() > MAX_TOPICS {
        return Err(too_many_topics(texts.len()));
    }
    let mut topics = Topics::with_capacity(texts.len());
    for text in texts {
        let topic = parse(text.as_ref())?;
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    Ok(topics)
}
