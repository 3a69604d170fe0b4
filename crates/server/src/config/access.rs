//! The settings that say who may read what, by grants.

use std::path::PathBuf;

use clap::{Args, ValueEnum, builder::BoolishValueParser};
use sse_broadcaster_access::{
    Pattern, PatternError, PatternSet, authorize::Application, transport::HttpUrl,
};

use super::{BadSetting, Given, Secret, TokenConfig, tokens::url, topic_patterns::topic_patterns};

/// Who may read what, by grants.
#[derive(Debug, Clone, Default, Args)]
#[allow(clippy::doc_markdown, reason = "--help prints these as they are")]
pub struct AccessConfig {
    /// What needs a grant to be read: nothing (open), private events and protected topics
    /// (private-events), or everything (closed)
    #[arg(
        long,
        env = "SSE_BROADCASTER_SUBSCRIBE_ACCESS",
        value_name = "ACCESS",
        default_value = "open"
    )]
    pub subscribe_access: SubscribeAccess,

    /// Topics that always need a grant to be read: *, a topic, a template such as users/{id}, or
    /// {"urlpattern":"https://example.com/users/:id"}; repeatable
    #[arg(long, env = "SSE_BROADCASTER_PROTECTED_TOPIC", value_name = "PATTERN")]
    pub protected_topic: Vec<String>,

    #[command(flatten)]
    pub tokens: TokenConfig,

    /// Cookie that may have a token
    #[arg(
        long,
        env = "SSE_BROADCASTER_TOKEN_COOKIE",
        value_name = "NAME",
        default_value = "sse_token"
    )]
    pub token_cookie: String,

    /// The parameter ?token= may have a token. Proxies and browsers keep it in logs and histories
    #[arg(long, env = "SSE_BROADCASTER_TOKEN_QUERY", value_parser = BoolishValueParser::new())]
    pub token_query: bool,

    /// URL of the application that is asked what the session of a client may do
    #[arg(long, env = "SSE_BROADCASTER_AUTHORIZE_URL", value_name = "URL")]
    pub authorize_url: Option<String>,

    /// Header that the application is sent beside the cookies, for example Authorization; repeatable
    #[arg(
        long,
        env = "SSE_BROADCASTER_AUTHORIZE_HEADER",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub authorize_header: Vec<String>,

    /// Cookie that the application is sent; repeatable [default: all]
    #[arg(
        long,
        env = "SSE_BROADCASTER_AUTHORIZE_COOKIE",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub authorize_cookie: Vec<String>,

    /// Key of operators, of at least 16 characters, sent as "Authorization: Bearer KEY": for the routes of
    /// administration, and to read and publish everything; repeatable, and as with --publish-key prefer the
    /// variable or the file
    #[arg(
        long,
        env = "SSE_BROADCASTER_ADMIN_KEY",
        allow_hyphen_values = true,
        value_name = "KEY",
        hide_env_values = true
    )]
    pub admin_key: Vec<Secret>,

    /// File with such keys, as of --publish-key-file
    #[arg(long, env = "SSE_BROADCASTER_ADMIN_KEY_FILE", value_name = "FILE")]
    pub admin_key_file: Option<PathBuf>,
}

/// What needs a grant to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum SubscribeAccess {
    #[default]
    Open,
    PrivateEvents,
    Closed,
}

impl AccessConfig {
    /// Whether a client can get a grant.
    #[must_use]
    pub fn has_grants(&self) -> bool {
        self.tokens.has_keys() || self.authorize_url.is_some()
    }

    /// Checks that these settings make sense together.
    ///
    /// # Errors
    /// What is missing or contradicts another setting, and what would be right.
    pub fn check(&self) -> Result<(), BadSetting> {
        let bad = |text: String| Err(BadSetting(text));
        let name = match self.subscribe_access {
            SubscribeAccess::Open if !self.protected_topic.is_empty() => {
                return bad(
                    "--protected-topic protects nothing with --subscribe-access open: set \
                     --subscribe-access private-events, or closed"
                        .to_owned(),
                );
            }
            SubscribeAccess::Open => None,
            SubscribeAccess::PrivateEvents => Some("private-events"),
            SubscribeAccess::Closed => Some("closed"),
        };
        if let Some(name) = name
            && !self.has_grants()
        {
            return bad(format!(
                "--subscribe-access {name}: no client could get a grant; add keys of tokens \
                 (--token-key-file, --token-jwks-url, SSE_BROADCASTER_TOKEN_KEY) or --authorize-url"
            ));
        }
        if !is_token_name(&self.token_cookie) {
            let name = &self.token_cookie;
            return bad(format!(
                "--token-cookie {name:?} is not the name of a cookie; use letters, digits, - and _"
            ));
        }
        if let Some(cookie) = self
            .authorize_cookie
            .iter()
            .find(|name| !is_token_name(name))
        {
            return bad(format!(
                "--authorize-cookie {cookie:?} is not the name of a cookie; give one such as sessionid"
            ));
        }
        self.check_headers()
    }

    fn check_headers(&self) -> Result<(), BadSetting> {
        for name in &self.authorize_header {
            if name.eq_ignore_ascii_case("cookie") {
                return Err(BadSetting(
                    "--authorize-header Cookie: cookies are always sent; --authorize-cookie names those \
                     that are"
                        .to_owned(),
                ));
            }
            if !is_token_name(name) || !Application::may_send(name) {
                return Err(BadSetting(format!(
                    "--authorize-header {name:?} cannot be sent on; give a header such as Authorization or \
                     Accept-Language"
                )));
            }
        }
        Ok(())
    }

    /// The application, if it is to be asked.
    ///
    /// # Errors
    /// What is no URL.
    pub(crate) fn application_url(&self) -> Result<Option<HttpUrl>, BadSetting> {
        let text = self.authorize_url.as_deref();
        let example = "http://127.0.0.1:9000/sse/access";
        text.map(|text| url("--authorize-url", text, example))
            .transpose()
    }

    /// The topics that always need a grant.
    ///
    /// # Errors
    /// What is no pattern.
    pub(crate) fn protected_topics(&self, given: &Given) -> Result<PatternSet, BadSetting> {
        let flag = "protected-topic";
        let topics = topic_patterns(flag, &self.protected_topic, given)?;
        let bad = |why: PatternError| BadSetting(format!("--{flag}: {why}"));
        let covering = topics.iter().map(Pattern::covering);
        let covering: Vec<_> = covering.collect::<Result<_, _>>().map_err(bad)?;
        PatternSet::new(covering).map_err(bad)
    }
}

/// A `token` of HTTP (RFC 9110, 5.6.2), as names of headers and cookies are.
fn is_token_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> AccessConfig {
        AccessConfig {
            token_cookie: "sse_token".to_owned(),
            ..AccessConfig::default()
        }
    }

    #[test]
    fn settings_that_would_let_nobody_in_or_protect_nothing_are_rejected() {
        let closed = AccessConfig {
            subscribe_access: SubscribeAccess::Closed,
            ..config()
        };
        let why = closed.check().unwrap_err().to_string();
        assert!(why.contains("closed: no client could get a grant"), "{why}");
        let asked = AccessConfig {
            authorize_url: Some("http://app/".to_owned()),
            ..closed
        };
        assert_eq!(asked.check(), Ok(()));
        let open = AccessConfig {
            protected_topic: vec!["users/{id}".to_owned()],
            ..config()
        };
        let why = open.check().unwrap_err().to_string();
        assert!(why.contains("protects nothing"), "{why}");
        assert_eq!(config().check(), Ok(()));
    }

    #[test]
    fn names_that_no_header_or_cookie_can_have_are_rejected() {
        for name in ["", "a b", "a;b", "a=b", "ä"] {
            let config = AccessConfig {
                token_cookie: name.to_owned(),
                ..config()
            };
            assert!(config.check().is_err(), "{name}");
        }
        for name in ["Host", "cookie", "transfer-encoding", "a b"] {
            let config = AccessConfig {
                authorize_header: vec![name.to_owned()],
                ..config()
            };
            assert!(config.check().is_err(), "{name}");
        }
    }
}
