//! The setting that a wrong name probably means.

use clap::{
    Command,
    error::{ContextKind, ContextValue},
};

use super::setting::Setting;

/// Names that other programs have for a setting, if they are not similar to ours.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("address", "listen"),
    ("addr", "listen"),
    ("bind", "listen"),
    ("directory", "data-dir"),
    ("key", "publish-key"),
    ("key-file", "publish-key-file"),
    ("log-filter", "log"),
    ("log-level", "log"),
    ("port", "listen"),
    ("postgres", "postgres-url"),
    ("redis", "redis-url"),
    ("threads", "workers"),
    ("url", "listen"),
];

/// The setting that this name probably means, by clap's similarity of flags.
pub(crate) fn setting<'a>(command: &'a Command, name: &str) -> Option<Setting<'a>> {
    let words = name.to_lowercase().replace('_', "-");
    let words = words.trim_matches('-');
    let named = |flag: &str| Setting::all(command).find(|setting| setting.flag() == flag);
    if let Some((_, meant)) = OTHER_NAMES.iter().find(|(other, _)| *other == words) {
        return named(meant);
    }
    if let Some(setting) = named(words) {
        return Some(setting);
    }
    let arguments = [String::new(), format!("--{words}")];
    let error = command.clone().try_get_matches_from(arguments).err()?;
    let suggested = match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(suggested) => suggested,
        ContextValue::Strings(suggested) => suggested.first()?,
        _ => return None,
    };
    named(suggested.strip_prefix("--")?)
}
