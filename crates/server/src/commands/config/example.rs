//! A configuration file with every setting.

use clap::Command;

use super::toml;
use crate::config::{Kind, Setting};

/// Longest line of a description.
const WIDTH: usize = 100;

const HEAD: [&str; 3] = [
    "# Settings of sse-broadcaster. Each line that is commented out has the default, or an example where there is",
    "# none. A variable of the environment overrides this file, and a flag overrides both. SIGHUP has this file read",
    "# again.",
];

/// The lines of the file.
pub(super) fn lines(command: &Command) -> Vec<String> {
    let mut lines: Vec<_> = HEAD.map(str::to_owned).into();
    for setting in Setting::all(command).filter(|setting| setting.may_be_in_a_file()) {
        lines.push(String::new());
        lines.extend(wrapped(&setting.help()));
        lines.push(format!("#{}", assignment(setting)));
    }
    lines
}

/// A line that sets the default, or an example of a value.
fn assignment(setting: Setting<'_>) -> String {
    let mut values = setting.defaults();
    if values.is_empty() {
        values.push(example(setting).to_owned());
    }
    let value = toml::values(&setting.kind(), setting.is_repeatable(), &values);
    format!("{} = {value}", setting.flag())
}

fn example(setting: Setting<'_>) -> &'static str {
    match (setting.kind(), setting.value_name()) {
        (Kind::Switch, _) => "false",
        (Kind::Number, _) => "100",
        (Kind::Size, _) => "64MiB",
        (Kind::Duration, _) if setting.flag() == "history-timeout" => "1s",
        (Kind::Duration, _) => "24h",
        (_, "DIRECTORY") => "/var/lib/sse-broadcaster/log",
        (_, "FILE") => "/etc/sse-broadcaster/key",
        (_, "HOST:PORT") => "127.0.0.1:9000",
        (_, "ISSUER") => "https://login.example.com",
        (_, "KEY") => "HS256 a-secret-of-at-least-32-characters",
        (_, "ADDRESS") => "10.0.0.0/8",
        (_, "ORIGIN") => "https://app.example.com",
        (_, "PATH") => "/live",
        (_, "PATTERN") => "rooms/{id}",
        (_, "PATTERN=WHAT") => "prices/{symbol}=latest",
        (_, "URL") if setting.flag() == "redis-url" => "redis://127.0.0.1:6379",
        (_, "URL") if setting.flag() == "postgres-url" => "postgres://sse@127.0.0.1/app",
        (_, "URL") => "https://app.example.com/sse",
        (_, "EMAIL") => "ops@example.com",
        (_, "FILTER") => "info",
        _ => "example",
    }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("# {word}")),
        }
    }
    lines
}
