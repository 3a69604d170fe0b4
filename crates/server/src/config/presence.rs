//! The settings of presence.

use std::time::Duration;

use clap::Args;

use super::{BadSetting, duration, some_time};
use sse_broadcaster_access::{Pattern, PatternSet};
use sse_broadcaster_presence::PresenceOptions;

#[derive(Debug, Clone, Args)]
#[allow(clippy::doc_markdown, reason = "--help prints these as they are")]
pub struct PresenceConfig {
    /// Topics whose members are counted and announced: a topic, a URI template such as rooms/{room}, or *;
    /// repeatable [default: none]
    #[arg(
        long,
        env = "SSE_BROADCASTER_PRESENCE",
        value_name = "TOPICS",
        value_delimiter = ','
    )]
    pub presence: Vec<String>,

    /// How long a connection that ended still counts, so that a reload of a page shows nothing
    #[arg(
        long,
        env = "SSE_BROADCASTER_PRESENCE_GRACE",
        value_name = "DURATION",
        value_parser = duration,
        default_value = "10s"
    )]
    pub presence_grace: Duration,

    /// How often a node reports that it lives; the members of one that was killed are gone within three of these
    #[arg(
        long,
        env = "SSE_BROADCASTER_PRESENCE_HEARTBEAT",
        value_name = "DURATION",
        value_parser = some_time,
        default_value = "5s"
    )]
    pub presence_heartbeat: Duration,
}

impl PresenceConfig {
    /// The options of presence; `None` if no topic has any.
    ///
    /// # Errors
    /// For a pattern that is not valid.
    pub fn options(&self) -> Result<Option<PresenceOptions>, BadSetting> {
        let texts = self.presence.iter().filter(|text| !text.is_empty());
        let patterns: Result<Vec<_>, _> = texts.map(|text| Pattern::selector(text)).collect();
        let topics = patterns.and_then(PatternSet::new);
        let topics = topics.map_err(|why| BadSetting(format!("--presence: {why}")))?;
        if topics.is_empty() {
            return Ok(None);
        }
        let options = PresenceOptions::new(topics)
            .grace(self.presence_grace)
            .heartbeat(self.presence_heartbeat);
        Ok(Some(options))
    }
}
