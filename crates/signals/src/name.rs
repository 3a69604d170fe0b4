use std::{fmt, str::FromStr};

use sse_broadcaster::event::{Invalid, MAX_NAME_BYTES, RESERVED_NAMES, Topic};

/// What the topics of signals begin with; the signal's name follows.
pub const TOPIC_PREFIX: &str = "$signal/";
/// Longest name of a signal, in bytes of UTF-8: that of a topic, without the prefix of signals.
pub const MAX_SIGNAL_NAME_BYTES: usize = MAX_NAME_BYTES - TOPIC_PREFIX.len();
/// The name of an event that streams of signals use for themselves.
const DELETED: &str = "deleted";

/// The name of a signal: 1 to [`MAX_SIGNAL_NAME_BYTES`] bytes of UTF-8 without control characters, `*` or `{`, and
/// neither `.` nor `..`, which no URL can hold as a segment. The names of events that streams use for themselves are
/// reserved: `connected`, `deleted`, `expiring`, `gap`, `heartbeat`, `position`.
///
/// ```
/// use sse_broadcaster_signals::SignalName;
///
/// let name: SignalName = "counter".parse()?;
/// assert_eq!(name.as_str(), "counter");
/// assert_eq!(SignalName::new("gap").unwrap_err().code(), "invalid_signal");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignalName {
    topic: Topic,
}

impl SignalName {
    /// Checks a name.
    ///
    /// # Errors
    /// `invalid_signal`, with the reason.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let refused =
            |why: &str| Invalid::new("invalid_signal", format!("the signal's name {why}"));
        if text.len() > MAX_SIGNAL_NAME_BYTES {
            return Err(refused(&format!(
                "has {} bytes; at most {MAX_SIGNAL_NAME_BYTES} are allowed",
                text.len()
            )));
        }
        if text == DELETED || RESERVED_NAMES.contains(&text) {
            return Err(refused(&format!(
                "{text} is what a stream calls an event of its own; choose another one"
            )));
        }
        if matches!(text, "." | "..") {
            return Err(refused(&format!(
                "{text} has no address of its own: clients take /signals/{text} for a folder; choose another one"
            )));
        }
        if text.is_empty() || text.contains(|c: char| c.is_control() || matches!(c, '*' | '{')) {
            return Err(refused(
                "is empty, or holds a control character, * or {; choose another one",
            ));
        }
        let topic = Topic::new(&format!("{TOPIC_PREFIX}{text}"))?;
        Ok(Self { topic })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let topic = self.topic.as_str();
        topic.strip_prefix(TOPIC_PREFIX).unwrap_or(topic)
    }

    /// The topic of its changes, for grants: `$signal/` and the name. The document is retained under the same key.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.topic.as_str()
    }
}

impl fmt::Display for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SignalName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_name_fits_into_one_line_and_is_not_the_name_of_a_reserved_event() {
        for name in [
            "counter",
            "$x",
            "a/b",
            "Zähler",
            "with space",
            "...",
            ".a",
            "a/..",
        ] {
            assert_eq!(SignalName::new(name).unwrap().as_str(), name);
        }
        let long = "x".repeat(MAX_SIGNAL_NAME_BYTES + 1);
        for name in [
            "",
            "a\nb",
            "*",
            "{a}",
            ".",
            "..",
            "connected",
            "expiring",
            "gap",
            "heartbeat",
            "position",
            "deleted",
            &long,
        ] {
            assert_eq!(SignalName::new(name).unwrap_err().code(), "invalid_signal");
        }
        assert!(SignalName::new(&long[1..]).is_ok());
    }
}
