//! The settings of presence.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;

use super::{
    BadSetting, Given, duration, some_time, tokens::url, topic_patterns::topic_patterns,
    without_effect::Rule,
};
use sse_broadcaster_access::transport::HttpUrl;
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

    /// URL of the application that receives who connects, joins and leaves, in batches
    #[arg(long, env = "SSE_BROADCASTER_WEBHOOK_URL", value_name = "URL")]
    pub webhook_url: Option<String>,

    /// File with the secret that these requests are signed with, of at least 16 bytes
    #[arg(long, env = "SSE_BROADCASTER_WEBHOOK_SECRET_FILE", value_name = "FILE")]
    pub webhook_secret_file: Option<PathBuf>,
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
        if let Some(internal) = topics.iter().find(|topic| topic.text().starts_with('$')) {
            return Err(BadSetting(format!(
                "--presence {internal}: topics that begin with $ have no presence; name others"
            )));
        }
        let options = PresenceOptions::new(topics)
            .grace(self.presence_grace)
            .heartbeat(self.presence_heartbeat);
        Ok(Some(options))
    }

    /// The URL that receives webhooks, and the file with the secret; `None` without one.
    ///
    /// # Errors
    /// For a URL that is not valid, and for one without a secret.
    pub(crate) fn webhook(&self) -> Result<Option<(HttpUrl, &Path)>, BadSetting> {
        let Some(text) = &self.webhook_url else {
            return Ok(None);
        };
        let url = url("--webhook-url", text, "https://app.example.com/sse/webhook")?;
        let secret = self.webhook_secret_file.as_deref().ok_or_else(|| {
            BadSetting(
                "--webhook-url: the application could not tell who sends it events; add --webhook-secret-file with a \
                 file that has a secret of at least 16 bytes"
                    .to_owned(),
            )
        })?;
        Ok(Some((url, secret)))
    }

    /// Settings without effect.
    pub(super) fn rules(&self) -> Vec<Rule> {
        vec![
            Rule::new(
                &["presence-grace", "presence-heartbeat", "webhook-url"],
                self.presence.is_empty(),
                "without --presence",
            ),
            Rule::new(
                &["webhook-secret-file"],
                self.presence.is_empty() || self.webhook_url.is_none(),
                "without --presence and --webhook-url",
            ),
        ]
    }
}
