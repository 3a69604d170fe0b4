//! What events, and words of our own, are on the wire.

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use serde::Serialize;

use super::lines::{data_lines, field, json};
use super::signal::Update;
use crate::event::{EventId, EventName, Fetched, Fields, Format, Stored};

/// A heartbeat. Without a blank line: after one, clients exist that fire an empty message.
pub const PING: &[u8] = b": ping\n";

/// What an event, or a word of our own, is on the wire.
#[derive(Debug)]
pub struct Frame;

impl Frame {
    /// What most take beside their data.
    pub(crate) const OVERHEAD_BYTES: usize = 64;

    /// The event in this format: encoded when it is first asked for, shared by all afterwards.
    pub fn of(stored: &Arc<Stored>, format: Format) -> Bytes {
        stored.encoded(format, || {
            let fields = stored.event().fields();
            let mut out = Vec::with_capacity(Self::OVERHEAD_BYTES + fields.data.len());
            encode(stored.id(), stored.time_ms(), &fields, format, &mut out);
            // It may be kept for long.
            out.shrink_to_fit();
            out.into()
        })
    }

    /// Writes it behind `out`; kept for nobody.
    pub fn append(fetched: &Fetched, format: Format, out: &mut Vec<u8>) {
        let id = fetched.id();
        encode(id, fetched.time_ms(), &fetched.fields(), format, out);
    }

    /// The data of the event's JSON format: one line of text. Kept for nobody.
    #[must_use]
    pub fn json(id: EventId, time_ms: u64, fields: &Fields<'_>) -> String {
        as_json(id, time_ms, fields)
    }

    /// What a gap says, as JSON.
    #[must_use]
    pub fn gap_data(requested: &str, oldest: Option<EventId>) -> String {
        #[derive(Serialize)]
        struct Gap<'a> {
            requested: &'a str,
            oldest: Option<String>,
        }
        json(&Gap {
            requested,
            oldest: oldest.map(|id| id.to_string()),
        })
    }

    /// An event without an id, in [`Format::Sse`]: a client that gets it resumes where it was before.
    #[must_use]
    pub fn block(name: Option<&EventName>, data: &str) -> Bytes {
        let mut out = Vec::with_capacity(Self::OVERHEAD_BYTES + data.len());
        if let Some(name) = name {
            field(&mut out, "event", name.as_str());
        }
        data_lines(&mut out, data.as_bytes());
        out.push(b'\n');
        out.into()
    }

    /// What a stream begins with, at once. Its blank line is that of the block behind it, for the same
    /// reason as with [`PING`].
    #[must_use]
    pub fn opening(retry: Duration) -> Bytes {
        Bytes::from(format!("retry: {}\n", retry.as_millis()))
    }

    #[must_use]
    pub fn connected(at: EventId) -> Bytes {
        block("connected", Some(at), &id_data(Some(at)))
    }

    /// Carries the position before the oldest event that is left, so that a cut right behind it
    /// neither repeats the gap nor loses what follows.
    #[must_use]
    pub fn gap(requested: &str, floor: EventId, oldest: Option<EventId>) -> Bytes {
        block("gap", Some(floor), &Self::gap_data(requested, oldest))
    }

    /// A gap without an id, in front of a state.
    #[must_use]
    pub fn lost(requested: &str, oldest: Option<EventId>) -> Bytes {
        block("gap", None, &Self::gap_data(requested, oldest))
    }

    /// Without an id, so that it may stand between any two blocks.
    #[must_use]
    pub fn heartbeat(now: SystemTime) -> Bytes {
        let time = humantime::format_rfc3339_millis(now);
        block("heartbeat", None, &format!(r#"{{"time":"{time}"}}"#))
    }

    /// `None` where the client has no position yet, or keeps the one that it brought.
    #[must_use]
    pub fn position(at: Option<EventId>) -> Bytes {
        block("position", at, &id_data(at))
    }

    /// The last block of a stream that is about to be cut: a `position` that sets the reconnection time.
    /// Many clients ignore a `retry:` that is not part of a block with data, and some fire an empty
    /// message for a block that has none.
    #[must_use]
    pub fn come_back(after: Duration, at: Option<EventId>) -> Bytes {
        [Self::opening(after), Self::position(at)].concat().into()
    }
}

/// JSON, like the data of all events of ours: many clients parse whatever comes.
fn id_data(at: Option<EventId>) -> String {
    at.map_or_else(
        || r#"{"id":null}"#.to_owned(),
        |at| format!(r#"{{"id":"{at}"}}"#),
    )
}

fn block(name: &str, id: Option<EventId>, data: &str) -> Bytes {
    let mut out = String::with_capacity(Frame::OVERHEAD_BYTES + data.len());
    let _ = writeln!(out, "event: {name}\ndata: {data}");
    if let Some(id) = id {
        let _ = writeln!(out, "id: {id}");
    }
    out.push('\n');
    out.into()
}

/// The id is the last field of its block: many clients store it when they read its line, before the
/// event is dispatched, and would resume behind an event that was cut in the middle.
fn encode(id: EventId, time_ms: u64, fields: &Fields<'_>, format: Format, out: &mut Vec<u8>) {
    match format {
        Format::Sse => encode_sse(fields, out),
        Format::Json => field(out, "data", &as_json(id, time_ms, fields)),
        Format::Signal(format) => {
            if let Some(update) = Update::of(fields) {
                update.write(format, out);
            }
        }
    }
    field(out, "id", id.write(&mut [0; EventId::MAX_CHARS]));
    out.push(b'\n');
}

fn encode_sse(fields: &Fields<'_>, out: &mut Vec<u8>) {
    if let Some(name) = fields.name {
        field(out, "event", name);
    }
    if let Some(retry) = fields.retry_ms {
        field(out, "retry", itoa::Buffer::new().format(retry));
    }
    data_lines(out, fields.data);
}

fn as_json(id: EventId, time_ms: u64, fields: &Fields<'_>) -> String {
    #[derive(Serialize)]
    struct Whole<'a> {
        id: String,
        #[serde(rename = "own_id")]
        idempotency_key: Option<&'a str>,
        topics: &'a [&'a str],
        event: Option<&'a str>,
        data: &'a str,
        retry: Option<u64>,
        time: String,
    }
    let time = std::time::UNIX_EPOCH + Duration::from_millis(time_ms);
    json(&Whole {
        id: id.to_string(),
        idempotency_key: fields.idempotency_key,
        topics: &fields.topics,
        event: fields.name,
        data: fields.text(),
        retry: fields.retry_ms,
        time: humantime::format_rfc3339_millis(time).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    fn stored(event: Event) -> Arc<Stored> {
        Arc::new(Stored::new(EventId::new(5, 1), 1_000, event))
    }

    fn text(stored: &Arc<Stored>, format: Format) -> String {
        String::from_utf8(Frame::of(stored, format).to_vec()).unwrap()
    }

    #[test]
    fn the_id_is_the_last_field_of_every_block() {
        let event = Event::builder("hello")
            .name("greeting")
            .retry(Duration::from_millis(700));
        assert_eq!(
            text(&stored(event.build().unwrap()), Format::Sse),
            "event: greeting\nretry: 700\ndata: hello\nid: 5-1\n\n"
        );
    }

    #[test]
    fn every_kind_of_line_end_in_data_begins_a_data_line_and_never_a_field() {
        let event = Event::builder("a\r\nid: 9-9\revent: x\n\n\u{2028}b\n").build();
        assert_eq!(
            text(&stored(event.unwrap()), Format::Sse),
            "data: a\ndata: id: 9-9\ndata: event: x\ndata: \ndata: \u{2028}b\ndata: \nid: 5-1\n\n"
        );
    }

    #[test]
    fn empty_data_still_fires_an_event() {
        let event = Event::builder("").build().unwrap();
        assert_eq!(text(&stored(event), Format::Sse), "data: \nid: 5-1\n\n");
    }

    #[test]
    fn the_json_form_holds_every_field_on_one_line() {
        let event = Event::builder("a\nb")
            .topic("t")
            .idempotency_key("mine")
            .build();
        assert_eq!(
            text(&stored(event.unwrap()), Format::Json),
            "data: {\"id\":\"5-1\",\"own_id\":\"mine\",\"topics\":[\"t\"],\"event\":null,\
             \"data\":\"a\\nb\",\"retry\":null,\"time\":\"1970-01-01T00:00:01.000Z\"}\nid: 5-1\n\n"
        );
    }

    #[test]
    fn a_form_is_encoded_once_and_shared() {
        let stored = stored(Event::builder("x").build().unwrap());
        let (first, second) = (
            Frame::of(&stored, Format::Sse),
            Frame::of(&stored, Format::Sse),
        );
        assert_eq!(first.as_ptr(), second.as_ptr());
    }

    #[test]
    fn the_data_of_connected_and_position_is_json() {
        let at = EventId::new(4, 0);
        let data = "data: {\"id\":\"4-0\"}\nid: 4-0\n\n";
        assert_eq!(Frame::connected(at), format!("event: connected\n{data}"));
        assert_eq!(
            Frame::position(Some(at)),
            format!("event: position\n{data}")
        );
    }

    #[test]
    fn the_last_retry_of_a_stream_is_part_of_a_block_with_data() {
        let after = Duration::from_millis(700);
        assert_eq!(
            Frame::come_back(after, Some(EventId::new(4, 0))),
            "retry: 700\nevent: position\ndata: {\"id\":\"4-0\"}\nid: 4-0\n\n"
        );
        assert_eq!(
            Frame::come_back(after, None),
            "retry: 700\nevent: position\ndata: {\"id\":null}\n\n"
        );
    }

    #[test]
    fn a_gap_carries_the_position_that_it_goes_on_from() {
        let gap = Frame::gap("\"x\n", EventId::new(4, 0), None);
        assert_eq!(
            gap,
            "event: gap\ndata: {\"requested\":\"\\\"x\\n\",\"oldest\":null}\nid: 4-0\n\n"
        );
    }
}
