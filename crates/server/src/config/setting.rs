//! What the command line says of each setting: its name, its kind and its default.

use clap::{Arg, Command};

/// The setting that names the file which has others, and so is in none.
pub(crate) const CONFIG: &str = "config";

/// What a setting's value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Switch,
    Number,
    Size,
    Duration,
    Choice(Vec<String>),
    Text,
}

/// One setting of the server: a flag that has a variable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    argument: &'a Arg,
    flag: &'a str,
    variable: &'a str,
}

impl<'a> Setting<'a> {
    /// The settings of a command, in the order of its help.
    pub(crate) fn all(command: &'a Command) -> impl Iterator<Item = Self> {
        command.get_arguments().filter_map(Self::of)
    }

    pub(crate) fn of(argument: &'a Arg) -> Option<Self> {
        Some(Self {
            argument,
            flag: argument.get_long()?,
            variable: argument.get_env()?.to_str()?,
        })
    }

    /// Whether a file may have it.
    pub(crate) fn may_be_in_a_file(self) -> bool {
        self.flag != CONFIG
    }

    /// Its flag without the dashes, which is its name in a file.
    pub(crate) fn flag(self) -> &'a str {
        self.flag
    }

    pub(crate) fn variable(self) -> &'a str {
        self.variable
    }

    pub(crate) fn id(self) -> &'a str {
        self.argument.get_id().as_str()
    }

    pub(crate) fn is_switch(self) -> bool {
        !self.argument.get_action().takes_values()
    }

    pub(crate) fn is_repeatable(self) -> bool {
        matches!(self.argument.get_action(), clap::ArgAction::Append)
    }

    /// Whether its value must not be shown.
    pub(crate) fn is_secret(self) -> bool {
        self.argument.is_hide_env_values_set()
    }

    pub(crate) fn kind(self) -> Kind {
        if self.is_switch() {
            return Kind::Switch;
        }
        let choices = self.argument.get_possible_values();
        if !choices.is_empty() {
            let names = choices.iter().map(|choice| choice.get_name().to_owned());
            return Kind::Choice(names.collect());
        }
        match self.value_name() {
            "N" => Kind::Number,
            "SIZE" => Kind::Size,
            "DURATION" => Kind::Duration,
            _ => Kind::Text,
        }
    }

    /// What stands for its value in the help.
    pub(crate) fn value_name(self) -> &'a str {
        let names = self.argument.get_value_names();
        names
            .and_then(|names| names.first())
            .map_or("", |name| name.as_str())
    }

    /// Its value where none is given; empty if it then has none.
    pub(crate) fn defaults(self) -> Vec<String> {
        let defaults = self.argument.get_default_values().iter();
        defaults
            .map(|value| value.to_string_lossy().into_owned())
            .collect()
    }

    /// What it does, as in the help.
    pub(crate) fn help(self) -> String {
        let help = self.argument.get_help();
        help.map(ToString::to_string).unwrap_or_default()
    }
}
