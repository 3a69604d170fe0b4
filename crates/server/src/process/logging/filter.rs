//! The text of the filter, and what is probably meant where it would log nothing.

use log::{Level, LevelFilter, Metadata};
use sse_broadcaster_cli::print_to_stderr;
use sse_broadcaster_disk::ENGINE_LOG_TARGETS;

use super::OWN_TARGET;
use crate::config::{BadSetting, Config};

/// The filter without a setting. actix's dispatcher logs an error for each client that disconnects, so that it
/// is switched off.
const DEFAULT_FILTER: &str = "info,actix_server=warn,actix_http=off";

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

fn default_filter() -> String {
    let quiet = ENGINE_LOG_TARGETS.map(|target| format!(",{target}=off"));
    DEFAULT_FILTER.to_owned() + &quiet.concat()
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
            None => Ok(filter),
        };
    }
    let Some(filter) = std::env::var("RUST_LOG").ok().filter(is_set) else {
        return Ok(default_filter());
    };
    check(&filter).map_err(|why| BadSetting(format!("RUST_LOG {filter}: {why}")))?;
    if let Some(word) = unknown_target(&filter).filter(|_| logs_nothing(&filter)) {
        print_to_stderr(&format!(
            "RUST_LOG {filter} logs nothing here: {}",
            unknown(word)
        ));
    }
    Ok(filter)
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
    let mut builder = env_filter::Builder::new();
    let Ok(builder) = builder.try_parse(filter) else {
        return true;
    };
    let line = Metadata::builder()
        .level(Level::Error)
        .target(OWN_TARGET)
        .build();
    !builder.build().enabled(&line)
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
        assert_eq!(unknown_target(&default_filter()), None);
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
