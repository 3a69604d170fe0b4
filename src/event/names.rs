//! Text that ends up on a line of the wire.

use std::{fmt, str::FromStr, sync::Arc};

use super::{EventId, Invalid};

/// The topic of events that were published without one, and of subscribers that ask for none.
pub const DEFAULT_TOPIC: &str = "default";
/// Longest topic, event name or idempotency key, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 256;
/// Longest topic that is a URI, and longest alias, in bytes of UTF-8.
pub const MAX_URI_BYTES: usize = 4_096;
/// Event names that only the broadcaster itself sends.
pub const RESERVED_NAMES: [&str; 6] = [
    "connected",
    "expiring",
    FINISHED,
    "gap",
    "heartbeat",
    "position",
];
/// The name of an event that finishes its topics.
pub const FINISHED: &str = "finished";
/// Events that an `EventSource` fires when its connection opens or fails.
pub const EVENT_SOURCE_NAMES: [&str; 2] = ["open", "error"];

/// The one place where text that ends up on a line of the wire is checked.
fn check_line(what: &str, code: &'static str, text: &str, max: usize) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new(code, format!("{what} is empty")));
    }
    if text.len() > max {
        return Err(Invalid::new(
            code,
            format!("{what} has {} bytes; at most {max} are allowed", text.len()),
        ));
    }
    if let Some(c) = text.chars().find(|c| c.is_control()) {
        return Err(Invalid::new(
            code,
            format!(
                "{what} holds the control character U+{:04X}; line ends, NUL and the like are not allowed",
                c as u32
            ),
        ));
    }
    Ok(())
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// A text that was checked before it was stored.
            pub(super) fn unchecked(text: &str) -> Self {
                Self(text.into())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }
    };
}

text_type! {
    /// What a subscriber asks for: 1 to [`MAX_NAME_BYTES`] bytes without control characters, `*` or `{`; or, as
    /// [`Topic::uri`], a URI.
    Topic
}

impl Topic {
    /// The topic with this name.
    ///
    /// # Errors
    /// `invalid_topic` when the text is empty, too long, or holds a control character, `*` or `{`.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        check_line("the topic", "invalid_topic", text, MAX_NAME_BYTES)?;
        if text.contains(['*', '{']) {
            return Err(Invalid::new(
                "invalid_topic",
                "a topic's name holds neither * nor {; a subscriber asks for all topics with topic=*",
            ));
        }
        Ok(Self(text.into()))
    }

    /// The topic with this name, which may be a URI or a template of URIs: up to [`MAX_URI_BYTES`], and with `*` and
    /// `{`, but not `*` itself.
    ///
    /// # Errors
    /// `invalid_topic` when the text is empty, too long, `*`, or holds a control character.
    pub fn uri(text: &str) -> Result<Self, Invalid> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// What holds for every topic of a stored event.
    pub(super) fn check(text: &str) -> Result<(), Invalid> {
        check_line("the topic", "invalid_topic", text, MAX_URI_BYTES)?;
        if text == "*" {
            return Err(Invalid::new(
                "invalid_topic",
                "* stands for all topics, so that it is none; name the topic",
            ));
        }
        Ok(())
    }

    /// Whether the topic is internal, which are those that begin with `$`: clients cannot publish to it, and `*` does
    /// not select it.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        Self::is_internal_name(&self.0)
    }

    pub(crate) fn is_internal_name(text: &str) -> bool {
        text.starts_with('$')
    }
}

impl Default for Topic {
    fn default() -> Self {
        Self(DEFAULT_TOPIC.into())
    }
}

text_type! {
    /// The `event:` field of the WHATWG's event stream: 1 to [`MAX_NAME_BYTES`] bytes without control
    /// characters.
    EventName
}

impl EventName {
    /// The event name with this text, which may be one that clients cannot publish.
    pub(super) fn reserved(text: &str) -> Result<Self, Invalid> {
        Self::check(text)?;
        Ok(Self::unchecked(text))
    }

    /// That of an event which finishes its topics.
    pub(super) fn finished() -> Self {
        Self::unchecked(FINISHED)
    }

    /// The event name with this text.
    ///
    /// # Errors
    /// `invalid_event` when the text is empty, too long or holds a control character;
    /// `reserved_event` for the names in [`RESERVED_NAMES`] and [`EVENT_SOURCE_NAMES`].
    pub fn new(text: &str) -> Result<Self, Invalid> {
        Self::check(text)?;
        if EVENT_SOURCE_NAMES.contains(&text) {
            return Err(Invalid::new(
                "reserved_event",
                format!(
                    "an EventSource itself fires {text}, so that pages would take the event for it; choose \
                     another name"
                ),
            ));
        }
        if RESERVED_NAMES.contains(&text) {
            return Err(Invalid::new(
                "reserved_event",
                format!("the event name {text} is sent by the server itself; choose another one"),
            ));
        }
        Ok(Self(text.into()))
    }

    /// What holds for stored events, too: the name may have been reserved since it was published.
    pub(super) fn check(text: &str) -> Result<(), Invalid> {
        check_line("the event name", "invalid_event", text, MAX_NAME_BYTES)
    }
}

text_type! {
    /// An id that a publisher gave to its event, so that it can repeat the publish safely.
    IdempotencyKey
}

impl IdempotencyKey {
    /// The idempotency key with this text.
    ///
    /// # Errors
    /// `invalid_id` when the text is empty, too long, holds a control character, or has the form of
    /// an event id (`<digits>-<digits>`), since it would then name a position.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    pub(super) fn check(text: &str) -> Result<(), Invalid> {
        check_line("the id", "invalid_id", text, MAX_NAME_BYTES)?;
        if EventId::has_form(text) {
            return Err(Invalid::new(
                "invalid_id",
                "an id of your own must not have the form <digits>-<digits>: that is how positions look",
            ));
        }
        Ok(())
    }
}

text_type! {
    /// An id that a publisher gave to its event, for clients to see in place of the position and to resume after.
    /// Unlike an [`IdempotencyKey`] several events may have it. 1 to [`MAX_URI_BYTES`] bytes without control
    /// characters.
    Alias
}

/// Maps are asked by text.
impl std::borrow::Borrow<str> for Alias {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Alias {
    /// The alias with this text.
    ///
    /// # Errors
    /// `invalid_id` when the text is empty, too long or holds a control character.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    pub(super) fn check(text: &str) -> Result<(), Invalid> {
        check_line("the id", "invalid_id", text, MAX_URI_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T: fmt::Debug>(result: Result<T, Invalid>) -> &'static str {
        result.unwrap_err().code()
    }

    #[test]
    fn an_idempotency_key_never_looks_like_a_position() {
        assert_eq!(code(IdempotencyKey::new("12-0")), "invalid_id");
        assert!(IdempotencyKey::new("12-a").is_ok());
        assert!(IdempotencyKey::new("order-12").is_ok());
    }

    #[test]
    fn a_topic_that_is_a_uri_may_be_longer_and_hold_braces_and_is_never_all_topics() {
        let long = format!("https://example.com/{}", "x".repeat(MAX_NAME_BYTES));
        for text in ["https://example.com/{id}", "a*", &long] {
            assert!(
                Topic::uri(text).is_ok() && Topic::new(text).is_err(),
                "{text}"
            );
        }
        for text in ["*", "", "a\nb", &"x".repeat(MAX_URI_BYTES + 1)] {
            assert_eq!(code(Topic::uri(text)), "invalid_topic");
        }
    }
}
