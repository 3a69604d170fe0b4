//! How much of its documents one stream was sent, and what it is sent next.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;

use super::blocks::{Blocks, Client, MayHold};
use crate::{
    ClientState, SignalFormat, SignalName,
    single_flight::{SignalAt, StateAt, StateRequest},
};
use sse_broadcaster::{
    broadcaster::{Snapshot, Start},
    event::EventId,
    sse::{Frame, Position},
};

/// Documents are sent in parts of about this size, or one alone: a client that does not read keeps no more
/// than a part in memory.
const PART_BYTES: usize = 256 << 10;
/// Most documents that are read at one position to begin with.
const READ_AT_ONCE: usize = 16;

#[derive(Default)]
pub(super) struct Progress {
    /// The version of each name that was sent; `None` for a name that had no document.
    sent: HashMap<SignalName, Option<EventId>>,
    /// The client sent a last event id.
    is_resumed: bool,
    /// The client may hold documents of up to this id.
    since: Option<Arc<str>>,
    /// The client may hold documents of any age.
    is_unknown: bool,
    /// A gap was sent before the documents.
    gap_sent: bool,
    held: Option<Value>,
}

impl Progress {
    pub(super) fn new(client: ClientState) -> Self {
        Self {
            is_resumed: client.last_event_id.is_some(),
            since: client.last_event_id.map(Arc::from),
            held: client.held,
            ..Self::default()
        }
    }

    pub(super) fn after_gap() -> Self {
        Self {
            is_unknown: true,
            gap_sent: true,
            ..Self::default()
        }
    }

    /// What to read next: first some of the names that were not sent yet, in order; then all of them, for
    /// what has changed meanwhile.
    pub(super) fn next(&self, names: &Arc<[SignalName]>, format: SignalFormat) -> StateRequest {
        let unsent = names.iter().filter(|name| !self.sent.contains_key(*name));
        let next: Arc<[_]> = unsent.take(READ_AT_ONCE).cloned().collect();
        let is_all = names.len() <= READ_AT_ONCE || next.is_empty();
        StateRequest {
            names: if is_all { Arc::clone(names) } else { next },
            since: self.since.clone(),
            merges: format == SignalFormat::Datastar,
        }
    }

    /// The next part: what was not sent yet of `state`. It is the last part only where it brings all of the
    /// stream's `total` names up to one position.
    pub(super) fn send(
        &mut self,
        state: &StateAt,
        (request, total): (&StateRequest, usize),
        format: SignalFormat,
        oldest: impl FnOnce() -> Option<Position>,
    ) -> Snapshot {
        let mut blocks = Blocks::default();
        let is_unknown = self.is_unknown || request.since.is_some() && !state.is_known;
        if is_unknown && request.merges && !std::mem::replace(&mut self.gap_sent, true) {
            let requested = Start::After(request.since.as_deref().unwrap_or_default().to_owned());
            blocks.push(&Frame::lost(&requested.requested(), oldest()));
        }
        let mut more = request.names.len() < total;
        let mut bytes = 0;
        for (name, signal) in request.names.iter().zip(&*state.signals) {
            let version = signal.document.as_ref().map(|(_, version)| *version);
            if self.sent.get(name) == Some(&version) {
                continue;
            }
            let document_bytes = signal.document.as_ref().map_or(0, |(text, _)| text.len());
            if bytes > 0 && bytes + document_bytes > PART_BYTES {
                more = true;
                break;
            }
            bytes += document_bytes;
            let sent = self.sent.insert(name.clone(), version).flatten();
            let client = self.client(format, sent, is_unknown, signal);
            client.send(name.as_str(), signal, &mut blocks);
        }
        if more {
            let head = || Arc::from(state.head.to_string());
            self.since.get_or_insert_with(head);
        } else {
            // The next snapshot without a gap is asked for because changes after this position were lost.
            *self = Self {
                since: Some(state.head.to_string().into()),
                ..Self::default()
            };
        }
        let snapshot = if more { Snapshot::part } else { Snapshot::last };
        snapshot(state.head, blocks.finish())
    }

    /// The client of a document, of which it was sent the version `sent` before.
    fn client(
        &self,
        format: SignalFormat,
        sent: Option<EventId>,
        is_unknown: bool,
        signal: &SignalAt,
    ) -> Client<'_> {
        let held = self.held.as_ref().filter(|_| sent.is_none());
        Client {
            format,
            may_hold: match sent {
                Some(_) => MayHold::Yes,
                None if is_unknown => MayHold::Unknown,
                None if signal.removed => MayHold::Yes,
                None => MayHold::No,
            },
            held: held.filter(|_| is_unknown || !self.is_resumed),
        }
    }
}
