//! An event as an entry of the stream, and the replies of the scripts as what they stand for.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use ::redis::{Cmd, ErrorKind, RedisError, Value};

use sse_broadcaster::event::{Alias, Event, EventId, Stored};

/// Between a field's parts; no name or topic holds it.
const SEPARATOR: char = '\n';

/// A reply is not what the script returns: somebody else has written to these keys, or it is no Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reply cannot be decoded")]
pub(super) struct Unexpected;

impl std::convert::From<Unexpected> for RedisError {
    fn from(_: Unexpected) -> Self {
        (ErrorKind::UnexpectedReturnType, "a reply cannot be decoded").into()
    }
}

/// Whether an event has topics and data alone, so that its last two fields are empty.
pub(super) fn is_plain(event: &Event) -> bool {
    event.idempotency_key().is_none() && !has_more(event)
}

/// Adds the two fields of a plain event to a call.
pub(super) fn add_plain(call: &mut Cmd, event: &Event) {
    match event.topics() {
        [topic] => call.arg(topic.as_str()),
        topics => {
            let topics: Vec<_> = topics.iter().map(sse_broadcaster::Topic::as_str).collect();
            call.arg(topics.join("\n"))
        }
    };
    call.arg(event.data());
}

/// Adds an event's four fields to a call.
pub(super) fn add(call: &mut Cmd, event: &Event) {
    add_plain(call, event);
    call.arg(
        event
            .idempotency_key()
            .map_or("", sse_broadcaster::event::IdempotencyKey::as_str),
    );
    call.arg(more(event));
}

fn has_further(event: &Event) -> bool {
    event.alias().is_some() || event.traceparent().is_some()
}

fn has_more(event: &Event) -> bool {
    let has_first = event.name().is_some() || event.retry_ms().is_some() || event.is_private();
    has_first || has_further(event)
}

/// Name, retry, whether it is private, the alias, and the trace, as far as they are there.
fn more(event: &Event) -> String {
    if !has_more(event) {
        return String::new();
    }
    let name = event
        .name()
        .map_or("", sse_broadcaster::event::EventName::as_str);
    let retry = event
        .retry_ms()
        .map(|ms| ms.to_string())
        .unwrap_or_default();
    let private = if event.is_private() { "p" } else { "" };
    let mut more = [name, &retry, private].join("\n");
    if has_further(event) {
        more.push(SEPARATOR);
        more.push_str(event.alias().map_or("", Alias::as_str));
    }
    if let Some(traceparent) = event.traceparent() {
        more.push(SEPARATOR);
        more.push_str(&traceparent.to_string());
    }
    more
}

/// One entry, as Redis gives it: topics, data and, where there are any, idempotency key, further fields, time and
/// nothing.
pub(super) struct Entry {
    pub(super) id: EventId,
    fields: Vec<Value>,
    /// It is what is left of an erased event, which the stream does not hold any more.
    pub(super) is_erased: bool,
}

impl Entry {
    /// What it holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let length = |field: &Value| match field {
            Value::BulkString(bytes) => bytes.len(),
            _ => 0,
        };
        self.fields.iter().map(length).sum()
    }

    /// The event, unless somebody else wrote what is none.
    pub(super) fn event(self) -> Option<Stored> {
        let mut fields = self.fields.into_iter().map(text);
        let topics = fields.next()?.ok()?;
        let mut event = Event::builder(fields.next()?.ok()?).uri_topics();
        for topic in topics.split(SEPARATOR) {
            event = event.topic(topic);
        }
        let idempotency_key = fields.next().transpose().ok()?.unwrap_or_default();
        if !idempotency_key.is_empty() {
            event = event.idempotency_key(idempotency_key);
        }
        let more = fields.next().transpose().ok()?.unwrap_or_default();
        let mut more = more.split(SEPARATOR);
        if let Some(name) = more.next().filter(|name| !name.is_empty()) {
            event = event.name(name);
        }
        if let Some(retry) = more.next().filter(|retry| !retry.is_empty()) {
            event = event.retry(Duration::from_millis(retry.parse().ok()?));
        }
        if more.next() == Some("p") {
            event = event.private();
        }
        if let Some(alias) = more.next().filter(|alias| !alias.is_empty()) {
            event = event.alias(alias);
        }
        if let Some(traceparent) = more.next() {
            event = event.traceparent(traceparent.parse().ok()?);
        }
        // Where the clock was behind the ids.
        let time_ms = match fields.next() {
            Some(time) => time.ok()?.parse().ok()?,
            None => self.id.ms(),
        };
        let is_whole = fields.nth(1).is_none();
        let event = event.build_internal().ok().filter(|_| is_whole)?;
        let event = if self.is_erased {
            event.erased()
        } else {
            event
        };
        Some(Stored::new(self.id, time_ms, event))
    }

    /// Tells one entry from another that was given the same id in a log that went back.
    pub(super) fn fingerprint(&self) -> u64 {
        fingerprint(self.fields.iter().filter_map(|field| match field {
            Value::BulkString(bytes) => Some(bytes.as_slice()),
            _ => None,
        }))
    }
}

/// The same, of the fields of an entry.
pub(super) fn fingerprint<'a>(fields: impl Iterator<Item = &'a [u8]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    fields.for_each(|field| field.hash(&mut hasher));
    hasher.finish()
}

pub(super) fn list(value: Value) -> Result<Vec<Value>, Unexpected> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(Unexpected),
    }
}

/// A reply with so many parts.
pub(super) fn parts<const N: usize>(value: Value) -> Result<[Value; N], Unexpected> {
    list(value)?.try_into().map_err(|_| Unexpected)
}

pub(super) fn text(value: Value) -> Result<String, Unexpected> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|_| Unexpected),
        Value::SimpleString(text) => Ok(text),
        Value::Int(number) => Ok(number.to_string()),
        _ => Err(Unexpected),
    }
}

pub(super) fn number(value: Value) -> Result<u64, Unexpected> {
    text(value)?.parse().map_err(|_| Unexpected)
}

pub(super) fn id(value: Value) -> Result<EventId, Unexpected> {
    match value {
        Value::BulkString(bytes) => position(&bytes).ok_or(Unexpected),
        _ => Err(Unexpected),
    }
}

/// A position as Redis writes it, which is the one way.
pub(super) fn position(text: &[u8]) -> Option<EventId> {
    let text = std::str::from_utf8(text).ok()?;
    let (ms, seq) = text.split_once('-')?;
    Some(EventId::new(ms.parse().ok()?, seq.parse().ok()?))
}

/// `None` for the empty text, which stands for no position.
pub(super) fn optional_id(value: Value) -> Result<Option<EventId>, Unexpected> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) if bytes.is_empty() => Ok(None),
        value => id(value).map(Some),
    }
}

pub(super) fn optional(value: Value) -> Option<Value> {
    match value {
        Value::Nil | Value::Boolean(false) => None,
        value => Some(value),
    }
}

pub(super) fn entry(value: Value) -> Result<Entry, Unexpected> {
    let [at, fields] = parts(value)?;
    Ok(Entry {
        id: id(at)?,
        fields: list(fields)?,
        is_erased: false,
    })
}

/// A member of the set of erased events, see `scripts/erased.lua`.
fn erased(value: Value) -> Result<Entry, Unexpected> {
    let Value::BulkString(member) = value else {
        return Err(Unexpected);
    };
    let member = String::from_utf8_lossy(&member);
    let parts = member.split_once('\n').and_then(|(head, topics)| {
        let (at, rest) = head.strip_prefix('*')?.split_once(' ')?;
        let more = match rest.get(..1)? {
            "p" => "\n\np",
            _ => "",
        };
        Some((position(at.as_bytes())?, [topics, "", "", more], &rest[1..]))
    });
    let (id, event, time) = parts.ok_or(Unexpected)?;
    let time = Some(time).filter(|time| !time.is_empty());
    let field = |field: &str| Value::BulkString(field.as_bytes().to_vec());
    Ok(Entry {
        id,
        fields: event.into_iter().chain(time).map(field).collect(),
        is_erased: true,
    })
}

pub(super) fn entries(value: Value) -> Result<Vec<Entry>, Unexpected> {
    list(value)?.into_iter().map(entry).collect()
}

/// What is left of erased events.
pub(super) fn erased_entries(value: Value) -> Result<Vec<Entry>, Unexpected> {
    list(value)?.into_iter().map(erased).collect()
}

/// All of these, in order. One that was erased between two looks is erased.
pub(super) fn merged(mut entries: Vec<Entry>, erased: Vec<Entry>) -> Vec<Entry> {
    if !erased.is_empty() {
        entries.extend(erased);
        entries.sort_by_key(|entry| (entry.id, !entry.is_erased));
        entries.dedup_by_key(|entry| entry.id);
    }
    entries
}
