//! The command `publish`.

use std::path::PathBuf;

use clap::Args;

use super::{
    Defaults, Failure,
    event_json::{self, EventFields},
    input_line::InputLine,
    print,
    publish_lines::LinePublisher,
    publisher::{Credentials, PublishError, Publisher},
    target::Target,
    token::{TokenArgs, bearer},
};
use crate::{KeyFile, Secret};

const EXAMPLES: &str = "Examples:
  sse-broadcaster publish 'Hello, world'
  sse-broadcaster publish --topic news --event headline 'First' 'Second'
  tail -f app.log | sse-broadcaster publish --topic log
  sse-broadcaster subscribe --topic '*' --until head --json --signals |
    sse-broadcaster publish --json --url http://other:8000";

/// The help of `--publish-key`.
pub const KEY_HELP: &str = "Key or token that the server requires; the first of several [env: SSE_BROADCASTER_PUBLISH_KEY]";
/// The help of `--publish-key-file`.
pub const KEY_FILE_HELP: &str = "File with the key as its first line that is no comment [env: SSE_BROADCASTER_PUBLISH_KEY_FILE]";

/// Publish events, from the command line or from standard input
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Publish {
    /// Data of an event; several are published in this order, all or none. Without any, each line of
    /// standard input is an event, published as it comes. While the server is unreachable or rejects
    /// requests for a time, lines are retried in order; each has an idempotency key, so it is stored once
    #[arg(value_name = "TEXT")]
    text: Vec<String>,

    #[arg(long, value_name = "URL", help = super::URL_HELP)]
    url: Option<String>,

    /// Topic of the events; repeatable [default: default]
    #[arg(long, value_name = "TOPIC")]
    topic: Vec<String>,

    /// Name of the events
    #[arg(long, value_name = "NAME")]
    event: Option<String>,

    /// Only clients with a grant may read the events
    #[arg(long)]
    private: bool,

    /// Lines of standard input are objects, as subscribe --json writes them: topics, idempotency key,
    /// event, data, retry and private are kept, id and time are new. {"signal":NAME,"document":…}, as --signals
    /// writes it, sets a signal
    #[arg(long, conflicts_with_all = ["text", "topic", "event", "private"])]
    json: bool,

    /// End at the first line that cannot be published, and send lines without an idempotency key
    #[arg(long, conflicts_with = "text")]
    no_retry: bool,

    #[arg(long = "publish-key", value_name = "KEY", help = KEY_HELP, allow_hyphen_values = true,
          conflicts_with_all = ["token", "token_file"])]
    key: Vec<Secret>,

    #[arg(long = "publish-key-file", value_name = "FILE", help = KEY_FILE_HELP,
          conflicts_with_all = ["token", "token_file"])]
    key_file: Option<PathBuf>,

    #[command(flatten)]
    token: TokenArgs,
}

impl Publish {
    /// Runs the command; it blocks.
    ///
    /// # Errors
    /// The line for standard error, and the exit code.
    pub fn run(&self, defaults: &Defaults) -> Result<(), Failure> {
        let target = Target::of_events(self.url.as_deref(), defaults)?;
        let server = Publisher::new(target, self.credentials(defaults)?)?;
        if self.text.is_empty() {
            self.publish_input(&server)
        } else {
            self.publish_texts(&server)
        }
    }

    /// What flags have, else the key of the server's settings, else the token of the variable.
    fn credentials(&self, defaults: &Defaults) -> Result<Credentials, Failure> {
        let token = || Credentials::Token(self.token.clone());
        if self.token.is_given() {
            return Ok(token());
        }
        let key = key(&self.key, self.key_file.as_ref(), defaults)?;
        key.map_or_else(|| Ok(token()), |key| bearer(&key).map(Credentials::Key))
    }

    fn fields(&self) -> EventFields<'_> {
        EventFields {
            topics: &self.topic,
            event: self.event.as_deref(),
            private: self.private,
        }
    }

    fn publish_texts(&self, server: &Publisher) -> Result<(), Failure> {
        let body = event_json::body_of_texts(self.fields(), &self.text)
            .map_err(|error| Failure::new(error.to_string()))?;
        match server.post("application/json", body.as_bytes()) {
            Ok(published) => print(published.id.as_slice()).and_then(|()| print(&published.ids)),
            Err(PublishError::Rejected { why, .. } | PublishError::Unsent { why, .. }) => {
                Err(Failure::new(why))
            }
            Err(PublishError::NoResponse(why) | PublishError::UnexpectedResponse(why)) => Err(
                Failure::new(format!("{why}; whether it was published is not known")),
            ),
        }
    }

    fn publish_input(&self, server: &Publisher) -> Result<(), Failure> {
        let publisher = LinePublisher::new(server, !self.no_retry)?;
        publisher.run(|line, key| match self.json {
            true if line.trim_ascii().is_empty() => Ok(None),
            true => InputLine::from_json(line, key).map(Some),
            false => InputLine::from_text(self.fields(), line, key).map(Some),
        })
    }
}

/// The key that a command publishes with: that of its own flags, else that of the server's settings.
///
/// # Errors
/// When the file cannot be read, or holds no key.
pub fn key(
    keys: &[Secret],
    file: Option<&PathBuf>,
    defaults: &Defaults,
) -> Result<Option<Secret>, Failure> {
    let given = keys.iter().find(|key| !key.expose().is_empty()).cloned();
    let of_file = |file: Option<&PathBuf>| {
        let read = file.map(|file| KeyFile::read("--publish-key-file", file));
        let read = read.transpose().map(|keys| keys.and_then(KeyFile::first));
        read.map_err(|bad| Failure::usage(bad.to_string()))
    };
    if let Some(key) = given.map_or_else(|| of_file(file), |key| Ok(Some(key)))? {
        return Ok(Some(key));
    }
    match defaults.publish_keys.first().cloned() {
        Some(key) => Ok(Some(key)),
        None => of_file(defaults.publish_key_file.as_ref()),
    }
}
