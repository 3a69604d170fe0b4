//! Settings that have no effect beside the others.

use super::{Config, LogLocation, SubscribeAccess};
use sse_broadcaster_cli::size;

impl Config {
    /// A sentence for each setting that was given and has no effect with the others.
    #[must_use]
    pub fn without_effect(&self) -> Vec<String> {
        let rules = self.rules();
        let names = rules.iter().flat_map(|rule| {
            let flags = rule.flags.iter().filter(|_| rule.holds);
            flags.filter_map(|flag| Some((self.given.name(flag)?, &rule.why)))
        });
        names
            .map(|(name, why)| format!("{name} has no effect {why}"))
            .collect()
    }

    fn rules(&self) -> Vec<Rule> {
        let mut rules = self.history_rules();
        rules.extend(self.access_rules());
        rules.extend(self.grant_rules());
        rules.extend(self.presence.rules());
        rules.push(Rule::new(
            &["redirect-http", "redirect-port"],
            !self.tls.is_enabled(),
            "without --tls-cert, --tls-dir or --acme-domain",
        ));
        rules.push(Rule::new(
            &[
                "acme-agree-tos",
                "acme-ca",
                "acme-challenge",
                "acme-dir",
                "acme-directory",
                "acme-email",
            ],
            !self.tls.acme.is_enabled(),
            "without --acme-domain",
        ));
        rules.push(Rule::new(
            &["redirect-port"],
            self.tls.redirect_http.is_empty(),
            "without --redirect-http",
        ));
        rules.push(Rule::new(&["io-uring"], self.no_direct, "with --no-direct"));
        rules
    }

    fn history_rules(&self) -> Vec<Rule> {
        let location = self.history.location();
        let is_disk = matches!(location, Ok(LogLocation::Disk(_)));
        let is_redis = matches!(location, Ok(LogLocation::Redis(_)));
        let is_postgres = matches!(location, Ok(LogLocation::Postgres(_)));
        let is_log = is_disk || is_redis || is_postgres;
        let kept = self.history.retention();
        let bytes = size::show(kept.bytes as u64);
        vec![
            Rule::new(
                &["sync", "cache-bytes", "data-dir-wait"],
                !is_disk,
                "without --data-dir",
            ),
            Rule::new(
                &["history-timeout"],
                !is_redis && !is_postgres,
                "without --redis-url or --postgres-url",
            ),
            Rule::new(&["redis-prefix"], !is_redis, "without --redis-url"),
            Rule::new(&["postgres-schema"], !is_postgres, "without --postgres-url"),
            Rule::new(
                &["window-events", "window-bytes"],
                !is_log,
                "while history is in memory; --history-events and --history-bytes bound it",
            ),
            Rule::new(
                &["window-events"],
                is_log && self.history.window_events > kept.events,
                format!("beyond --history-events, which is {}", kept.events),
            ),
            Rule::new(
                &["window-bytes"],
                is_log && self.history.window_bytes > kept.bytes,
                format!("beyond --history-bytes, which is {bytes}"),
            ),
        ]
    }

    fn access_rules(&self) -> Vec<Rule> {
        let has_keys = !self.publish_key.is_empty() || self.publish_key_file.is_some();
        let limits = self.max_subscribers_per_address.zip(self.max_subscribers);
        let has_any = |names: &[String]| names.len() > 1 && names.iter().any(|name| name == "*");
        vec![
            Rule::new(
                &[
                    "publish-key",
                    "publish-key-file",
                    "allow-anonymous-publish",
                    "no-get-publish",
                    "publish-wait",
                ],
                self.no_publish,
                "with --no-publish",
            ),
            Rule::new(
                &["allow-anonymous-publish"],
                has_keys && !self.no_publish,
                "with a publish key: every publish needs one",
            ),
            Rule::new(
                &["max-subscribers-per-address"],
                limits.is_some_and(|(per_address, all)| per_address >= all),
                "when it is not below --max-subscribers",
            ),
            Rule::new(
                &["host"],
                has_any(&self.host),
                "beside \"*\", which admits every name",
            ),
            Rule::new(
                &["trusted-proxy-header"],
                self.proxies.trusted_proxy.iter().all(String::is_empty),
                "without --trusted-proxy",
            ),
            Rule::new(
                &["cors-origin"],
                has_any(&self.cors_origin),
                "beside \"*\", which admits every origin",
            ),
        ]
    }
}

impl Config {
    fn grant_rules(&self) -> Vec<Rule> {
        let access = &self.access;
        let has_keys = access.tokens.has_keys();
        let grants_nothing = access.subscribe_access == SubscribeAccess::Open && self.no_publish;
        vec![
            Rule::new(
                &[
                    "token-audience",
                    "token-leeway",
                    "token-lifetime",
                    "token-cookie",
                    "token-query",
                ],
                !has_keys,
                "without keys of tokens: --token-key-file, --token-jwks-url or SSE_BROADCASTER_TOKEN_KEY",
            ),
            Rule::new(
                &[
                    "mercure-publisher-key",
                    "mercure-publisher-key-file",
                    "mercure-subscriber-key",
                    "mercure-subscriber-key-file",
                    "mercure-anonymous",
                    "mercure-subscriptions",
                    "mercure-url",
                    "mercure-lifetime",
                    "mercure-heartbeat",
                ],
                !self.mercure.mercure,
                "without --mercure",
            ),
            Rule::new(
                &["mercure-publisher-key"],
                self.mercure.mercure_publisher_key_file.is_some(),
                "with --mercure-publisher-key-file",
            ),
            Rule::new(
                &["mercure-subscriber-key"],
                self.mercure.mercure_subscriber_key_file.is_some(),
                "with --mercure-subscriber-key-file",
            ),
            Rule::new(
                &["authorize-header", "authorize-cookie"],
                access.authorize_url.is_none(),
                "without --authorize-url",
            ),
            Rule::new(
                &["protected-topic"],
                access.subscribe_access == SubscribeAccess::Closed,
                "with --subscribe-access closed, which protects all topics",
            ),
            Rule::new(
                &[
                    "token-key-file",
                    "token-key",
                    "token-jwks-url",
                    "authorize-url",
                ],
                grants_nothing,
                "with --subscribe-access open and --no-publish: nothing needs a grant",
            ),
        ]
    }
}

/// A condition under which some settings have no effect.
pub(super) struct Rule {
    flags: &'static [&'static str],
    holds: bool,
    why: String,
}

impl Rule {
    pub(super) fn new(flags: &'static [&'static str], holds: bool, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { flags, holds, why }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _};

    use super::*;
    use crate::{
        commands::Cli,
        config::{Given, fallback::Fallbacks},
    };

    fn config(args: &[&str]) -> Config {
        let command = Cli::command();
        let matches = command
            .clone()
            .try_get_matches_from([&["sse-broadcaster"], args].concat())
            .unwrap();
        let mut config = Cli::from_arg_matches(&matches).unwrap().config;
        config.given = Given::of(&command, &matches, &Fallbacks::default());
        config
    }

    #[test]
    fn every_setting_of_a_rule_exists() {
        let command = Cli::command();
        for flag in config(&[]).rules().iter().flat_map(|rule| rule.flags) {
            let known = command
                .get_arguments()
                .any(|argument| argument.get_long() == Some(flag) && argument.get_env().is_some());
            assert!(known, "{flag}");
        }
    }

    #[test]
    fn a_setting_without_effect_is_reported_and_one_with_effect_is_not() {
        for (args, reported) in [
            (&[][..], ""),
            (&["--sync", "never"], "--sync"),
            (&["--sync", "never", "--data-dir", "d"], ""),
            (&["--cache-bytes", "9"], "--cache-bytes"),
            (
                &["--redis-prefix", "p", "--data-dir", "d"],
                "--redis-prefix",
            ),
            (&["--redis-prefix", "p", "--redis-url", "redis://h"], ""),
            (&["--postgres-schema", "p"], "--postgres-schema"),
            (
                &["--postgres-schema", "p", "--postgres-url", "postgres://h"],
                "",
            ),
            (&["--sync", "never", "--redis-url", "redis://h"], "--sync"),
            (&["--window-events", "500"], "--window-events"),
            (&["--window-bytes", "500"], "--window-bytes"),
            (&["--window-bytes", "500", "--data-dir", "d"], ""),
            (
                &[
                    "--window-events",
                    "9",
                    "--history-events",
                    "8",
                    "--data-dir",
                    "d",
                ],
                "--window-events",
            ),
            (&["--no-publish", "--publish-key", "k"], "--publish-key"),
            (&["--no-publish", "--no-get-publish"], "--no-get-publish"),
            (
                &["--allow-anonymous-publish", "--publish-key-file", "f"],
                "--allow-anonymous-publish",
            ),
            (
                &[
                    "--max-subscribers",
                    "5",
                    "--max-subscribers-per-address",
                    "5",
                ],
                "--max-subscribers-per-address",
            ),
            (
                &["--cors-origin", "*", "--cors-origin", "http://a"],
                "--cors-origin",
            ),
            (&["--token-leeway", "1s"], "--token-leeway"),
            (&["--token-leeway", "1s", "--token-key-file", "f"], ""),
            (&["--authorize-header", "X-A"], "--authorize-header"),
            (&["--mercure-anonymous"], "--mercure-anonymous"),
            (&["--mercure-anonymous", "--mercure"], ""),
            (&["--admin-key", "k"], ""),
            (&["--acme-dir", "d"], "--acme-dir"),
            (&["--acme-dir", "d", "--acme-domain", "a.example"], ""),
            (&["--io-uring"], ""),
            (&["--io-uring", "--no-direct"], "--io-uring"),
        ] {
            let reports = config(args).without_effect();
            assert_eq!(
                reports.is_empty(),
                reported.is_empty(),
                "{args:?}: {reports:?}"
            );
            let expected = format!("{reported} has no effect ");
            let all = reports.iter().all(|line| line.starts_with(&expected));
            assert!(all, "{args:?}: {reports:?}");
        }
    }
}
