//! Reads the settings: from the command line, the environment, the configuration file and the credentials.

use std::{
    env,
    fmt::Display,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _};
use sse_broadcaster_cli::{TOKEN_VARIABLE, print_to_stderr};

use super::{Cli, config, environment, usage};
use crate::config::{BadSetting, CREDENTIALS_DIRECTORY, Config, Fallbacks, Given, file};

/// Why the settings cannot be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("{}", usage::one_line(&Cli::command(), .0, .1))]
    Usage(clap::Error, Fallbacks),
    #[error(transparent)]
    Setting(#[from] BadSetting),
    #[error("{0}")]
    UnknownVariable(String),
}

/// Parses the command line, the environment and the configuration file.
///
/// # Errors
/// The exit code, after an error, the help or the version has been printed.
pub fn parse() -> Result<Cli, ExitCode> {
    let refuse = |what: &dyn Display| {
        print_to_stderr(what);
        ExitCode::from(2)
    };
    let cli = read().map_err(|error| match error {
        ReadError::Usage(help, _) if !help.use_stderr() => {
            // A reader that closes the pipe early is not an error.
            let _ = help.print();
            ExitCode::SUCCESS
        }
        error => refuse(&error),
    })?;
    match &cli.command {
        None => {
            cli.config.given.check_empty().map_err(|bad| refuse(&bad))?;
            if env::var_os(TOKEN_VARIABLE).is_some() {
                print_to_stderr(&format!(
                    "{TOKEN_VARIABLE} has no effect on the server: subscribe and publish send it; keys of tokens \
                     are set by SSE_BROADCASTER_TOKEN_KEY, a key of publishers by SSE_BROADCASTER_PUBLISH_KEY"
                ));
            }
        }
        Some(command) => command.report_ignored(&cli.config.given),
    }
    Ok(cli)
}

/// The settings of the server as they are now, by the same command line.
///
/// # Errors
/// In one sentence, why they cannot be read.
pub(super) fn read_settings() -> Result<Config, String> {
    let cli = read().map_err(|why| why.to_string())?;
    cli.config
        .given
        .check_empty()
        .map_err(|why| why.to_string())?;
    Ok(cli.config)
}

/// The command line, the environment and the files as they are now.
///
/// # Errors
/// For what is no setting, for a value that is not valid, and for a file that cannot be read.
fn read() -> Result<Cli, ReadError> {
    let command = Cli::command();
    let usage = |error| ReadError::Usage(error, Fallbacks::default());
    let matches = command.clone().try_get_matches().map_err(usage)?;
    environment::check(&command, env::vars_os()).map_err(ReadError::UnknownVariable)?;
    let fallbacks = fallbacks(&command, &matches)?;
    let command = fallbacks.applied_to(command, &matches);
    let usage = |error: clap::Error| ReadError::Usage(error, fallbacks.clone());
    let matches = command.clone().try_get_matches().map_err(usage)?;
    let cli = Cli::from_arg_matches(&matches);
    let mut cli = cli.map_err(|error| usage(error.format(&mut command.clone())))?;
    cli.config.given = Given::of(&command, &matches, &fallbacks);
    Ok(cli)
}

/// What the configuration file has, and the credentials.
fn fallbacks(command: &Command, matches: &ArgMatches) -> Result<Fallbacks, BadSetting> {
    let mut fallbacks = match config_file(matches) {
        Some(path) => file::read(command, path)?,
        None => Fallbacks::default(),
    };
    if let Some(directory) = env::var_os(CREDENTIALS_DIRECTORY) {
        fallbacks.add_credentials(command, matches, Path::new(&directory));
    }
    Ok(fallbacks)
}

/// The file of `--config`, or the one that `config check` is about.
fn config_file(matches: &ArgMatches) -> Option<&PathBuf> {
    let of_command = matches.subcommand_matches(config::NAME);
    let of_command = of_command.and_then(config::file);
    of_command.or_else(|| matches.get_one("config"))
}
