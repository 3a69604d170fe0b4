//! What the change of a signal is on the wire, in each of its formats.

use super::lines::{field, json};
use crate::event::{Fields, SIGNAL_TOPICS, SignalFormat};

/// Tells that a signal is gone, in the formats whose clients would take `null` for its value: to
/// `leptos_sse` a value that its type does not take is the end of all signals of the page.
const DELETED: &str = "deleted";
/// The patch that replaces whatever there is, up to the value.
const WHOLE: &str = r#"[{"op":"replace","path":"","value":"#;
const WHOLE_END: &str = "}]";
/// Datastar's own name of the event.
const PATCH_SIGNALS: &str = "datastar-patch-signals";

/// What has become of a signal, in both of the languages that clients understand. JSON text without
/// line ends, so that an event's data can hold one on each line.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    pub name: &'a str,
    /// A JSON Patch; empty when the signal is gone.
    pub patch: &'a str,
    /// The value of the signal's member in a JSON Merge Patch.
    pub merge: &'a str,
    /// The members that the merge takes away without a name, each with `null`; of the end of a signal
    /// always there. It is not sent: it is read for clients that come back.
    pub gone: Option<&'a str>,
}

impl<'a> Update<'a> {
    /// As an event holds it that [`data`](Self::data) was made for.
    #[must_use]
    pub fn of(fields: &'a Fields<'_>) -> Option<Self> {
        let topic = fields.topics.first()?;
        let mut lines = fields.text().split('\n');
        Some(Self {
            name: topic.strip_prefix(SIGNAL_TOPICS)?,
            patch: lines.next()?,
            merge: lines.next()?,
            gone: lines.next(),
        })
    }

    /// What an event's data is to be.
    #[must_use]
    pub fn data(&self) -> String {
        let mut data = format!("{}\n{}", self.patch, self.merge);
        if let Some(gone) = self.gone {
            data.push('\n');
            data.push_str(gone);
        }
        data
    }

    /// The patch that makes this document of whatever there is.
    #[must_use]
    pub fn whole(document: &str) -> String {
        [WHOLE, document, WHOLE_END].concat()
    }

    /// The block without an id that makes a document of whatever there is, but for the document: what is
    /// written before it, and behind it.
    #[must_use]
    pub fn around(name: &str, format: SignalFormat) -> (Vec<u8>, Vec<u8>) {
        // No name holds it, since it is a control character.
        const PLACE: &str = "\u{1}";
        let (patch, merge) = (Self::whole(PLACE), PLACE);
        let update = Update {
            name,
            patch: &patch,
            merge,
            gone: None,
        };
        let mut before = Vec::new();
        update.write(format, &mut before);
        before.push(b'\n');
        let place = memchr::memchr(PLACE.as_bytes()[0], &before).unwrap_or(before.len());
        let behind = before.split_off(place);
        (before, behind.get(1..).unwrap_or_default().to_vec())
    }

    /// Writes the fields of the block; the id and the blank line behind them are the caller's.
    pub fn write(&self, format: SignalFormat, out: &mut Vec<u8>) {
        let Self {
            name, patch, merge, ..
        } = self;
        match format {
            SignalFormat::Datastar => {
                field(out, "event", PATCH_SIGNALS);
                field(out, "data", &format!("signals {{{}:{merge}}}", json(name)));
            }
            SignalFormat::Patch | SignalFormat::Event if patch.is_empty() => {
                field(out, "event", DELETED);
                field(out, "data", &format!("{{\"name\":{}}}", json(name)));
            }
            SignalFormat::Patch => {
                let data = format!("{{\"name\":{},\"patch\":{patch}}}", json(name));
                field(out, "data", &data);
            }
            SignalFormat::Event => {
                field(out, "event", name);
                field(out, "data", &format!("{{\"patch\":{patch}}}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Event, EventId, Format, Stored},
        sse::Frame,
    };

    fn text(update: Update<'_>, format: SignalFormat) -> String {
        let event = Event::builder(update.data()).topic(format!("{SIGNAL_TOPICS}{}", update.name));
        let stored = Stored::new(EventId::new(5, 1), 1_000, event.build_ours().unwrap());
        String::from_utf8(Frame::of(&std::sync::Arc::new(stored), Format::Signal(format)).to_vec())
            .unwrap()
    }

    #[test]
    fn a_change_is_written_in_the_language_of_each_client() {
        let update = Update {
            name: "a\"b",
            patch: r#"[{"op":"remove","path":"/x"}]"#,
            merge: r#"{"x":null}"#,
            gone: Some(r#"{"x":{"y":null}}"#),
        };
        assert_eq!(
            text(update, SignalFormat::Patch),
            "data: {\"name\":\"a\\\"b\",\"patch\":[{\"op\":\"remove\",\"path\":\"/x\"}]}\nid: 5-1\n\n"
        );
        assert_eq!(
            text(update, SignalFormat::Event),
            "event: a\"b\ndata: {\"patch\":[{\"op\":\"remove\",\"path\":\"/x\"}]}\nid: 5-1\n\n"
        );
        assert_eq!(
            text(update, SignalFormat::Datastar),
            "event: datastar-patch-signals\ndata: signals {\"a\\\"b\":{\"x\":null}}\nid: 5-1\n\n"
        );
    }

    #[test]
    fn the_end_of_a_signal_is_no_value_to_clients_that_know_types() {
        let gone = Update {
            name: "a",
            patch: "",
            merge: "null",
            gone: Some("{}"),
        };
        let deleted = "event: deleted\ndata: {\"name\":\"a\"}\nid: 5-1\n\n";
        assert_eq!(text(gone, SignalFormat::Patch), deleted);
        assert_eq!(text(gone, SignalFormat::Event), deleted);
        assert_eq!(
            text(gone, SignalFormat::Datastar),
            "event: datastar-patch-signals\ndata: signals {\"a\":null}\nid: 5-1\n\n"
        );
    }
}
