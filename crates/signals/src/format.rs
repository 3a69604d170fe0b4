//! The formats of a stream of signals: an encoder each.

mod datastar;
mod event;
mod patch;

use sse_broadcaster::{
    encoding::Encoder,
    event::{EventId, Fields},
    sse::{end_block, json, write_field},
};

use super::update::Update;

/// The event of a signal that is gone, in the formats whose clients would take `null` for its value: to
/// `leptos_sse` a value that its type does not take is the end of all signals of the page.
const DELETED: &str = "deleted";

/// How the changes of signals are written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SignalFormat {
    /// Unnamed events with `{"name":…,"patch":[…]}`, whose patch is a JSON Patch (RFC 6902).
    #[default]
    Patch,
    /// Events named after their signal, with `{"patch":[…]}`.
    Event,
    /// Datastar's `datastar-patch-signals` with a JSON Merge Patch (RFC 7396).
    Datastar,
}

impl SignalFormat {
    /// The encoder of streams in this format.
    #[must_use]
    pub fn encoder(self) -> &'static dyn Encoder {
        match self {
            Self::Patch => &patch::PatchEncoder,
            Self::Event => &event::EventEncoder,
            Self::Datastar => &datastar::DatastarEncoder,
        }
    }

    /// Writes the fields of the block of a change; the id and the blank line behind them are the caller's.
    pub(crate) fn write(self, update: &Update<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Patch => patch::write(update, out),
            Self::Event => event::write(update, out),
            Self::Datastar => datastar::write(update, out),
        }
    }

    /// The block without an id that makes a document of whatever there is, but for the document: what is
    /// written before it, and behind it.
    pub(crate) fn around(self, name: &str) -> (Vec<u8>, Vec<u8>) {
        // No name holds it, since it is a control character.
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
        let place = memchr::memchr(DOCUMENT.as_bytes()[0], &before).unwrap_or(before.len());
        let behind = before.split_off(place);
        (before, behind.get(1..).unwrap_or_default().to_vec())
    }
}

/// The block of an event that holds a change, with its id.
fn write_block(
    write: fn(&Update<'_>, &mut Vec<u8>),
    id: EventId,
    fields: &Fields<'_>,
    out: &mut Vec<u8>,
) {
    if let Some(update) = Update::of(fields) {
        write(&update, out);
    }
    end_block(out, id);
}

/// The event of a signal that is gone.
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
        internal::SIGNAL_TOPICS,
    };

    use super::*;

    fn text(update: Update<'_>, format: SignalFormat) -> String {
        let event = Event::builder(update.data()).topic(format!("{SIGNAL_TOPICS}{}", update.name));
        let stored = Stored::new(EventId::new(5, 1), 1_000, event.build_ours().unwrap());
        let bytes = encode(&Arc::new(stored), format.encoder());
        String::from_utf8(bytes.to_vec()).unwrap()
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
