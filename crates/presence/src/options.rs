use std::time::Duration;

use sse_broadcaster_access::PatternSet;

use crate::Webhooks;

/// Which topics have presence, and its times.
///
/// ```
/// use std::time::Duration;
/// use sse_broadcaster_access::{Pattern, PatternSet};
/// use sse_broadcaster_presence::PresenceOptions;
///
/// let topics = PatternSet::new([Pattern::selector("rooms/{room}")?])?;
/// let options = PresenceOptions::new(topics).grace(Duration::from_secs(5));
/// assert_eq!(options.heartbeat, Duration::from_secs(5));
/// # Ok::<_, sse_broadcaster_access::PatternError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PresenceOptions {
    /// Topics with presence.
    pub topics: PatternSet,
    /// How long a connection that ended still counts, so that a reload of a page shows nothing.
    pub grace: Duration,
    /// Interval of a node's heartbeats. The members of a node that was killed are removed within three of these.
    pub heartbeat: Duration,
    /// The endpoint of the application that receives events; `None` without one.
    pub webhooks: Option<Webhooks>,
}

impl PresenceOptions {
    /// Presence of these topics, with a grace of 10 s and a heartbeat each 5 s.
    #[must_use]
    pub fn new(topics: PatternSet) -> Self {
        Self {
            topics,
            grace: Duration::from_secs(10),
            heartbeat: Duration::from_secs(5),
            webhooks: None,
        }
    }

    /// Sets how long a connection that ended still counts.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Sets the endpoint of the application that receives events.
    #[must_use]
    pub fn webhooks(self, webhooks: Webhooks) -> Self {
        let webhooks = Some(webhooks);
        Self { webhooks, ..self }
    }

    /// Sets the interval of heartbeats; at least 100 ms.
    #[must_use]
    pub fn heartbeat(self, heartbeat: Duration) -> Self {
        let heartbeat = heartbeat.max(Duration::from_millis(100));
        Self { heartbeat, ..self }
    }
}
