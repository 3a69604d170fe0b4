//! Which grant a topic needs to be read.

use sse_broadcaster_access::Grants;
use sse_broadcaster_presence::{topic_of_events, topic_of_signal};
use sse_broadcaster_signals::SIGNAL_TOPIC_PREFIX;

/// The internal topic, and the retained value, of revocations. No grant is for it.
pub const REVOCATIONS_TOPIC: &str = "$revocations";

/// The topic that a grant has to name, so that another one may be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GrantTopic<'a> {
    /// Among those for subscribing.
    Subscribe(&'a str),
    /// Among those for presence.
    Presence(&'a str),
    /// No client may read it.
    Nobody,
}

impl<'a> GrantTopic<'a> {
    /// The events of a topic's presence need a grant of presence on that topic; its counts need what the topic needs.
    pub(super) fn of(topic: &'a str) -> Self {
        if !topic.starts_with('$') {
            return Self::Subscribe(topic);
        }
        if topic == REVOCATIONS_TOPIC {
            return Self::Nobody;
        }
        if let Some(topic) = topic_of_events(topic) {
            return Self::Presence(topic);
        }
        let signal = topic.strip_prefix(SIGNAL_TOPIC_PREFIX);
        Self::Subscribe(signal.and_then(topic_of_signal).unwrap_or(topic))
    }

    pub(super) fn is_granted_by(&self, grants: &Grants) -> bool {
        match self {
            Self::Subscribe(topic) => grants.may_subscribe(topic),
            Self::Presence(topic) => grants.may_see_presence(topic),
            Self::Nobody => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_presence_need_a_grant_of_presence_and_counts_that_of_their_topic() {
        for (topic, needed) in [
            ("room", GrantTopic::Subscribe("room")),
            ("$presence/room", GrantTopic::Presence("room")),
            ("$signal/$presence/room", GrantTopic::Subscribe("room")),
            ("$signal/counter", GrantTopic::Subscribe("$signal/counter")),
            ("$revocations", GrantTopic::Nobody),
            ("presence/room", GrantTopic::Subscribe("presence/room")),
        ] {
            assert_eq!(GrantTopic::of(topic), needed);
        }
    }
}
