//! The settings of presence.

use std::time::Duration;

use clap::Args;

use super::{BadSetting, Given, access::topic_patterns, duration, some_time};
use sse_broadcaster_presence::PresenceOptions;

#[derive(Debug, Clone, Args)]
#[allow(clippy::doc_markdown, reason = "--help prints these as they are")]
#[allow(clippy::struct_field_names, reason = "each is named as its flag")]
pub struct PresenceConfig {
    /// Topics that count and announce who is on them: *, a topic, a template such as rooms/{id}, or
    /// {"urlpattern":"https://example.com/rooms/:id"}; repeatable
    #[arg(long, env = "SSE_BROADCASTER_PRESENCE", value_name = "PATTERN")]
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
    pub(crate) fn options(&self, given: &Given) -> Result<Option<PresenceOptions>, BadSetting> {
        let topics = topic_patterns("presence", &self.presence, given)?;
        if topics.is_empty() {
            return Ok(None);
        }
        let options = PresenceOptions::new(topics)
            .grace(self.presence_grace)
            .heartbeat(self.presence_heartbeat);
        Ok(Some(options))
    }
}
