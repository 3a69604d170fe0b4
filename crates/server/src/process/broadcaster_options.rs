//! How the broadcaster behaves, by the settings.

use sse_broadcaster::broadcaster::Options;

use crate::{
    config::{BadSetting, Config},
    http::{connection::limits, workers},
};

/// The options for a server that accepts so many connections.
///
/// # Errors
/// For a rule by topic that is not valid.
pub(super) fn options(config: &Config, max_connections: usize) -> Result<Options, BadSetting> {
    let rules = config.topic_rules.rules(&config.given)?;
    Ok(Options::default()
        .topic_rules(rules)
        .shards(workers::count(config))
        .ping_interval(config.ping_interval)
        .publish_wait(config.publish_wait)
        .max_event_bytes(config.max_event_bytes)
        .max_subscribers(max_subscribers(config, max_connections))
        .replay_bytes_per_second(config.history.replay_bytes_per_second)
        .replay_buffer_bytes(config.history.replay_buffer_bytes))
}

/// How many streams there may be, of so many connections.
pub(super) fn max_subscribers(config: &Config, max_connections: usize) -> usize {
    config
        .max_subscribers
        .unwrap_or_else(|| limits::max_streams(max_connections))
}
