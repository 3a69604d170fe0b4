//! The blocks that documents are written as. Large documents are shared, not copied.

use bytes::Bytes;
use serde_json::Value;

use crate::{SignalFormat, removed::Members, single_flight::SignalAt, update::Update};

/// From this length on a document is not copied for each stream.
const SHARED_BYTES: usize = 4 << 10;

/// Blocks in the making.
#[derive(Default)]
pub(super) struct Blocks {
    finished: Vec<Bytes>,
    open: Vec<u8>,
}

impl Blocks {
    pub(super) fn push(&mut self, block: &[u8]) {
        self.open.extend_from_slice(block);
    }

    fn push_document(&mut self, name: &str, format: SignalFormat, document: &Bytes) {
        let (before, after) = format.around_document(name);
        self.push(&before);
        if document.len() < SHARED_BYTES {
            self.push(document);
        } else {
            self.close();
            self.finished.push(document.clone());
        }
        self.push(&after);
    }

    fn push_removal(&mut self, name: &str, format: SignalFormat) {
        let removal = Update {
            name,
            patch: "",
            merge: "null",
            gone: None,
        };
        format.write(&removal, &mut self.open);
        self.open.push(b'\n');
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.finished.push(std::mem::take(&mut self.open).into());
        }
    }

    pub(super) fn finish(mut self) -> Vec<Bytes> {
        self.close();
        self.finished
    }
}

/// Whether a client may hold a document of a signal that has none now.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum MayHold {
    No,
    Yes,
    Unknown,
}

/// The receiver of one document.
pub(super) struct Client<'a> {
    pub(super) format: SignalFormat,
    pub(super) may_hold: MayHold,
    /// All signals of the client, where the removed members are found by comparing with them.
    pub(super) held: Option<&'a Value>,
}

impl Client<'_> {
    pub(super) fn send(&self, name: &str, signal: &SignalAt, blocks: &mut Blocks) {
        match (&signal.document, self.may_hold) {
            (Some((document, _)), _) => {
                let merge = self.merge(name, signal, document);
                blocks.push_document(name, self.format, merge.as_ref().unwrap_or(document));
            }
            (None, MayHold::No) => {}
            // A page may have made up a value for a signal that never existed. Removing that would detach
            // the elements that are bound to it: they would not follow the signal once it exists.
            (None, MayHold::Unknown) if self.format == SignalFormat::Datastar => {}
            (None, MayHold::Yes | MayHold::Unknown) => blocks.push_removal(name, self.format),
        }
    }

    /// The document with `null` for removed members, in the format that merges.
    fn merge(&self, name: &str, signal: &SignalAt, document: &Bytes) -> Option<Bytes> {
        if self.format != SignalFormat::Datastar {
            return None;
        }
        match self.held {
            Some(held) => Members::held(&held[name])
                .merged_with(document)
                .map(Bytes::from),
            None => signal.merge.clone(),
        }
    }
}
