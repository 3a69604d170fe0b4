use std::{sync::Arc, time::Duration};

use super::{error::StartError, observer::TraceObserver};
use crate::{
    event::Event,
    history::{Retention, TopicRules},
    sse::PositionCipher,
};

/// Fewest events that the window must have room for.
pub const MIN_WINDOW_EVENTS: usize = 16;
/// How many events of the largest size the window must have room for.
pub const MIN_WINDOW_LARGEST: usize = 8;

/// How a broadcaster behaves. Durations of zero mean "at once" but for `ping_interval`, which has a
/// millisecond at least.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use sse_broadcaster::Options;
///
/// let options = Options::default()
///     .ping_interval(Duration::from_secs(10))
///     .max_event_bytes(64 << 10);
/// assert_eq!(options.max_event_bytes, 65_536);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// How many threads serve subscribers; each has a shard of its own. At least one; as many as the machine
    /// has processors unless set.
    pub shards: usize,
    /// Longest time for which a stream is sent nothing; 4 s.
    pub ping_interval: Duration,
    /// How long a publish waits for room while this server lags; 5 s.
    pub publish_wait: Duration,
    /// Longest data of one event, in bytes; 1 MiB.
    pub max_event_bytes: usize,
    /// Most subscribers at once; without a limit unless set.
    pub max_subscribers: usize,
    /// How many bytes per second one stream is sent of history, beyond its first megabyte; 0 is no limit. Live
    /// events are not held back. 20 MB/s.
    pub replay_bytes_per_second: u64,
    /// Most bytes that are held in all of what was read of history for streams, until their clients have taken
    /// it; 64 MiB. Reads wait while there is no room.
    pub replay_buffer_bytes: usize,
    /// Encrypts positions that are ids of events which a client may not read. Without one, which is the default,
    /// clients are sent these ids as they are.
    pub position_cipher: Option<Arc<dyn PositionCipher>>,
    /// Whether it is kept who is at the other end of each stream, for
    /// [`Broadcaster::connections`](super::Broadcaster::connections): some 90 bytes for each; not unless set.
    pub connections: bool,
    /// Receives what happens to traced events; none unless set.
    pub observer: Option<Arc<dyn TraceObserver>>,
    /// What is kept of which topics; no rules unless set. All nodes that share a log have to be given the same.
    pub topic_rules: TopicRules,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shards: std::thread::available_parallelism().map_or(2, Into::into),
            ping_interval: Duration::from_secs(4),
            publish_wait: Duration::from_secs(5),
            max_event_bytes: 1 << 20,
            max_subscribers: usize::MAX,
            replay_bytes_per_second: 20_000_000,
            replay_buffer_bytes: 64 << 20,
            position_cipher: None,
            connections: false,
            observer: None,
            topic_rules: TopicRules::default(),
        }
    }
}

impl Options {
    /// Sets [`shards`](Self::shards).
    #[must_use]
    pub fn shards(self, shards: usize) -> Self {
        Self { shards, ..self }
    }

    /// Sets [`ping_interval`](Self::ping_interval).
    #[must_use]
    pub fn ping_interval(self, ping_interval: Duration) -> Self {
        Self {
            ping_interval,
            ..self
        }
    }

    /// Sets [`publish_wait`](Self::publish_wait).
    #[must_use]
    pub fn publish_wait(self, publish_wait: Duration) -> Self {
        Self {
            publish_wait,
            ..self
        }
    }

    /// Sets [`max_event_bytes`](Self::max_event_bytes).
    #[must_use]
    pub fn max_event_bytes(self, max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            ..self
        }
    }

    /// Sets [`max_subscribers`](Self::max_subscribers).
    #[must_use]
    pub fn max_subscribers(self, max_subscribers: usize) -> Self {
        Self {
            max_subscribers,
            ..self
        }
    }

    /// Sets [`replay_bytes_per_second`](Self::replay_bytes_per_second).
    #[must_use]
    pub fn replay_bytes_per_second(self, replay_bytes_per_second: u64) -> Self {
        Self {
            replay_bytes_per_second,
            ..self
        }
    }

    /// Sets [`replay_buffer_bytes`](Self::replay_buffer_bytes).
    #[must_use]
    pub fn replay_buffer_bytes(self, replay_buffer_bytes: usize) -> Self {
        Self {
            replay_buffer_bytes,
            ..self
        }
    }

    /// Sets [`position_cipher`](Self::position_cipher).
    #[must_use]
    pub fn position_cipher(self, cipher: Arc<dyn PositionCipher>) -> Self {
        Self {
            position_cipher: Some(cipher),
            ..self
        }
    }

    /// Sets [`connections`](Self::connections).
    #[must_use]
    pub fn connections(self, connections: bool) -> Self {
        Self {
            connections,
            ..self
        }
    }

    /// Sets [`observer`](Self::observer).
    #[must_use]
    pub fn observer(self, observer: Arc<dyn TraceObserver>) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// Sets [`topic_rules`](Self::topic_rules).
    #[must_use]
    pub fn topic_rules(self, topic_rules: TopicRules) -> Self {
        Self {
            topic_rules,
            ..self
        }
    }

    pub(super) fn check_window(&self, window: Retention) -> Result<(), StartError> {
        let least_bytes = MIN_WINDOW_LARGEST * Event::largest_memory(self.max_event_bytes);
        if window.events < MIN_WINDOW_EVENTS || window.bytes < least_bytes {
            return Err(StartError::WindowTooSmall {
                least_events: MIN_WINDOW_EVENTS,
                least_bytes,
            });
        }
        Ok(())
    }
}
