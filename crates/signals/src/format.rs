//! The formats of a stream of signals, one file each, and the encoder that they share.

mod datastar;
mod event;
mod patch;

use std::fmt;

use sse_broadcaster::{
    encoding::Encoder,
    event::{EventId, Fields},
    sse::{end_block, json, write_field},
};

use self::{datastar::DatastarFormat, event::EventFormat, patch::PatchFormat};
use super::update::Update;

/// The event of a removed signal, in the formats whose clients would read `null` as its value: `leptos_sse`
/// stops updating every signal of the page at a value that does not fit the type.
const DELETED: &str = "deleted";

/// How the changes of signals are written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SignalFormat {
    /// Unnamed events with `{"name":…,"patch":[…]}`, whose patch is a JSON Patch (RFC 6902). A removed
    /// signal is an event named `deleted`.
    #[default]
    Patch,
    /// Events named after their signal, with `{"patch":[…]}`. A removed signal is an event named `deleted`.
    Event,
    /// Datastar's `datastar-patch-signals` with a JSON Merge Patch (RFC 7396). A removed signal is `null`.
    Datastar,
}

/// Writes one change in one format. Each format is a type of its own, because encodings are shared by the
/// type of their encoder.
trait ChangeFormat: fmt::Debug + Send + Sync + 'static {
    /// Appends the fields of the block, but neither its id nor the blank line that ends it.
    fn write(&self, update: &Update<'_>, out: &mut Vec<u8>);
}

#[derive(Debug)]
struct SignalEncoder<F>(F);

impl<F: ChangeFormat> Encoder for SignalEncoder<F> {
    fn event(&self, id: EventId, _: u64, fields: &Fields<'_>, out: &mut Vec<u8>) {
        if let Some(update) = Update::of(fields) {
            self.0.write(&update, out);
        }
        end_block(out, id);
    }
}

impl SignalFormat {
    /// The encoder of streams in this format.
    #[must_use]
    pub fn encoder(self) -> &'static dyn Encoder {
        match self {
            Self::Patch => &SignalEncoder(PatchFormat),
            Self::Event => &SignalEncoder(EventFormat),
            Self::Datastar => &SignalEncoder(DatastarFormat),
        }
    }

    /// Appends the fields of the block of a change, but neither its id nor the blank line that ends it.
    pub(crate) fn write(self, update: &Update<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Patch => PatchFormat.write(update, out),
            Self::Event => EventFormat.write(update, out),
            Self::Datastar => DatastarFormat.write(update, out),
        }
    }

    /// What is written before and after a document in the block without an id that replaces whatever the
    /// client has by that document.
    pub(crate) fn around_document(self, name: &str) -> (Vec<u8>, Vec<u8>) {
        // Names hold no control characters, so this occurs once.
        const DOCUMENT: &str = "\u{1}";
        let update = Update {
            name,
            patch: &Update::whole(DOCUMENT),
            merge: DOCUMENT,
            gone: None,
        };
        let mut before = Vec::new();
        self.write(&update, &mut before);
        before.push(b'\n');
        let at = memchr::memchr(DOCUMENT.as_bytes()[0], &before).unwrap_or(before.len());
        let after = before.split_off(at);
        (before, after.get(1..).unwrap_or_default().to_vec())
    }
}

/// The event of a removed signal.
fn write_deleted(name: &str, out: &mut Vec<u8>) {
    write_field(out, "event", DELETED);
    write_field(out, "data", &format!("{{\"name\":{}}}", json(name)));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sse_broadcaster::{
        encoding::encode,
        event::{Event, Stored},
    };

    use super::*;
    use crate::name::TOPIC_PREFIX;

    fn text(update: Update<'_>, format: SignalFormat) -> String {
        let event = Event::builder(update.data()).topic(format!("{TOPIC_PREFIX}{}", update.name));
        let stored = Stored::new(EventId::new(5, 1), 1_000, event.build_internal().unwrap());
        let bytes = encode(&Arc::new(stored), format.encoder());
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_change_is_written_in_each_format() {
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
    fn a_removed_signal_is_a_deleted_event_except_for_datastar() {
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
