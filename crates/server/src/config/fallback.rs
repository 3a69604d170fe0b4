//! Values of settings that neither a flag nor a variable gives: those of a configuration file, and credentials.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, Command, parser::ValueSource};

use super::setting::Setting;

/// The directory in which systemd gives a service its credentials, one file each.
pub(crate) const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// What the flag of a secret's file ends with.
const FILE: &str = "-file";

/// Where the value of a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody gave one.
    Default,
    /// A credential of this name.
    Credential(String),
    /// The configuration file.
    File {
        /// The path of the file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A variable of the environment.
    Variable,
    /// The command line.
    Flag,
}

impl Source {
    /// Where to look for the value; `None` where it is in the command line, or is the default.
    pub(crate) fn place(&self) -> Option<String> {
        match self {
            Self::File { path, line } => Some(format!("{}, line {line}", path.display())),
            Self::Credential(name) => Some(format!("credential {name}")),
            Self::Default | Self::Variable | Self::Flag => None,
        }
    }
}

/// A value for a setting, which stands for its default.
#[derive(Debug, Clone)]
pub(crate) struct Fallback {
    pub(crate) values: Vec<String>,
    pub(crate) source: Source,
}

/// Values by flag, without the dashes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fallbacks(BTreeMap<String, Fallback>);

impl Fallbacks {
    pub(crate) fn insert(&mut self, flag: &str, fallback: Fallback) {
        self.0.insert(flag.to_owned(), fallback);
    }

    pub(crate) fn get(&self, flag: &str) -> Option<&Fallback> {
        self.0.get(flag)
    }

    /// Adds the credentials in a directory: a file that has the name of a secret setting is the same as its setting
    /// `…-file` with that path. One that is given in another way is left out.
    pub(crate) fn add_credentials(
        &mut self,
        command: &Command,
        matches: &ArgMatches,
        directory: &Path,
    ) {
        for setting in Setting::all(command) {
            let Some(name) = setting.flag().strip_suffix(FILE) else {
                continue;
            };
            let path = directory.join(name);
            let secret = Setting::all(command).find(|setting| setting.flag() == name);
            let is_given = |setting: Setting<'_>| {
                self.0.contains_key(setting.flag()) || is_given(matches, setting)
            };
            if !path.is_file() || is_given(setting) || secret.is_some_and(is_given) {
                continue;
            }
            let fallback = Fallback {
                values: vec![path.to_string_lossy().into_owned()],
                source: Source::Credential(name.to_owned()),
            };
            self.insert(setting.flag(), fallback);
        }
    }

    /// The command with these values as defaults of its settings that `matches` do not have, and of those of the
    /// subcommand that was given.
    pub(crate) fn applied_to(&self, command: Command, matches: &ArgMatches) -> Command {
        let settings = Setting::all(&command).filter(|setting| !is_given(matches, *setting));
        let due: Vec<_> = settings
            .filter_map(|setting| Some((setting.id().to_owned(), self.get(setting.flag())?)))
            .collect();
        let command = due.into_iter().fold(command, |command, (id, fallback)| {
            command.mut_arg(id, |argument| {
                // A list has its own separators.
                let values = fallback.values.clone();
                argument.value_delimiter(None).default_values(values)
            })
        });
        match matches.subcommand() {
            Some((name, matches)) => {
                command.mut_subcommand(name, |command| self.applied_to(command, matches))
            }
            None => command,
        }
    }
}

fn is_given(matches: &ArgMatches, setting: Setting<'_>) -> bool {
    given_by(matches, setting).is_some()
}

/// Whether a flag or a variable gives a setting.
pub(super) fn given_by(matches: &ArgMatches, setting: Setting<'_>) -> Option<Source> {
    match matches.value_source(setting.id())? {
        ValueSource::CommandLine => Some(Source::Flag),
        ValueSource::EnvVariable => Some(Source::Variable),
        _ => None,
    }
}
