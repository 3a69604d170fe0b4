//! Errors of the command line and the environment, in one line each.

use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::config::{Fallbacks, Setting};

/// The command that a build can leave out.
const LOAD_TESTER: &str = "bench";

/// The message of the parser without the usage that follows it.
pub(super) fn one_line(command: &Command, error: &clap::Error, fallbacks: &Fallbacks) -> String {
    if error.kind() == ErrorKind::InvalidSubcommand {
        return unknown_command(command, error);
    }
    let text = error.render().to_string();
    let sentences = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let line = sentences.collect::<Vec<_>>().join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    let line = line.replace(" tip: ", "; ");
    let place = setting(command, error).and_then(|setting| {
        let variable = setting.variable();
        match std::env::var_os(variable) {
            Some(_) => Some(format!("{variable} is set in the environment")),
            None => fallbacks.get(setting.flag())?.source.place(),
        }
    });
    match place {
        Some(place) => format!("{line} ({place})"),
        None => line,
    }
}

/// The unknown word is not repeated, since it may be a part of a key.
fn unknown_command(command: &Command, error: &clap::Error) -> String {
    let word = error.get(ContextKind::InvalidSubcommand);
    if matches!(word, Some(ContextValue::String(word)) if word == LOAD_TESTER) {
        return format!(
            "this program was built without the command {LOAD_TESTER}; build it with the cargo feature \
             {LOAD_TESTER}, which is on by default"
        );
    }
    let names = command.get_subcommands().map(Command::get_name);
    let names: Vec<_> = names.filter(|name| *name != "help").collect();
    let (last, others) = names.split_last().unwrap_or((&"", &[]));
    let others = others.join(", ");
    format!("there is no such command; the commands are {others} and {last}")
}

/// The setting of a refused value.
fn setting<'a>(command: &'a Command, error: &clap::Error) -> Option<Setting<'a>> {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = shown.split_whitespace().next()?.strip_prefix("--")?;
    Setting::all(command).find(|setting| setting.flag() == flag)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::commands::Cli;

    fn refused(arguments: &[&str]) -> String {
        let program = ["sse-broadcaster"];
        let error = Cli::try_parse_from(program.iter().chain(arguments)).unwrap_err();
        one_line(&Cli::command(), &error, &Fallbacks::default())
    }

    #[test]
    fn an_invalid_setting_is_reported_in_one_line_with_its_flag_and_what_would_be_right() {
        assert_eq!(
            refused(&["--drain-time", "soon"]),
            "invalid value 'soon' for '--drain-time <DURATION>': a duration has a unit, for example \
             500ms, 30s, 10m or 24h"
        );
        assert_eq!(
            refused(&["--log-format", "xml"]),
            "invalid value 'xml' for '--log-format <FORMAT>' [possible values: text, json]"
        );
        assert_eq!(
            refused(&["--listne", "x"]),
            "unexpected argument '--listne' found; a similar argument exists: '--listen'"
        );
    }

    #[test]
    fn an_unknown_command_is_reported_with_the_known_ones() {
        let line = refused(&["serve"]);
        assert!(line.starts_with("there is no such command"), "{line}");
        for command in ["subscribe", "publish", "health"] {
            assert!(line.contains(command), "{line}");
        }
        assert_eq!(line.contains("bench"), cfg!(feature = "bench"), "{line}");
    }

    #[test]
    fn without_its_feature_the_command_bench_is_unknown_with_what_to_do() {
        let command = Command::new("sse-broadcaster").subcommand(Command::new("publish"));
        let arguments = ["sse-broadcaster", "bench"];
        let error = command.clone().try_get_matches_from(arguments).unwrap_err();
        let line = one_line(&command, &error, &Fallbacks::default());
        assert!(line.contains("without the command bench"), "{line}");
        assert!(line.contains("feature bench"), "{line}");
        if cfg!(not(feature = "bench")) {
            assert_eq!(refused(&["bench"]), line);
        }
    }

    #[test]
    fn a_word_that_follows_a_key_is_not_repeated() {
        let line = refused(&["--publish-key", "one", "secret-two"]);
        assert!(!line.contains("secret-two"), "{line}");
        let line = refused(&["--publish-key", "one", "b"]);
        assert!(!line.contains("'b'"), "{line}");
        let line = refused(&["publish", "--json", "--publish-key", "one", "secret-two"]);
        assert!(!line.contains("secret-two"), "{line}");
    }
}
