//! The wire of the WHATWG's server-sent events: [`Frame`]s, and the [`Sender`] end of one stream.

use std::{
    fmt::Write as _,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde::Serialize;

use crate::event::{Event, EventId, EventName, Form, OwnId, Selector, Stored, Topic};

/// The reconnection time that a stream begins with.
pub const RETRY: Duration = Duration::from_secs(2);

/// A heartbeat. Without a blank line: after one, clients exist that fire an empty message.
pub(crate) const PING: &[u8] = b": ping\n";

/// What a stream begins with, at once. Its blank line is that of the block behind it, for the same
/// reason as with [`PING`].
pub(crate) const OPENING: &[u8] = b"retry: 2000\n";

/// What an event, or a word of our own, is on the wire.
#[derive(Debug)]
pub struct Frame;

impl Frame {
    /// The event in this form: encoded when it is first asked for, shared by all afterwards.
    pub fn of(stored: &Stored, form: Form) -> &Bytes {
        stored.cell(form).get_or_init(|| match form {
            Form::Sse => encode_sse(stored),
            Form::Json => encode_json(stored),
        })
    }

    pub(crate) fn connected(at: EventId) -> Bytes {
        block("connected", Some(at), "connected")
    }

    /// Carries the position before the oldest event that is left, so that a cut right behind it
    /// neither repeats the gap nor loses what follows.
    pub(crate) fn gap(requested: &str, floor: EventId, oldest: Option<EventId>) -> Bytes {
        #[derive(Serialize)]
        struct Gap<'a> {
            requested: &'a str,
            oldest: Option<String>,
        }
        let data = json(&Gap {
            requested,
            oldest: oldest.map(|id| id.to_string()),
        });
        block("gap", Some(floor), &data)
    }

    pub(crate) fn position(at: EventId) -> Bytes {
        block("position", Some(at), &at.to_string())
    }

    /// Sets the reconnection time of a stream that is about to be cut. A block of its own would fire
    /// an empty message in some clients.
    pub(crate) fn retry(after: Duration) -> Bytes {
        Bytes::from(format!("retry: {}\n", after.as_millis()))
    }
}

fn block(name: &str, id: Option<EventId>, data: &str) -> Bytes {
    let mut out = String::with_capacity(64 + data.len());
    if let Some(id) = id {
        let _ = writeln!(out, "id: {id}");
    }
    let _ = write!(out, "event: {name}\ndata: {data}\n\n");
    out.into()
}

fn encode_sse(stored: &Stored) -> Bytes {
    let event = stored.event();
    let mut out = String::with_capacity(64 + event.data().len());
    let _ = writeln!(out, "id: {}", stored.id());
    if let Some(name) = event.name() {
        let _ = writeln!(out, "event: {name}");
    }
    if let Some(retry) = event.retry_ms() {
        let _ = writeln!(out, "retry: {retry}");
    }
    for line in lines(event.data()) {
        out.push_str("data: ");
        out.push_str(line);
        out.push('\n');
    }
    out.push('\n');
    out.into()
}

/// CR, LF and CRLF end a line, as in the standard's own parser; nothing else does.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\r', '\n']) else {
            rest = None;
            return Some(text);
        };
        let skip = if text[end..].starts_with("\r\n") {
            2
        } else {
            1
        };
        rest = Some(&text[end + skip..]);
        Some(&text[..end])
    })
}

fn encode_json(stored: &Stored) -> Bytes {
    #[derive(Serialize)]
    struct Whole<'a> {
        id: String,
        own_id: Option<&'a str>,
        topics: Vec<&'a str>,
        event: Option<&'a str>,
        data: &'a str,
        retry: Option<u64>,
        time: String,
    }
    let event: &Event = stored.event();
    let time = std::time::UNIX_EPOCH + Duration::from_millis(stored.time_ms());
    let data = json(&Whole {
        id: stored.id().to_string(),
        own_id: event.own_id().map(OwnId::as_str),
        topics: event.topics().iter().map(Topic::as_str).collect(),
        event: event.name().map(EventName::as_str),
        data: event.data(),
        retry: event.retry_ms(),
        time: humantime::format_rfc3339_millis(time).to_string(),
    });
    Bytes::from(format!("id: {}\ndata: {data}\n\n", stored.id()))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The broadcaster's end of one stream: what it asked for, and the place in the log that it is at.
/// Nothing else is kept for a subscriber; no queue.
#[derive(Debug)]
pub struct Sender {
    pub(crate) selector: Arc<Selector>,
    /// The log that the cursor is a place in.
    pub(crate) epoch: u64,
    pub(crate) cursor: Cursor,
    /// The last id that the client was told: where it resumes if its stream is cut now.
    pub(crate) told: EventId,
    pub(crate) due: Due,
    pub(crate) mark: Option<Mark>,
    /// Counted among those that are behind: a walk found it still unpolled.
    pub(crate) behind: bool,
    waker: Option<Waker>,
}

/// Where a sender is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// Its history has not been looked up yet: it is not live, and not behind anything known.
    Opening,
    /// At its shard's cursor; this is how far it had come itself when it got there.
    Live(EventId),
    /// Before it: it was woken, or its socket is full, or it replays.
    At(EventId),
}

/// What a sender is owed beside events, once it has been polled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Due {
    pub(crate) ping: bool,
    pub(crate) gap: Option<Gap>,
}

/// History went on under another epoch: what was told before is lost, and `at` is where it goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gap {
    pub(crate) lost: EventId,
    pub(crate) at: EventId,
}

/// How a sender ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// What is due, then this reconnection time, then the cut. Past the deadline without what is due.
    Drain { retry: Duration, deadline: Instant },
    /// The grant is over: cut at once.
    Expired,
    /// The stream is gone; the place is swept once no walk can visit it.
    Gone,
}

impl Sender {
    pub(crate) fn new(selector: Arc<Selector>, epoch: u64, cursor: Cursor, told: EventId) -> Self {
        Self {
            selector,
            epoch,
            cursor,
            told,
            due: Due::default(),
            mark: None,
            behind: false,
            waker: None,
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.mark == Some(Mark::Gone)
    }

    /// Tells the stream that something after `from` is due to it. A stream that is polled takes
    /// nothing by itself: being unpolled is its "full", so its cursor stays behind until it has been.
    pub(crate) fn offer(&mut self, from: EventId) -> Option<Waker> {
        self.cursor = Cursor::At(from);
        self.waker.take()
    }

    /// To be woken outside of the shard's lock: a wake may drop the task, and its subscription with it.
    pub(crate) fn wake(&mut self) -> Option<Waker> {
        self.waker.take()
    }

    /// Registers who polls; the waker that it replaces is for the caller to drop outside of the lock.
    pub(crate) fn register(&mut self, waker: &Waker) -> Option<Waker> {
        match &self.waker {
            Some(registered) if registered.will_wake(waker) => None,
            _ => self.waker.replace(waker.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(event: Event) -> Stored {
        Stored::new(EventId::new(5, 1), 1_000, event)
    }

    fn text(stored: &Stored, form: Form) -> String {
        String::from_utf8(Frame::of(stored, form).to_vec()).unwrap()
    }

    #[test]
    fn an_event_is_written_with_its_id_before_its_data() {
        let event = Event::builder("hello")
            .name("greeting")
            .retry(Duration::from_millis(700));
        assert_eq!(
            text(&stored(event.build().unwrap()), Form::Sse),
            "id: 5-1\nevent: greeting\nretry: 700\ndata: hello\n\n"
        );
    }

    #[test]
    fn every_kind_of_line_end_in_data_begins_a_data_line_and_never_a_field() {
        let event = Event::builder("a\r\nid: 9-9\revent: x\n\n\u{2028}b\n").build();
        assert_eq!(
            text(&stored(event.unwrap()), Form::Sse),
            "id: 5-1\ndata: a\ndata: id: 9-9\ndata: event: x\ndata: \ndata: \u{2028}b\ndata: \n\n"
        );
    }

    #[test]
    fn empty_data_still_fires_an_event() {
        let event = Event::builder("").build().unwrap();
        assert_eq!(text(&stored(event), Form::Sse), "id: 5-1\ndata: \n\n");
    }

    #[test]
    fn the_json_form_holds_every_field_on_one_line() {
        let event = Event::builder("a\nb").topic("t").own_id("mine").build();
        assert_eq!(
            text(&stored(event.unwrap()), Form::Json),
            "id: 5-1\ndata: {\"id\":\"5-1\",\"own_id\":\"mine\",\"topics\":[\"t\"],\"event\":null,\
             \"data\":\"a\\nb\",\"retry\":null,\"time\":\"1970-01-01T00:00:01.000Z\"}\n\n"
        );
    }

    #[test]
    fn a_form_is_encoded_once_and_shared() {
        let stored = stored(Event::builder("x").build().unwrap());
        let (first, second) = (Frame::of(&stored, Form::Sse), Frame::of(&stored, Form::Sse));
        assert_eq!(first.as_ptr(), second.as_ptr());
    }

    #[test]
    fn a_gap_carries_the_position_that_it_goes_on_from() {
        let gap = Frame::gap("\"x\n", EventId::new(4, 0), None);
        assert_eq!(
            gap,
            "id: 4-0\nevent: gap\ndata: {\"requested\":\"\\\"x\\n\",\"oldest\":null}\n\n"
        );
    }
}
