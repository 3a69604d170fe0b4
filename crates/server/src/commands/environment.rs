//! Rejects variables `SSE_BROADCASTER_*` that are not settings: a typo must not leave a setting at its default.

use std::ffi::OsString;

use clap::Command;
use sse_broadcaster_cli::TOKEN_VARIABLE;

use crate::config::{Setting, similar};

const PREFIX: &str = "SSE_BROADCASTER_";
/// Most names in one message.
const MAX_LISTED: usize = 8;
/// Longest part of a name in a message.
const MAX_NAME_CHARS: usize = 64;

/// # Errors
/// The names that are not settings, with those that are probably meant.
pub(super) fn check(
    command: &Command,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(), String> {
    let mut unknown: Vec<String> = variables
        .map(|(name, value)| {
            let text = |part: OsString| part.to_string_lossy().into_owned();
            (text(name), text(value))
        })
        .filter(|(name, value)| is_ours(name) && !is_service(name, value))
        .filter(|(name, _)| !is_setting(command, name))
        .map(|(name, _)| name)
        .collect();
    unknown.sort_unstable();
    let listed = unknown.iter().take(MAX_LISTED);
    let listed: Vec<_> = listed.map(|name| sentence(command, name)).collect();
    if listed.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}; --help lists every setting with its variable",
        listed.join("; ")
    ))
}

fn is_ours(name: &str) -> bool {
    let start = name.get(..PREFIX.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// A setting of the server, or what its clients read.
fn is_setting(command: &Command, name: &str) -> bool {
    if name == TOKEN_VARIABLE {
        return true;
    }
    Setting::all(command).any(|setting| setting.variable() == name)
}

fn sentence(command: &Command, name: &str) -> String {
    let shown: String = name.chars().take(MAX_NAME_CHARS).collect();
    match similar::setting(command, &name[PREFIX.len()..]) {
        Some(setting) => format!(
            "there is no setting {shown}; {} is similar",
            setting.variable()
        ),
        None => format!("there is no setting {shown}"),
    }
}

/// Kubernetes sets such variables in every container for a Service whose name begins like this program's.
fn is_service(name: &str, value: &str) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    let ends_with = |end: &[&str]| words.ends_with(end);
    let is_protocol = |word: &str| ["TCP", "UDP", "SCTP"].contains(&word);
    let is_number = |word: &str| word.parse::<u16>().is_ok();
    let is_address = value
        .split_once("://")
        .is_some_and(|(scheme, _)| is_protocol(&scheme.to_ascii_uppercase()));
    let named_port = words.windows(2).any(|pair| pair == ["SERVICE", "PORT"]);
    let numbered_port = words.windows(3).any(|three| {
        matches!(three, ["PORT", number, protocol] if is_number(number) && is_protocol(protocol))
    });
    ends_with(&["SERVICE", "HOST"])
        || named_port
        || numbered_port
        || (ends_with(&["PORT"]) && is_address)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::commands::Cli;

    fn refused(name: &str, value: &str) -> Option<String> {
        let variable = (name.into(), value.into());
        check(&Cli::command(), std::iter::once(variable)).err()
    }

    #[test]
    fn an_unknown_variable_is_refused_with_the_one_that_is_meant() {
        for (wrong, right) in [
            ("DATADIR", "DATA_DIR"),
            ("DATA_DIRECTORY", "DATA_DIR"),
            ("DATA-DIR", "DATA_DIR"),
            ("_DATA_DIR", "DATA_DIR"),
            ("LISTN", "LISTEN"),
            ("PORT", "LISTEN"),
            ("PUBLISHKEY", "PUBLISH_KEY"),
            ("PUBLISH_KEYS", "PUBLISH_KEY"),
            ("PUBLISH_KEYFILE", "PUBLISH_KEY_FILE"),
            ("LOG_LEVEL", "LOG"),
            ("REDIS_URI", "REDIS_URL"),
            ("HISTORY_EVENT", "HISTORY_EVENTS"),
            ("SYNCH", "SYNC"),
        ] {
            let line = refused(&format!("SSE_BROADCASTER_{wrong}"), "x").unwrap();
            let expected = format!("; SSE_BROADCASTER_{right} is similar");
            assert!(line.contains(&expected), "{wrong}: {line}");
        }
        let line = refused("sse_broadcaster_data_dir", "x").unwrap();
        assert!(
            line.contains("; SSE_BROADCASTER_DATA_DIR is similar"),
            "{line}"
        );
        let line = refused("SSE_BROADCASTER_QQQ", "x").unwrap();
        assert!(
            line.contains("SSE_BROADCASTER_QQQ") && !line.contains("similar"),
            "{line}"
        );
    }

    #[test]
    fn settings_and_variables_of_other_programs_are_accepted() {
        for name in [
            "SSE_BROADCASTER_DATA_DIR",
            "SSE_BROADCASTER_TOKEN",
            "SSE_BROADCASTERS_X",
            "PATH",
            "SSE",
            "Über",
        ] {
            assert_eq!(refused(name, "x"), None, "{name}");
        }
    }

    #[test]
    fn variables_of_kubernetes_services_are_ignored() {
        for (name, value) in [
            ("PORT", "tcp://10.0.0.1:80"),
            ("PORT", "udp://10.0.0.1:80"),
            ("SERVICE_HOST", "10.0.0.1"),
            ("SERVICE_PORT", "80"),
            ("SERVICE_PORT_HTTP", "80"),
            ("PORT_80_TCP", "tcp://10.0.0.1:80"),
            ("PORT_80_TCP_PROTO", "tcp"),
            ("PORT_80_TCP_PORT", "80"),
            ("PORT_80_TCP_ADDR", "10.0.0.1"),
            ("PORT_53_UDP_ADDR", "10.0.0.1"),
            ("ADMIN_SERVICE_HOST", "10.0.0.2"),
            ("ADMIN_SERVICE_PORT_HTTP_METRICS", "9000"),
            ("ADMIN_PORT", "tcp://10.0.0.2:9000"),
            ("ADMIN_PORT_9000_TCP_ADDR", "10.0.0.2"),
        ] {
            assert_eq!(
                refused(&format!("SSE_BROADCASTER_{name}"), value),
                None,
                "{name}"
            );
        }
        assert!(refused("SSE_BROADCASTER_PORT", "8000").is_some());
        assert!(refused("SSE_BROADCASTER_PORT_X_TCP", "tcp://a").is_some());
    }
}
