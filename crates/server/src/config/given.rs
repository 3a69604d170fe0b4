//! Every setting with its values and where they were given: a setting without effect is reported by the name that
//! the operator used, and what SIGHUP changes is found by comparison.

use std::collections::{BTreeMap, BTreeSet};

use clap::{ArgMatches, Command};

use super::{
    BadSetting,
    fallback::{Fallbacks, Source, given_by},
    setting::{Kind, Setting},
};

/// The settings, by flag without the dashes.
#[derive(Clone, Default)]
pub struct Given(BTreeMap<String, Shown>);

/// A setting with its values.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) variable: String,
    pub(crate) source: Source,
    pub(crate) values: Vec<String>,
    pub(crate) kind: Kind,
    pub(crate) is_repeatable: bool,
    pub(crate) is_secret: bool,
    pub(crate) may_be_in_a_file: bool,
}

/// An empty filter is the default, as with `RUST_LOG`.
const MAY_BE_EMPTY: &[&str] = &["log"];

impl Given {
    /// The settings of `matches`, which were parsed with these fallbacks as defaults.
    #[must_use]
    pub(crate) fn of(command: &Command, matches: &ArgMatches, fallbacks: &Fallbacks) -> Self {
        let shown = |setting: Setting<'_>| {
            let shown = Shown {
                variable: setting.variable().to_owned(),
                source: source(setting, matches, fallbacks),
                values: values(setting, matches),
                kind: setting.kind(),
                is_repeatable: setting.is_repeatable(),
                is_secret: setting.is_secret(),
                may_be_in_a_file: setting.may_be_in_a_file(),
            };
            (setting.flag().to_owned(), shown)
        };
        Self(Setting::all(command).map(shown).collect())
    }

    /// Each setting, with its flag without the dashes.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Shown)> {
        self.0.iter().map(|(flag, shown)| (flag.as_str(), shown))
    }

    /// The name under which a setting was given; `None` if it was not. A switch that is off does not count as given.
    #[must_use]
    pub fn name(&self, flag: &str) -> Option<String> {
        self.0
            .get(flag)
            .filter(|shown| shown.is_given())?
            .name(flag)
    }

    /// Whether a setting was given by its variable; `flag` is its flag without the dashes.
    #[must_use]
    pub fn by_variable(&self, flag: &str) -> bool {
        let shown = self.0.get(flag);
        shown.is_some_and(|shown| shown.source == Source::Variable)
    }

    /// The flags that were given on the command line, except these.
    pub fn flags_beside<'a>(&'a self, known: &'a [&str]) -> impl Iterator<Item = String> + 'a {
        let flags = self
            .all()
            .filter(|(_, shown)| shown.is_given() && shown.source == Source::Flag);
        let others = flags.filter(|(flag, _)| !known.contains(flag));
        others.map(|(flag, _)| format!("--{flag}"))
    }

    /// Checks that no setting is empty: it would silently have its default.
    ///
    /// # Errors
    /// Names the setting.
    pub fn check_empty(&self) -> Result<(), BadSetting> {
        let empty = self
            .all()
            .filter(|(flag, shown)| shown.is_empty() && !MAY_BE_EMPTY.contains(flag))
            .find_map(|(flag, shown)| Some((shown.name(flag)?, &shown.source)));
        let Some((name, source)) = empty else {
            return Ok(());
        };
        let what = match source {
            Source::Flag => "flag",
            Source::Variable => "variable",
            _ => "line",
        };
        Err(BadSetting(format!(
            "{name} is empty: give it a value, or leave the {what} out"
        )))
    }

    /// The flags, without the dashes, of the settings that have other values in `new`.
    pub(crate) fn changed(&self, new: &Self) -> BTreeSet<String> {
        let is_changed = |flag: &&String| {
            let values = |given: &'_ Self| given.0.get(*flag).map(|shown| shown.values.clone());
            values(self) != values(new)
        };
        new.0.keys().filter(is_changed).cloned().collect()
    }

    /// Leaves a setting as `old` has it.
    pub(crate) fn keep(&mut self, flag: &str, old: &Self) {
        if let Some(shown) = old.0.get(flag) {
            self.0.insert(flag.to_owned(), shown.clone());
        }
    }

    /// A sentence with the value of a setting, unless that is secret.
    pub(crate) fn description(&self, flag: &str) -> String {
        match self.0.get(flag) {
            Some(shown) if shown.is_secret => format!("{flag} has changed"),
            Some(shown) if !shown.values.is_empty() => {
                format!("{flag} is {} now", shown.values.join(", "))
            }
            _ => format!("{flag} is not set any more"),
        }
    }
}

impl Shown {
    fn is_given(&self) -> bool {
        let is_off = self.kind == Kind::Switch && self.values == ["false"];
        self.source != Source::Default && !is_off
    }

    fn is_empty(&self) -> bool {
        self.is_given() && self.values.iter().all(|value| is_empty(value))
    }

    fn name(&self, flag: &str) -> Option<String> {
        match &self.source {
            Source::Default => None,
            Source::Flag => Some(format!("--{flag}")),
            Source::Variable => Some(self.variable.clone()),
            Source::File { .. } | Source::Credential(_) => {
                let place = self.source.place().unwrap_or_default();
                Some(format!("{flag} ({place})"))
            }
        }
    }
}

impl std::fmt::Debug for Given {
    /// Without values, some of which are secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn source(setting: Setting<'_>, matches: &ArgMatches, fallbacks: &Fallbacks) -> Source {
    let of_fallback = || {
        let fallback = fallbacks.get(setting.flag());
        fallback.map_or(Source::Default, |fallback| fallback.source.clone())
    };
    given_by(matches, setting).unwrap_or_else(of_fallback)
}

fn values(setting: Setting<'_>, matches: &ArgMatches) -> Vec<String> {
    if setting.is_switch() {
        return vec![matches.get_flag(setting.id()).to_string()];
    }
    let values = matches.get_raw(setting.id()).into_iter().flatten();
    values
        .map(|value| value.to_string_lossy().into_owned())
        .collect()
}

/// Whether a value has nothing but separators.
fn is_empty(value: &str) -> bool {
    value.split(',').all(|part| part.trim().is_empty())
}
