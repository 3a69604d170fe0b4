//! A JSON Schema of the configuration file.

use clap::Command;
use serde_json::{Map, Value, json};

use crate::config::{Kind, Setting};

/// The lines of the schema. Draft 7 is the newest that editors of TOML read.
pub(super) fn lines(command: &Command) -> Vec<String> {
    let settings = Setting::all(command).filter(|setting| setting.may_be_in_a_file());
    let properties: Map<_, _> = settings
        .map(|setting| (setting.flag().to_owned(), property(setting)))
        .collect();
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Settings of sse-broadcaster",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    format!("{schema:#}").lines().map(str::to_owned).collect()
}

fn property(setting: Setting<'_>) -> Value {
    let kind = setting.kind();
    let item = of_kind(&kind);
    let mut property = if setting.is_repeatable() {
        json!({"anyOf": [item, {"type": "array", "items": item}]})
    } else {
        item
    };
    property["description"] = setting.help().into();
    let defaults: Vec<_> = setting
        .defaults()
        .iter()
        .map(|text| default(&kind, text))
        .collect();
    match defaults.as_slice() {
        [] => {}
        [one] if !setting.is_repeatable() => property["default"] = one.clone(),
        all => property["default"] = all.into(),
    }
    property
}

fn of_kind(kind: &Kind) -> Value {
    match kind {
        Kind::Switch => json!({"type": "boolean"}),
        Kind::Number => json!({"type": "integer", "minimum": 0}),
        Kind::Size => json!({"type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]"}),
        Kind::Duration => json!({"anyOf": [{"type": "string", "pattern": "^[0-9]"}, {"const": 0}]}),
        Kind::Choice(names) => json!({"enum": names}),
        Kind::Text => json!({"type": "string"}),
    }
}

fn default(kind: &Kind, text: &str) -> Value {
    match kind {
        Kind::Switch => Value::Bool(text == "true"),
        Kind::Number => text
            .parse::<u64>()
            .map_or_else(|_| text.into(), Value::from),
        _ => text.into(),
    }
}
