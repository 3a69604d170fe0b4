//! The text of the filter, and what is probably meant where it would log nothing.

use log::{Level, LevelFilter, Metadata};
use sse_broadcaster_cli::print_to_stderr;
use sse_broadcaster_disk::ENGINE_LOG_TARGETS;

use super::OWN_TARGET;
use crate::config::{BadSetting, Config};

/// The filter without a setting.
const DEFAULT_FILTER: &str = "info";
/// What is not logged unless a filter names it: these log what any client sends or ends, as often as it does.
const QUIET: [&str; 3] = ["actix_http", "h2", "rustls"];
/// Logs at `info` what the server logs itself.
const ACTIX_SERVER: &str = "actix_server";

/// The targets of log lines, beside those of the engine.
const TARGETS: &[&str] = &[
    OWN_TARGET,
    "actix_http",
    "actix_rt",
    "actix_server",
    "actix_web",
    "h2",
    "mio",
    "redis",
    "rustls",
    "tokio_postgres",
];
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// Puts what libraries log in front of a filter, which may name them again.
fn with_quiet_libraries(filter: &str) -> String {
    let quiet = QUIET.iter().chain(&ENGINE_LOG_TARGETS).copied();
    let quiet = quiet.collect::<Vec<_>>().join("=off,");
    let warns = if logs_at(filter, Level::Warn, ACTIX_SERVER) {
        "warn"
    } else {
        "off"
    };
    format!("{quiet}=off,{ACTIX_SERVER}={warns},{filter}")
}

/// The filter of `--log`, else of `RUST_LOG`. The latter may be for other programs as well, so that an unknown
/// target in it is only reported.
pub(super) fn filter(config: &Config) -> Result<String, BadSetting> {
    let is_set = |filter: &String| !filter.trim().is_empty();
    if let Some(filter) = config.log.clone().filter(is_set) {
        let name = config.given.name("log").unwrap_or_default();
        let bad = |why: &str| BadSetting(format!("{name} {filter}: {why}"));
        check(&filter).map_err(|why| bad(&why))?;
        return match unknown_target(&filter) {
            Some(word) => Err(bad(&unknown(word))),
            None => Ok(with_quiet_libraries(&filter)),
        };
    }
    let Some(filter) = std::env::var("RUST_LOG").ok().filter(is_set) else {
        return Ok(with_quiet_libraries(DEFAULT_FILTER));
    };
    check(&filter).map_err(|why| BadSetting(format!("RUST_LOG {filter}: {why}")))?;
    if let Some(word) = unknown_target(&filter).filter(|_| logs_nothing(&filter)) {
        print_to_stderr(&format!(
            "RUST_LOG {filter} logs nothing here: {}",
            unknown(word)
        ));
    }
    Ok(with_quiet_libraries(&filter))
}

fn check(filter: &str) -> Result<(), String> {
    let parsed = env_filter::Builder::new().try_parse(filter).map(|_| ());
    parsed.map_err(|error| {
        format!("{error}; give error, warn, info, debug, or a filter as in RUST_LOG")
    })
}

/// The first target in a filter that no log line has.
fn unknown_target(filter: &str) -> Option<&str> {
    let directives = filter.split('/').next()?.split(',').map(str::trim);
    let names = directives.filter(|directive| !directive.is_empty());
    names
        .map(|directive| match directive.split_once('=') {
            Some((target, _)) => (target, false),
            None => (directive, directive.parse::<LevelFilter>().is_ok()),
        })
        .find(|(target, is_level)| !is_level && !is_target(target))
        .map(|(target, _)| target)
}

/// Whether a target matches log lines: a directive matches every target that begins with it.
fn is_target(name: &str) -> bool {
    let known = TARGETS.iter().chain(&ENGINE_LOG_TARGETS);
    let part = name.split("::").next().unwrap_or(name);
    known
        .into_iter()
        .any(|known| known.starts_with(name) || *known == part)
}

fn unknown(word: &str) -> String {
    let lower = word.to_lowercase().replace('-', "_");
    let near = |known: &&str| known.starts_with(&lower) || lower.starts_with(*known);
    let all = LEVELS.iter().chain(TARGETS);
    match all.copied().find(near) {
        Some(near) => {
            format!("\"{word}\" is neither a level nor a target of log lines; is {near} meant?")
        }
        None => format!(
            "\"{word}\" is neither a level ({}) nor a target of log lines ({})",
            LEVELS.join(", "),
            TARGETS.join(", ")
        ),
    }
}

fn logs_nothing(filter: &str) -> bool {
    !logs_at(filter, Level::Error, OWN_TARGET)
}

fn logs_at(filter: &str, level: Level, target: &str) -> bool {
    let mut builder = env_filter::Builder::new();
    let line = Metadata::builder().level(level).target(target).build();
    let parsed = builder.try_parse(filter);
    parsed.is_ok_and(|filter| filter.build().enabled(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_no_log_line_has_is_found() {
        for (filter, word) in [
            ("info", None),
            ("WARN,sse_broadcaster=debug", None),
            ("sse_broadcaster::http=trace,actix_http", None),
            ("off", None),
            (" debug , ,mio=warn/text", None),
            ("warning", Some("warning")),
            ("info,verbose", Some("verbose")),
            ("sse-broadcaster=debug", Some("sse-broadcaster")),
            ("sse_brodcaster=debug", Some("sse_brodcaster")),
            ("3", Some("3")),
        ] {
            assert_eq!(unknown_target(filter), word, "{filter}");
        }
        assert_eq!(unknown_target(&with_quiet_libraries(DEFAULT_FILTER)), None);
    }

    #[test]
    fn libraries_that_log_what_clients_send_are_quiet_unless_a_filter_names_them() {
        for (filter, own, actix_server, of_clients) in [
            ("info", "info", "warn", "off"),
            ("warn", "warn", "warn", "off"),
            ("error", "error", "off", "off"),
            ("off", "off", "off", "off"),
            ("trace", "trace", "warn", "off"),
            (
                "debug,h2=info,rustls=info,actix_http=info",
                "debug",
                "warn",
                "info",
            ),
            ("sse_broadcaster=debug", "debug", "off", "off"),
            ("info/text", "info", "warn", "off"),
        ] {
            let whole = with_quiet_libraries(filter);
            let levels = ["error", "warn", "info", "debug", "trace"];
            let most = |target: &str| {
                let at = |level: &&str| logs_at(&whole, level.parse().unwrap(), target);
                levels.into_iter().rfind(at).unwrap_or("off")
            };
            assert_eq!(most("sse_broadcaster::http"), own, "{filter}");
            assert_eq!(most(ACTIX_SERVER), actix_server, "{filter}");
            for library in ["h2::proto", "rustls::conn", "actix_http::h1"] {
                assert_eq!(most(library), of_clients, "{filter} {library}");
            }
        }
    }

    #[test]
    fn the_level_or_target_that_is_probably_meant_is_named() {
        for (word, meant) in [
            ("warning", "is warn meant?"),
            ("err", "is error meant?"),
            ("Information", "is info meant?"),
            ("sse-broadcaster", "is sse_broadcaster meant?"),
            ("verbose", "(error, warn, info, debug, trace, off)"),
        ] {
            assert!(unknown(word).contains(meant), "{}", unknown(word));
        }
    }
}
