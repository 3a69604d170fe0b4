//! The lines of a stream in the JSON form, read as the messages of a socket.

use actix_web::web::Bytes;
use serde::{Deserialize, Serialize};

/// What a socket's client is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// An event, as it is in the stream, of which it is a slice.
    Event(Bytes),
    /// A word of ours.
    Ours(String),
    Ping,
}

/// What is due, line by line. The lines are ours: a block has an id, a name or none, and one line of
/// data.
#[derive(Debug, Default)]
pub(super) struct Lines {
    due: Bytes,
    id: Bytes,
    name: Bytes,
    data: Bytes,
    /// The reconnection time that was told last, in milliseconds.
    pub(super) retry_ms: Option<u64>,
    /// By this block.
    sets_retry: bool,
}

impl Lines {
    /// Reads on in these, which are whole lines; all that came before has been taken.
    pub(super) fn feed(&mut self, due: Bytes) {
        self.due = due;
    }

    pub(super) fn next(&mut self) -> Option<Word> {
        while let Some(end) = memchr::memchr(b'\n', &self.due) {
            let line = self.due.split_to(end + 1).slice(..end);
            let value = |name: &str| line.slice(name.len()..);
            match &line[..] {
                b"" => {
                    if let Some(word) = self.dispatch() {
                        return Some(word);
                    }
                }
                [b':', ..] => return Some(Word::Ping),
                text if text.starts_with(b"id: ") => self.id = value("id: "),
                text if text.starts_with(b"event: ") => self.name = value("event: "),
                text if text.starts_with(b"data: ") => self.data = value("data: "),
                text if text.starts_with(b"retry: ") => {
                    let digits = std::str::from_utf8(&text["retry: ".len()..]).ok();
                    self.retry_ms = digits.and_then(|digits| digits.parse().ok());
                    self.sets_retry = true;
                }
                _ => {}
            }
        }
        // An empty slice would hold on to the whole.
        self.due = Bytes::new();
        None
    }

    fn dispatch(&mut self) -> Option<Word> {
        let (id, name) = (std::mem::take(&mut self.id), std::mem::take(&mut self.name));
        let data = std::mem::take(&mut self.data);
        if name.is_empty() {
            return Some(Word::Event(data)).filter(|_| !id.is_empty());
        }
        // The last block of a stream: when to come back is told in the reason of the close.
        if std::mem::take(&mut self.sets_retry) && &name[..] == b"position" {
            return None;
        }
        let told = match &name[..] {
            b"gap" | b"heartbeat" => Some(serde_json::from_slice(&data).ok()?),
            _ => None,
        };
        let ours = Ours {
            r#type: std::str::from_utf8(&name).ok()?,
            id: std::str::from_utf8(&id).ok()?,
            told,
        };
        serde_json::to_string(&ours).ok().map(Word::Ours)
    }
}

#[derive(Serialize)]
struct Ours<'a> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    #[serde(flatten)]
    told: Option<Told>,
}

/// The data of an event of ours that has more than an id.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Told {
    Gap {
        requested: String,
        oldest: Option<String>,
    },
    Heartbeat {
        time: String,
    },
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use sse_broadcaster::internal::PING;
    use sse_broadcaster::{
        event::{Event, EventId, Format, Stored},
        sse::Frame,
    };

    fn words(lines: &mut Lines, due: &[u8]) -> Vec<Word> {
        lines.feed(Bytes::copy_from_slice(due));
        std::iter::from_fn(|| lines.next()).collect()
    }

    fn ours(text: &str) -> Word {
        Word::Ours(text.to_owned())
    }

    #[test]
    fn the_words_of_a_stream_are_messages_that_no_event_can_be_taken_for() {
        let mut lines = Lines::default();
        let (at, oldest) = (EventId::new(4, 0), EventId::new(5, 1));
        assert_eq!(
            words(&mut lines, &Frame::opening(Duration::from_secs(2))),
            []
        );
        assert_eq!(lines.retry_ms, Some(2_000));
        let due = [
            &Frame::gap("\"x\n", at, Some(oldest))[..],
            &Frame::gap("", at, None),
            &Frame::connected(at),
            PING,
            &Frame::position(Some(at)),
            &Frame::heartbeat(SystemTime::UNIX_EPOCH),
        ];
        let expected = [
            ours(r#"{"type":"gap","id":"4-0","requested":"\"x\n","oldest":"5-1"}"#),
            ours(r#"{"type":"gap","id":"4-0","requested":"","oldest":null}"#),
            ours(r#"{"type":"connected","id":"4-0"}"#),
            Word::Ping,
            ours(r#"{"type":"position","id":"4-0"}"#),
            ours(r#"{"type":"heartbeat","time":"1970-01-01T00:00:00.000Z"}"#),
        ];
        assert_eq!(words(&mut lines, &due.concat()), expected);
        assert_eq!(
            words(
                &mut lines,
                &Frame::come_back(Duration::from_millis(7), None)
            ),
            []
        );
        assert_eq!(lines.retry_ms, Some(7));
    }

    #[test]
    fn events_are_slices_of_what_is_due_whatever_their_data() {
        let mut lines = Lines::default();
        let data = [
            "",
            "\n\nid: 9-9\nevent: gap\ndata: x\n\n",
            "\u{2028}: ping\r\n",
        ];
        let frames = data.map(|data| {
            let event = Event::builder(data).name("update").build().unwrap();
            Frame::of(
                &std::sync::Arc::new(Stored::new(EventId::new(5, 1), 0, event)),
                Format::Json,
            )
        });
        let due = Bytes::from(frames.concat());
        lines.feed(due.clone());
        for data in data {
            let Some(Word::Event(event)) = lines.next() else {
                panic!("no event");
            };
            assert!(due.as_ptr_range().contains(&event.as_ptr()));
            let event: serde_json::Value = serde_json::from_slice(&event).unwrap();
            assert_eq!(event["data"], data);
        }
        assert_eq!(lines.next(), None);
    }
}
