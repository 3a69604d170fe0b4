//! A signal and its document on one line, as `subscribe --json --signals` writes it.

use std::borrow::Cow;

use memchr::memmem;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;

#[derive(Debug, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with a signal and its document"
)]
pub(crate) struct SignalLine<'a> {
    #[serde(borrow)]
    pub(crate) signal: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) document: &'a RawValue,
}

/// Writes a signal and its document on one line.
pub(crate) fn signal_line(name: &str, document: &RawValue) -> serde_json::Result<String> {
    let line = serde_json::to_string(&SignalLine {
        signal: name.into(),
        document,
    })?;
    // In JSON, line ends are white space: strings cannot hold one.
    Ok(line.replace(['\n', '\r'], " "))
}

/// Whether the line is an object with a member `signal`. Most lines are ruled out without being parsed.
pub(crate) fn is_signal_line(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Kind {
        signal: Option<IgnoredAny>,
    }
    memmem::find(line, b"\"signal\"").is_some()
        && serde_json::from_slice(line).is_ok_and(|kind: Kind| kind.signal.is_some())
}
