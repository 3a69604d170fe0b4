//! Which settings were given, and by which name: a setting without effect is reported by the name that the
//! operator used.

use std::{collections::BTreeMap, ffi::OsStr};

use clap::{ArgMatches, Command, parser::ValueSource};

use super::{BadSetting, Config, LogLocation, SubscribeAccess};
use sse_broadcaster_cli::size;

/// The settings that were given on the command line or in the environment.
#[derive(Debug, Clone, Default)]
pub struct Given(BTreeMap<String, Shown>);

#[derive(Debug, Clone)]
struct Shown {
    name: String,
    by_flag: bool,
    is_empty: bool,
}

/// An empty filter is the default, as with `RUST_LOG`.
const MAY_BE_EMPTY: &[&str] = &["log"];

impl Given {
    /// The settings of `matches`. A switch that is off does not count as given.
    #[must_use]
    pub fn of(command: &Command, matches: &ArgMatches) -> Self {
        let settings = command.get_arguments().filter_map(|argument| {
            let (flag, variable) = (argument.get_long()?, argument.get_env()?);
            let id = argument.get_id().as_str();
            let by_flag = match matches.value_source(id)? {
                ValueSource::CommandLine => true,
                ValueSource::EnvVariable => false,
                _ => return None,
            };
            if !argument.get_action().takes_values() && !matches.get_flag(id) {
                return None;
            }
            let name = if by_flag {
                format!("--{flag}")
            } else {
                variable.to_string_lossy().into_owned()
            };
            let mut values = matches.get_raw(id).into_iter().flatten();
            let shown = Shown {
                name,
                by_flag,
                is_empty: argument.get_action().takes_values() && values.all(is_empty),
            };
            Some((flag.to_owned(), shown))
        });
        Self(settings.collect())
    }

    /// Whether a setting was given by its variable; `flag` is its flag without the dashes.
    #[must_use]
    pub fn by_variable(&self, flag: &str) -> bool {
        self.0.get(flag).is_some_and(|shown| !shown.by_flag)
    }

    /// The flags that were given on the command line, except these.
    pub fn flags_beside<'a>(&'a self, known: &'a [&str]) -> impl Iterator<Item = &'a str> {
        let flags = self.0.iter().filter(|(_, shown)| shown.by_flag);
        let others = flags.filter(|(flag, _)| !known.contains(&flag.as_str()));
        others.map(|(_, shown)| shown.name.as_str())
    }

    /// Checks that no setting is empty: it would silently have its default.
    ///
    /// # Errors
    /// Names the setting.
    pub fn check_empty(&self) -> Result<(), BadSetting> {
        let empty = self
            .0
            .iter()
            .find(|(flag, shown)| shown.is_empty && !MAY_BE_EMPTY.contains(&flag.as_str()));
        match empty {
            None => Ok(()),
            Some((_, Shown { name, by_flag, .. })) => {
                let what = if *by_flag { "flag" } else { "variable" };
                Err(BadSetting(format!(
                    "{name} is empty: give it a value, or leave the {what} out"
                )))
            }
        }
    }
}

fn is_empty(value: &OsStr) -> bool {
    let text = value.to_string_lossy();
    text.split(',').all(|part| part.trim().is_empty())
}

impl Config {
    /// A sentence for each setting that was given and has no effect with the others.
    #[must_use]
    pub fn without_effect(&self) -> Vec<String> {
        let (rules, given) = (self.rules(), &self.given.0);
        let names = rules.iter().flat_map(|rule| {
            let flags = rule.flags.iter().filter(|_| rule.holds);
            flags.filter_map(|flag| Some((&given.get(*flag)?.name, &rule.why)))
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
        rules
    }

    fn history_rules(&self) -> Vec<Rule> {
        let location = self.history.location();
        let is_disk = matches!(location, Ok(LogLocation::Disk(_)));
        let is_redis = matches!(location, Ok(LogLocation::Redis(_)));
        let is_log = is_disk || is_redis;
        let kept = self.history.retention();
        let bytes = size::show(kept.bytes as u64);
        vec![
            Rule::new(
                &["sync", "cache-bytes", "data-dir-wait"],
                !is_disk,
                "without --data-dir",
            ),
            Rule::new(&["redis-prefix"], !is_redis, "without --redis-url"),
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
                &["admin-key", "admin-key-file"],
                !access.has_grants() && !self.mercure.mercure,
                "where no client can get a grant: there is nothing to revoke",
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
    use crate::commands::Cli;

    fn config(args: &[&str]) -> Config {
        let command = Cli::command();
        let matches = command
            .clone()
            .try_get_matches_from([&["sse-broadcaster"], args].concat())
            .unwrap();
        let mut config = Cli::from_arg_matches(&matches).unwrap().config;
        config.given = Given::of(&command, &matches);
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
            (&["--admin-key", "k"], "--admin-key"),
            (&["--admin-key", "k", "--authorize-url", "http://a/"], ""),
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
