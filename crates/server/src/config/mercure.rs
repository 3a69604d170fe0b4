//! The settings of Mercure's protocol.

use std::{path::PathBuf, time::Duration};

use clap::{Args, builder::BoolishValueParser};
use sse_broadcaster_access::{
    BaseUrl,
    keys::{KeyError, Keys},
};

use super::{BadSetting, Config, Secret, duration};

/// Mercure's protocol.
#[derive(Debug, Clone, Args)]
#[allow(clippy::doc_markdown, reason = "--help prints these as they are")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
#[allow(clippy::struct_field_names, reason = "each is a flag")]
pub struct MercureConfig {
    /// Serve Mercure's protocol at /.well-known/mercure, for clients of a Mercure hub of version 0.x or 1.0
    #[arg(long, env = "SSE_BROADCASTER_MERCURE", value_parser = BoolishValueParser::new())]
    pub mercure: bool,

    /// Key of the tokens of Mercure 0.x that may publish: at least 32 characters (HS256), "HS512 SECRET",
    /// or a public key in PEM. Every user of the machine can read the flag in the list of processes:
    /// prefer the variable or the file
    #[arg(
        long,
        env = "SSE_BROADCASTER_MERCURE_PUBLISHER_KEY",
        allow_hyphen_values = true,
        value_name = "KEY",
        hide_env_values = true
    )]
    pub mercure_publisher_key: Option<Secret>,

    /// File with that key, or several; it is read again when it has changed, and on SIGHUP
    #[arg(
        long,
        env = "SSE_BROADCASTER_MERCURE_PUBLISHER_KEY_FILE",
        value_name = "FILE"
    )]
    pub mercure_publisher_key_file: Option<PathBuf>,

    /// Key of the tokens of Mercure 0.x that may subscribe
    #[arg(
        long,
        env = "SSE_BROADCASTER_MERCURE_SUBSCRIBER_KEY",
        allow_hyphen_values = true,
        value_name = "KEY",
        hide_env_values = true
    )]
    pub mercure_subscriber_key: Option<Secret>,

    /// File with that key, or several
    #[arg(
        long,
        env = "SSE_BROADCASTER_MERCURE_SUBSCRIBER_KEY_FILE",
        value_name = "FILE"
    )]
    pub mercure_subscriber_key_file: Option<PathBuf>,

    /// Clients of the hub without a token may subscribe to events that are not private
    #[arg(long, env = "SSE_BROADCASTER_MERCURE_ANONYMOUS", value_parser = BoolishValueParser::new())]
    pub mercure_anonymous: bool,

    /// Announce subscriptions of the hub by events, and list them at /.well-known/mercure/subscriptions
    #[arg(long, env = "SSE_BROADCASTER_MERCURE_SUBSCRIPTIONS", value_parser = BoolishValueParser::new())]
    pub mercure_subscriptions: bool,

    /// Public URL of the hub, which tokens of Mercure 1.0 name in "aud" [default: by the Host of each request]
    #[arg(long, env = "SSE_BROADCASTER_MERCURE_URL", value_name = "URL")]
    pub mercure_url: Option<String>,

    /// Longest time that a subscriber of the hub stays connected; up to a fifth less, at random. 0 is no limit
    #[arg(long, env = "SSE_BROADCASTER_MERCURE_LIFETIME", value_name = "DURATION", value_parser = duration,
          default_value = "10m")]
    pub mercure_lifetime: Duration,

    /// How often a subscriber of the hub is sent a comment; 0 is never
    #[arg(long, env = "SSE_BROADCASTER_MERCURE_HEARTBEAT", value_name = "DURATION", value_parser = duration,
          default_value = "40s")]
    pub mercure_heartbeat: Duration,
}

/// A key of the hub: its setting, and the text or the file that was given.
#[derive(Debug, Clone)]
pub(crate) struct HubKey {
    pub(crate) name: &'static str,
    pub(crate) text: Option<Secret>,
    pub(crate) file_flag: &'static str,
    pub(crate) file: Option<PathBuf>,
}

impl MercureConfig {
    /// The key of those who publish, and of those who subscribe.
    pub(crate) fn keys(&self) -> [HubKey; 2] {
        let given = |key: &Option<Secret>| key.clone().filter(|key| !key.expose().is_empty());
        [
            HubKey {
                name: "--mercure-publisher-key",
                text: given(&self.mercure_publisher_key),
                file_flag: "--mercure-publisher-key-file",
                file: self.mercure_publisher_key_file.clone(),
            },
            HubKey {
                name: "--mercure-subscriber-key",
                text: given(&self.mercure_subscriber_key),
                file_flag: "--mercure-subscriber-key-file",
                file: self.mercure_subscriber_key_file.clone(),
            },
        ]
    }

    /// Whether a client can get the grant to publish by a key of the hub.
    #[must_use]
    pub fn has_publisher_key(&self) -> bool {
        let [publisher, _] = self.keys();
        self.mercure && (publisher.text.is_some() || publisher.file.is_some())
    }

    /// The public URL of the hub, if it is set.
    ///
    /// # Errors
    /// One that is not the URL of a hub.
    pub(crate) fn url(&self) -> Result<Option<BaseUrl>, BadSetting> {
        let Some(text) = self.mercure_url.as_deref() else {
            return Ok(None);
        };
        let url = url::Url::parse(text).ok();
        let is_web = |url: &url::Url| matches!(url.scheme(), "http" | "https");
        let is_plain = |url: &url::Url| url.query().is_none() && url.fragment().is_none();
        let is_hub = url.is_some_and(|url| is_web(&url) && is_plain(&url) && url.path() != "/");
        let base = is_hub.then(|| BaseUrl::parse(text).ok()).flatten();
        base.map(Some).ok_or_else(|| {
            BadSetting(format!(
                "--mercure-url {text}: give the URL at which clients reach the hub, for example \
                 https://events.example.com/.well-known/mercure"
            ))
        })
    }

    /// Checks that some client can use the hub.
    ///
    /// # Errors
    /// What is missing.
    pub(crate) fn check(&self, config: &Config) -> Result<(), BadSetting> {
        let has_key = |key: &HubKey| key.text.is_some() || key.file.is_some();
        if self.keys().iter().any(has_key) || config.access.has_grants() {
            return Ok(());
        }
        Err(BadSetting(
            "--mercure: no client could publish or read private events; add --mercure-publisher-key-file and \
             --mercure-subscriber-key-file for tokens of Mercure 0.x, or keys of tokens (--token-key-file, \
             --token-jwks-url) for those of 1.0"
                .to_owned(),
        ))
    }

    /// What is logged at the start where clients may publish to the hub, but none may subscribe.
    #[must_use]
    pub(crate) fn warning(&self, config: &Config) -> Option<&'static str> {
        let [_, subscriber] = self.keys();
        let may_subscribe = subscriber.text.is_some() || subscriber.file.is_some();
        if may_subscribe || self.mercure_anonymous || config.access.has_grants() {
            return None;
        }
        Some(
            "--mercure: no client can subscribe to the hub; add --mercure-subscriber-key-file for tokens that may, \
             or --mercure-anonymous for clients without one",
        )
    }
}

impl HubKey {
    /// The keys of a text. One that names no algorithm is a secret for HS256, as hubs take it.
    ///
    /// # Errors
    /// A text that has no key, or too short a secret.
    pub(crate) fn parse(text: &str) -> Result<Keys, KeyError> {
        let text = text.trim();
        match Keys::parse(text) {
            Err(KeyError::UnknownLine(_)) if !text.contains('\n') => {
                Keys::parse(&format!("HS256 {text}"))
            }
            parsed => parsed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_plain_secret_or_names_its_algorithm() {
        for key in [
            "!ChangeThisMercureHubJWTSecretKey!\n",
            "a secret of several words that is long enough",
            "HS256 0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(HubKey::parse(key).unwrap().len(), 1, "{key}");
        }
        for key in ["", "secret", "HS256 secret", "-----BEGIN NOTHING-----"] {
            assert!(HubKey::parse(key).is_err(), "{key}");
        }
    }
}
