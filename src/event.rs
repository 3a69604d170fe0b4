//! What is published and what is asked for. Every type here can only be built valid, so nothing
//! behind this module checks for CR, LF, NUL or length again.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::Bytes;

/// The topic of events that were published without one, and of subscribers that ask for none.
pub const DEFAULT_TOPIC: &str = "default";
/// Most topics that one event may have, and that one subscription may ask for.
pub const MAX_TOPICS: usize = 100;
/// Longest topic, event name or own id, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 256;
/// Longest reconnection time that an event may set.
pub const MAX_RETRY: Duration = Duration::from_secs(24 * 60 * 60);
/// Event names that only the broadcaster itself sends.
pub const RESERVED_NAMES: [&str; 3] = ["connected", "gap", "position"];

/// Memory that an event costs beside its text: ids, pointers, places in indexes.
const EVENT_OVERHEAD_BYTES: usize = 256;

/// Why a value cannot be part of an event: a stable code and a sentence for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    code: &'static str,
    detail: String,
}

impl Invalid {
    pub(crate) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }

    /// Stable, machine-readable, for example `invalid_topic`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Invalid {}

/// The one place where text that ends up on a line of the wire is looked at.
fn check_line(what: &str, code: &'static str, text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new(code, format!("{what} is empty")));
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(Invalid::new(
            code,
            format!(
                "{what} has {} bytes; at most {MAX_NAME_BYTES} are allowed",
                text.len()
            ),
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

/// The position of an event in one history: `<milliseconds>-<sequence>`, strictly increasing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    ms: u64,
    seq: u64,
}

impl EventId {
    #[must_use]
    pub const fn new(ms: u64, seq: u64) -> Self {
        Self { ms, seq }
    }

    /// Milliseconds since the Unix epoch at which the id was given, or later where the clock went back.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.ms
    }

    #[must_use]
    pub const fn seq(self) -> u64 {
        self.seq
    }

    fn has_form(text: &str) -> bool {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        text.split_once('-')
            .is_some_and(|(ms, seq)| digits(ms) && digits(seq))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl FromStr for EventId {
    type Err = Invalid;

    /// Takes the canonical form only: one text stands for one position.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || {
            Invalid::new(
                "invalid_position",
                "an event id has the form <milliseconds>-<sequence>",
            )
        };
        let (ms, seq) = text.split_once('-').ok_or_else(invalid)?;
        let id = Self {
            ms: ms.parse().map_err(|_| invalid())?,
            seq: seq.parse().map_err(|_| invalid())?,
        };
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(invalid())
        }
    }
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
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
    /// What a subscriber asks for: 1 to [`MAX_NAME_BYTES`] bytes without control characters, `*` or `{`.
    Topic
}

impl Topic {
    /// # Errors
    /// `invalid_topic` when the text is empty, too long, or holds a control character, `*` or `{`.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        check_line("the topic", "invalid_topic", text)?;
        if text.contains(['*', '{']) {
            return Err(Invalid::new(
                "invalid_topic",
                "a topic's name holds neither * nor {; a subscriber asks for all topics with topic=*",
            ));
        }
        Ok(Self(text.into()))
    }

    /// Topics that begin with `$` are the broadcaster's own: nobody can publish to them, and `*`
    /// does not ask for them.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0.starts_with('$')
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
    /// # Errors
    /// `invalid_event` when the text is empty, too long or holds a control character;
    /// `reserved_event` for the names in [`RESERVED_NAMES`].
    pub fn new(text: &str) -> Result<Self, Invalid> {
        check_line("the event name", "invalid_event", text)?;
        if RESERVED_NAMES.contains(&text) {
            return Err(Invalid::new(
                "reserved_event",
                format!("the event name {text} is sent by the server itself; choose another one"),
            ));
        }
        Ok(Self(text.into()))
    }
}

text_type! {
    /// An id that a publisher gave to its event, so that it can repeat the publish safely.
    OwnId
}

impl OwnId {
    /// # Errors
    /// `invalid_id` when the text is empty, too long, holds a control character, or has the form of
    /// an event id (`<digits>-<digits>`), since it would then name a position.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        check_line("the id", "invalid_id", text)?;
        if EventId::has_form(text) {
            return Err(Invalid::new(
                "invalid_id",
                "an id of your own must not have the form <digits>-<digits>: that is how positions look",
            ));
        }
        Ok(Self(text.into()))
    }
}

/// What is published. Built by [`Event::builder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    topics: Box<[Topic]>,
    name: Option<EventName>,
    data: Box<str>,
    own_id: Option<OwnId>,
    retry_ms: Option<u64>,
    private: bool,
}

impl Event {
    /// An event with this data; CR, LF and CRLF in it are line ends and become `data:` lines.
    pub fn builder(data: impl Into<String>) -> EventBuilder {
        EventBuilder {
            data: data.into(),
            ..EventBuilder::default()
        }
    }

    /// At least one, without repeats.
    #[must_use]
    pub fn topics(&self) -> &[Topic] {
        &self.topics
    }

    #[must_use]
    pub fn name(&self) -> Option<&EventName> {
        self.name.as_ref()
    }

    #[must_use]
    pub fn data(&self) -> &str {
        &self.data
    }

    #[must_use]
    pub fn own_id(&self) -> Option<&OwnId> {
        self.own_id.as_ref()
    }

    #[must_use]
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// Given only to subscribers whose [`Selector`] admits private events.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// What the event counts against bounds in bytes: its text twice, as published and as encoded,
    /// and a fixed overhead.
    #[must_use]
    pub fn cost(&self) -> usize {
        let topics: usize = self.topics.iter().map(|t| t.as_str().len()).sum();
        let name = self.name.as_ref().map_or(0, |n| n.as_str().len());
        let own_id = self.own_id.as_ref().map_or(0, |i| i.as_str().len());
        EVENT_OVERHEAD_BYTES + 2 * (topics + name + own_id + self.data.len())
    }

    /// The cost of an event with so many bytes of data, and a topic, name and own id as long as any.
    #[must_use]
    pub fn largest_cost(data_bytes: usize) -> usize {
        EVENT_OVERHEAD_BYTES + 2 * (data_bytes + 3 * MAX_NAME_BYTES)
    }
}

/// Collects an event's fields as text; [`build`](Self::build) is where all of them are checked.
#[derive(Debug, Clone, Default)]
pub struct EventBuilder {
    data: String,
    topics: Vec<String>,
    name: Option<String>,
    own_id: Option<String>,
    retry: Option<Duration>,
    private: bool,
}

impl EventBuilder {
    /// Adds a topic; without any the event has [`DEFAULT_TOPIC`].
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topics.push(topic.into());
        self
    }

    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    #[must_use]
    pub fn own_id(mut self, id: impl Into<String>) -> Self {
        self.own_id = Some(id.into());
        self
    }

    /// The reconnection time that EventSources take over from this event; whole milliseconds.
    #[must_use]
    pub fn retry(mut self, retry: Duration) -> Self {
        self.retry = Some(retry);
        self
    }

    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// # Errors
    /// The first field that cannot be part of an event: see [`Topic::new`], [`EventName::new`],
    /// [`OwnId::new`]; `reserved_topic` for a topic that begins with `$`, `too_many_topics` past
    /// [`MAX_TOPICS`], `invalid_retry` past [`MAX_RETRY`].
    pub fn build(self) -> Result<Event, Invalid> {
        let mut topics = parse_topics(&self.topics)?;
        if let Some(topic) = topics.iter().find(|t| t.is_system()) {
            return Err(Invalid::new(
                "reserved_topic",
                format!(
                    "the topic {topic} begins with $, which only the server itself publishes to"
                ),
            ));
        }
        if topics.is_empty() {
            topics.push(Topic::default());
        }
        if self.retry.is_some_and(|retry| retry > MAX_RETRY) {
            return Err(Invalid::new(
                "invalid_retry",
                format!(
                    "retry is at most {} milliseconds, a day",
                    MAX_RETRY.as_millis()
                ),
            ));
        }
        Ok(Event {
            topics: topics.into(),
            name: self.name.as_deref().map(EventName::new).transpose()?,
            data: self.data.into(),
            own_id: self.own_id.as_deref().map(OwnId::new).transpose()?,
            retry_ms: self
                .retry
                .map(|r| u64::try_from(r.as_millis()).unwrap_or(u64::MAX)),
            private: self.private,
        })
    }
}

fn parse_topics<S: AsRef<str>>(texts: &[S]) -> Result<Vec<Topic>, Invalid> {
    if texts.len() > MAX_TOPICS {
        return Err(Invalid::new(
            "too_many_topics",
            format!("{} topics; at most {MAX_TOPICS} are allowed", texts.len()),
        ));
    }
    let mut topics: Vec<Topic> = Vec::with_capacity(texts.len());
    for text in texts {
        let topic = Topic::new(text.as_ref())?;
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    Ok(topics)
}

/// What one subscription may get. Applied by [`Selector::admits`] in replay and live alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selector {
    asked: Asked,
    private: bool,
    until: Option<Instant>,
}

/// The topics that a subscription asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Asked {
    /// Every topic but the broadcaster's own.
    All,
    /// Sorted, without repeats, at least one.
    Topics(Box<[Topic]>),
}

impl Selector {
    /// Asks for everything that is granted, as `?topic=*` does.
    #[must_use]
    pub fn all() -> Self {
        Self::of(Asked::All)
    }

    /// Asks for these topics; `*` among them asks for all, none asks for [`DEFAULT_TOPIC`].
    ///
    /// # Errors
    /// See [`Topic::new`]; `too_many_topics` past [`MAX_TOPICS`].
    pub fn topics<S: AsRef<str>>(texts: &[S]) -> Result<Self, Invalid> {
        if texts.iter().any(|t| t.as_ref() == "*") {
            return Ok(Self::all());
        }
        let mut topics = parse_topics(texts)?;
        if topics.is_empty() {
            topics.push(Topic::default());
        }
        topics.sort();
        Ok(Self::of(Asked::Topics(topics.into())))
    }

    fn of(asked: Asked) -> Self {
        Self {
            asked,
            private: false,
            until: None,
        }
    }

    /// Admits private events of the topics asked for, too.
    #[must_use]
    pub fn with_private(mut self) -> Self {
        self.private = true;
        self
    }

    /// The grant ends then, and the stream with it (looked at with each ping).
    #[must_use]
    pub fn until(mut self, until: Instant) -> Self {
        self.until = Some(until);
        self
    }

    #[must_use]
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    pub(crate) fn admits_private(&self) -> bool {
        self.private
    }

    pub(crate) fn has_ended(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    /// Whether this subscription gets this event.
    #[must_use]
    pub fn admits(&self, event: &Event) -> bool {
        if event.is_private() && !self.private {
            return false;
        }
        match &self.asked {
            Asked::All => event.topics().iter().any(|t| !t.is_system()),
            Asked::Topics(asked) => event.topics().iter().any(|t| asked.contains(t)),
        }
    }
}

/// How an event is written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Form {
    /// The event's own fields as those of the event stream.
    #[default]
    Sse,
    /// Unnamed events whose data is a JSON object with every field, the topics among them.
    Json,
}

/// An event that history took, with its position, and a cell for each form it may be encoded in.
#[derive(Debug)]
pub struct Stored {
    id: EventId,
    time_ms: u64,
    appended: Instant,
    event: Event,
    cells: [OnceLock<Bytes>; 2],
}

impl Stored {
    #[must_use]
    pub fn new(id: EventId, time_ms: u64, event: Event) -> Self {
        Self {
            id,
            time_ms,
            appended: Instant::now(),
            event,
            cells: Default::default(),
        }
    }

    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// Milliseconds since the Unix epoch at which history took the event; never decreasing.
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// When this process got hold of the event.
    #[must_use]
    pub fn appended(&self) -> Instant {
        self.appended
    }

    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    pub(crate) fn cell(&self, form: Form) -> &OnceLock<Bytes> {
        &self.cells[form as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T: fmt::Debug>(result: Result<T, Invalid>) -> &'static str {
        result.unwrap_err().code()
    }

    #[test]
    fn an_event_without_a_topic_has_the_default_one() {
        let event = Event::builder("hello").build().unwrap();
        assert_eq!(event.topics(), [Topic::default()]);
    }

    #[test]
    fn line_ends_and_nul_are_refused_in_every_field_of_a_line() {
        for bad in ["a\rb", "a\nb", "a\0b", "\u{85}", ""] {
            assert_eq!(code(Event::builder("").topic(bad).build()), "invalid_topic");
            assert_eq!(code(Event::builder("").name(bad).build()), "invalid_event");
            assert_eq!(code(Event::builder("").own_id(bad).build()), "invalid_id");
        }
    }

    #[test]
    fn reserved_names_and_topics_cannot_be_published() {
        for name in RESERVED_NAMES {
            assert_eq!(
                code(Event::builder("").name(name).build()),
                "reserved_event"
            );
        }
        assert_eq!(
            code(Event::builder("").topic("$x").build()),
            "reserved_topic"
        );
        assert_eq!(
            code(Event::builder("").topic("a*").build()),
            "invalid_topic"
        );
        assert_eq!(
            code(Event::builder("").topic("{a}").build()),
            "invalid_topic"
        );
    }

    #[test]
    fn an_own_id_never_looks_like_a_position() {
        assert_eq!(code(OwnId::new("12-0")), "invalid_id");
        assert!(OwnId::new("12-a").is_ok());
        assert!(OwnId::new("order-12").is_ok());
    }

    #[test]
    fn a_position_reads_back_from_its_text_and_from_no_other() {
        let id = EventId::new(1_732_176_000_000, 42);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "1",
            "1-",
            "-1",
            "01-1",
            "+1-1",
            "1-1-1",
            "1-99999999999999999999",
        ] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_selector_admits_by_any_shared_topic_and_private_events_only_when_granted() {
        let event = Event::builder("").topic("a").topic("b").build().unwrap();
        let private = Event::builder("").topic("a").private().build().unwrap();
        let asks = |topics: &[&str]| Selector::topics(topics).unwrap();
        assert!(asks(&["b", "c"]).admits(&event));
        assert!(asks(&["c", "*"]).admits(&event));
        assert!(!asks(&["c"]).admits(&event));
        assert!(!asks(&[]).admits(&event));
        assert!(!asks(&["a"]).admits(&private));
        assert!(asks(&["a"]).with_private().admits(&private));
        assert!(!asks(&["b"]).with_private().admits(&private));
    }
}
