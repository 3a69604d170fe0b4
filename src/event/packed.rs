//! Events as bytes, as a log keeps them. Fields are read in place, so that a replay builds no event
//! that it does not need.
//!
//! Flags, the reconnection time (u64) and the trace where there are such, the number of topics, each topic, the name, the
//! idempotency key and the alias where there are such, each after its length (u16), and the data; big-endian.

use std::sync::OnceLock;

use bytes::Bytes;

use super::{
    Alias, Event, EventId, EventName, Fields, IdempotencyKey, Topic, Traceparent,
    traceparent::PACKED_BYTES,
};

const PRIVATE: u8 = 1;
const NAMED: u8 = 2;
const KEYED: u8 = 4;
const RETRY: u8 = 8;
const ALIASED: u8 = 16;
const TRACED: u8 = 32;
const ERASED: u8 = 64;

impl Event {
    /// Appends the event to `out`; [`Fields::checked`] reads it back.
    pub fn pack(&self, out: &mut Vec<u8>) {
        let flag = |set: bool, flag| if set { flag } else { 0 };
        out.push(
            flag(self.private, PRIVATE)
                | flag(self.name.is_some(), NAMED)
                | flag(self.idempotency_key.is_some(), KEYED)
                | flag(self.retry_ms.is_some(), RETRY)
                | flag(self.alias.is_some(), ALIASED)
                | flag(self.traceparent.is_some(), TRACED)
                | flag(self.erased, ERASED),
        );
        if let Some(retry) = self.retry_ms() {
            out.extend_from_slice(&retry.to_be_bytes());
        }
        if let Some(traceparent) = &self.traceparent {
            out.extend_from_slice(&traceparent.pack());
        }
        out.push(u8::try_from(self.topics.len()).unwrap_or(u8::MAX));
        for text in self.names() {
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(self.data.as_bytes());
    }

    /// The event with these fields, which were checked when it was published; its topics may begin with `$`.
    pub fn unpack(fields: &Fields<'_>) -> Self {
        let topics = fields.topics.iter();
        Self {
            topics: topics.map(|topic| Topic::unchecked(topic)).collect(),
            name: fields.name.map(EventName::unchecked),
            data: fields.data().into(),
            idempotency_key: fields.idempotency_key.map(IdempotencyKey::unchecked),
            alias: fields.alias.map(Alias::unchecked),
            retry_ms: fields.retry_ms.and_then(|ms| u32::try_from(ms).ok()),
            private: fields.private,
            traceparent: fields.traceparent.map(Box::new),
            erased: fields.erased,
        }
    }
}

impl<'a> Fields<'a> {
    /// What [`Event::pack`] wrote; `None` for what it cannot have written.
    #[must_use]
    pub fn checked(packed: &'a [u8]) -> Option<Self> {
        let fields = Self::read(packed)?;
        let is_text = fields.topics.iter().all(|text| Topic::check(text).is_ok())
            && fields
                .name
                .is_none_or(|text| EventName::check(text).is_ok())
            && fields
                .idempotency_key
                .is_none_or(|text| IdempotencyKey::check(text).is_ok())
            && fields.alias.is_none_or(|text| Alias::check(text).is_ok())
            && str::from_utf8(fields.data).is_ok();
        is_text.then_some(fields)
    }

    fn read(packed: &'a [u8]) -> Option<Self> {
        let mut rest = packed;
        let flags = take(&mut rest, 1)?[0];
        let has = |flag| flags & flag != 0;
        let mut fields = Self {
            private: has(PRIVATE),
            erased: has(ERASED),
            ..Self::default()
        };
        if has(RETRY) {
            fields.retry_ms = Some(u64::from_be_bytes(take(&mut rest, 8)?.try_into().ok()?));
        }
        if has(TRACED) {
            fields.traceparent = Some(Traceparent::unpack(take(&mut rest, PACKED_BYTES)?)?);
        }
        for _ in 0..take(&mut rest, 1)?[0] {
            fields.topics.push(text(&mut rest)?);
        }
        if has(NAMED) {
            fields.name = Some(text(&mut rest)?);
        }
        if has(KEYED) {
            fields.idempotency_key = Some(text(&mut rest)?);
        }
        if has(ALIASED) {
            fields.alias = Some(text(&mut rest)?);
        }
        fields.data = rest;
        Some(fields)
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = take(rest, 2)?.try_into().ok()?;
    str::from_utf8(take(rest, u16::from_be_bytes(length).into())?).ok()
}

/// An event that was fetched from a log for one reader.
#[derive(Debug, Clone)]
pub struct Fetched {
    id: EventId,
    time_ms: u64,
    packed: Bytes,
    event: OnceLock<Box<Event>>,
}

impl Fetched {
    /// Of bytes that were [checked](Fields::checked).
    pub fn new(id: EventId, time_ms: u64, packed: Bytes) -> Self {
        Self {
            id,
            time_ms,
            packed,
            event: OnceLock::new(),
        }
    }

    /// Its position.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// As [`Stored::time_ms`](super::Stored::time_ms).
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    pub(crate) fn packed_bytes(&self) -> usize {
        self.packed.len()
    }

    /// Its fields as text, read where they are packed.
    pub fn fields(&self) -> Fields<'_> {
        Fields::read(&self.packed).unwrap_or_default()
    }

    /// The event, which is built at the first call.
    pub fn event(&self) -> &Event {
        self.event
            .get_or_init(|| Event::unpack(&self.fields()).into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn packed(event: &Event) -> Vec<u8> {
        let mut packed = Vec::new();
        event.pack(&mut packed);
        packed
    }

    #[test]
    fn events_read_back_as_they_were_packed() {
        let plain = Event::builder("x").build().unwrap();
        let full = Event::builder("two\nlines")
            .topic("a")
            .topic("b")
            .name("named")
            .idempotency_key("own")
            .alias("urn:x")
            .retry(Duration::from_secs(3))
            .traceparent(Traceparent::new([1; 16], [2; 8], true).unwrap())
            .private()
            .build()
            .unwrap();
        let erased = full.erased();
        for event in [plain, full, erased] {
            let packed = packed(&event);
            let fields = Fields::checked(&packed).unwrap();
            assert_eq!(fields, Fields::of(&event));
            assert_eq!(fields.cost(), event.cost());
            let fetched = Fetched::new(EventId::new(1, 0), 1, packed.clone().into());
            assert_eq!(*fetched.event(), event);
        }
    }

    #[test]
    fn a_stored_event_with_a_name_that_was_reserved_later_is_still_read() {
        let event = Event::builder("x").name("heartbea_").build().unwrap();
        let mut packed = packed(&event);
        let at = packed.iter().position(|byte| *byte == b'_').unwrap();
        packed[at] = b't';
        assert_eq!(Fields::checked(&packed).unwrap().name, Some("heartbeat"));
    }

    #[test]
    fn what_was_cut_short_or_holds_a_line_end_in_a_name_was_not_packed() {
        let event = Event::builder("x")
            .topic("abc")
            .idempotency_key("own")
            .build()
            .unwrap();
        let whole = packed(&event);
        for end in 0..whole.len() - 1 {
            assert_eq!(Fields::checked(&whole[..end]), None, "{end}");
        }
        let mut broken = whole.clone();
        let at = whole.iter().position(|byte| *byte == b'b').unwrap();
        broken[at] = b'\n';
        assert_eq!(Fields::checked(&broken), None);
    }
}
