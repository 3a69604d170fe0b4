//! The configuration file: TOML in which each setting has the name of its flag, without the dashes.

use std::{collections::BTreeMap, ops::Range, path::Path};

use clap::Command;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    BadSetting,
    fallback::{Fallback, Fallbacks, Source},
    setting::{CONFIG, Kind, Setting},
    similar,
};
use sse_broadcaster_cli::read_within;

/// Longest configuration file that is read.
const MAX_BYTES: u64 = 1 << 20;
/// Longest part of a wrong name in a message.
const MAX_NAME_CHARS: usize = 64;

/// Reads the settings of a file.
///
/// # Errors
/// With the line: what is not TOML, what is no setting, and values of a wrong type.
pub(crate) fn read(command: &Command, path: &Path) -> Result<Fallbacks, BadSetting> {
    let shown = path.display();
    let read = read_within(path, MAX_BYTES).map_err(|error| {
        BadSetting(format!(
            "--{CONFIG} {shown}: {error}; sse-broadcaster config example prints a file to begin with"
        ))
    });
    let (text, _) = read?;
    parse(command, &text, path).map_err(|wrong| {
        let place = wrong
            .span
            .map_or_else(String::new, |span| format!(", line {}", line(&text, span)));
        BadSetting(format!("{shown}{place}: {}", wrong.why))
    })
}

/// What is wrong, and where.
struct Wrong {
    why: String,
    span: Option<Range<usize>>,
}

fn parse(command: &Command, text: &str, path: &Path) -> Result<Fallbacks, Wrong> {
    let table = DeTable::parse(text).map_err(|error| Wrong {
        why: error.message().replace('\n', ", "),
        span: error.span(),
    })?;
    let settings: BTreeMap<_, _> = Setting::all(command)
        .filter(|setting| setting.may_be_in_a_file())
        .map(|setting| (setting.flag(), setting))
        .collect();
    let mut found = Fallbacks::default();
    for (name, value) in table.get_ref() {
        let wrong = |why, span| Wrong {
            why,
            span: Some(span),
        };
        let flag = name.get_ref().as_ref();
        let setting = settings.get(flag);
        let setting = setting.ok_or_else(|| unknown(command, flag, value.get_ref()));
        let setting = setting.map_err(|why| wrong(why, name.span()))?;
        let values = values(*setting, value.get_ref()).map_err(|why| wrong(why, value.span()))?;
        if values.is_empty() && setting.defaults().is_empty() {
            continue;
        }
        let source = Source::File {
            path: path.to_owned(),
            line: line(text, name.span()),
        };
        found.insert(flag, Fallback { values, source });
    }
    Ok(found)
}

/// The number of the line in which a span begins.
fn line(text: &str, span: Range<usize>) -> usize {
    let before = text.as_bytes().iter().take(span.start);
    before.filter(|byte| **byte == b'\n').count() + 1
}

fn unknown(command: &Command, name: &str, value: &DeValue<'_>) -> String {
    if name == CONFIG {
        return format!("{CONFIG} names this file, and cannot be in it");
    }
    let shown: String = name.chars().take(MAX_NAME_CHARS).collect();
    if value.is_table() {
        return format!("[{shown}] is a section; settings are in none: write each as name = value");
    }
    match similar::setting(command, name) {
        Some(setting) => format!("there is no setting {shown}; {} is similar", setting.flag()),
        None => format!("there is no setting {shown}; sse-broadcaster config example lists all"),
    }
}

/// The texts that the command line would have.
fn values(setting: Setting<'_>, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let DeValue::Array(array) = value else {
        return Ok(vec![scalar(setting, value)?]);
    };
    if !setting.is_repeatable() {
        return Err(format!("{} takes one value, not a list", setting.flag()));
    }
    let values = array.iter().map(Spanned::get_ref);
    values.map(|value| scalar(setting, value)).collect()
}

fn scalar(setting: Setting<'_>, value: &DeValue<'_>) -> Result<String, String> {
    let is_switch = setting.is_switch();
    match value {
        DeValue::Boolean(on) if is_switch => Ok(on.to_string()),
        DeValue::String(text) if !is_switch => Ok(text.to_string()),
        DeValue::Integer(number) if !is_switch && number.radix() == 10 => {
            Ok(number.as_str().to_owned())
        }
        other => Err(format!(
            "{} takes {}, not {}",
            setting.flag(),
            expected(setting),
            name_of(other)
        )),
    }
}

fn expected(setting: Setting<'_>) -> &'static str {
    match setting.kind() {
        Kind::Switch => "true or false",
        Kind::Number => "a whole number",
        Kind::Size => "a number of bytes, or a text such as \"64MiB\"",
        Kind::Duration => "a text such as \"30s\"",
        Kind::Choice(_) | Kind::Text => "a text in quotation marks",
    }
}

fn name_of(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Boolean(on) => on.to_string(),
        DeValue::String(_) => "a text".to_owned(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Datetime(_) => "a time".to_owned(),
        DeValue::Array(_) => "a list in a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
