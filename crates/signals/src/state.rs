//! What a stream of signals begins with: each document whole, as of one position.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;
use serde_json::Value;

use super::{
    SignalError, SignalFormat, SignalName, Signals,
    removed::Members,
    single_flight::{SignalAt, SingleFlight, StateAt, StateRequest},
    update::Update,
};
use sse_broadcaster::{
    broadcaster::{Broadcaster, EncodedStream, Snapshot, Snapshots, Start},
    event::{EventId, Invalid, MAX_TOPICS, Selector},
    history::Unavailable,
    sse::Frame,
};

/// Most signals on one stream.
pub const MAX_NAMES: usize = MAX_TOPICS;
/// Events that an `EventSource` has of its own.
const OTHERS_EVENTS: [&str; 3] = ["error", "message", "open"];
/// Documents are sent in parts of about this size, or one: a client that does not read pins no more.
const PART_BYTES: usize = 256 << 10;
/// Most that are read at one position to begin with.
const READ_AT_ONCE: usize = 16;
/// From this length on a document is not copied for each stream.
const SHARED_BYTES: usize = 4 << 10;

/// What a client holds already, as far as that is known. It is sent everything in any case; but a merge
/// patch takes away only what it names.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ClientState {
    /// The last id of an earlier stream.
    pub last_event_id: Option<String>,
    /// Its signals, as Datastar sends them. Datastar sends them anew when a tab is shown again, but not
    /// when it reconnects: there they are as old as its first request.
    pub held: Option<Value>,
}

impl ClientState {
    /// Sets the last id of an earlier stream.
    #[must_use]
    pub fn last_event_id(self, last_event_id: Option<String>) -> Self {
        Self {
            last_event_id,
            ..self
        }
    }

    /// Sets the signals that it holds.
    #[must_use]
    pub fn held(self, held: Option<Value>) -> Self {
        Self { held, ..self }
    }
}

impl Signals {
    /// A stream of these signals, in the order of their names; see [the module](super) for what is sent.
    /// One that does not exist is sent once it does.
    ///
    /// # Errors
    /// `no_signals` and `too_many_signals` for none, or more than [`MAX_NAMES`]; see [`SignalError`].
    pub fn subscribe(
        &self,
        names: &[SignalName],
        format: SignalFormat,
        client: ClientState,
    ) -> Result<EncodedStream, SignalError> {
        let refused = |code, detail: String| Err(Invalid::new(code, detail).into());
        if names.is_empty() {
            return refused(
                "no_signals",
                "name at least one signal: ?name=counter".into(),
            );
        }
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        if names.len() > MAX_NAMES {
            let detail = format!(
                "{} signals; one stream has {MAX_NAMES} at most",
                names.len()
            );
            return refused("too_many_signals", detail);
        }
        let taken = names
            .iter()
            .find(|name| OTHERS_EVENTS.contains(&name.as_str()));
        if let Some(name) = taken.filter(|_| format == SignalFormat::Event) {
            let detail = format!(
                "an EventSource itself calls other events {name}; ask for this signal with format=patch"
            );
            return refused("invalid_signal", detail);
        }
        let topics: Vec<&str> = names.iter().map(SignalName::topic).collect();
        let selector = Selector::topics(&topics)?;
        let state = State {
            single_flight: Arc::clone(&self.single_flight),
            broadcaster: self.broadcaster.clone(),
            names: names.into(),
            format,
            progress: Arc::new(Mutex::new(Progress {
                is_resumed: client.last_event_id.is_some(),
                since: client.last_event_id.map(Arc::from),
                held: client.held,
                ..Progress::default()
            })),
        };
        let stream = self
            .broadcaster
            .subscribe_to_state(selector, Arc::new(state))?;
        Ok(stream.encoded(format.encoder()))
    }
}

/// What one stream is sent of the state.
struct State {
    single_flight: Arc<SingleFlight>,
    broadcaster: Broadcaster,
    names: Arc<[SignalName]>,
    format: SignalFormat,
    progress: Arc<Mutex<Progress>>,
}

/// How much of the state one stream was sent.
#[derive(Default)]
struct Progress {
    /// Of the names that were sent: the version, or that there was none.
    sent: HashMap<SignalName, Option<EventId>>,
    /// The client brought an id.
    is_resumed: bool,
    /// It may hold documents of up to this id.
    since: Option<Arc<str>>,
    /// It may hold documents, and nobody knows of when.
    is_unknown: bool,
    /// A gap stands before the state already.
    gap_sent: bool,
    held: Option<Value>,
}

impl Snapshots for State {
    fn take(&self) -> BoxFuture<'static, Result<Snapshot, Unavailable>> {
        let request = self.progress.lock().next(&self.names, self.format);
        let taking = self.single_flight.take(&self.broadcaster, &request);
        let (all, format) = (self.names.len(), self.format);
        let (progress, broadcaster) = (Arc::clone(&self.progress), self.broadcaster.clone());
        async move {
            let now = taking.await?;
            let oldest = || broadcaster.bounds().oldest;
            Ok(progress.lock().send(&now, (&request, all), format, oldest))
        }
        .boxed()
    }

    fn take_behind_gap(&self) -> BoxFuture<'static, Result<Snapshot, Unavailable>> {
        *self.progress.lock() = Progress {
            is_unknown: true,
            gap_sent: true,
            ..Progress::default()
        };
        self.take()
    }
}

impl Progress {
    /// What to read next: some of those that were not sent yet, in order; then all, for what has changed.
    fn next(&self, names: &Arc<[SignalName]>, format: SignalFormat) -> StateRequest {
        let unsent = names.iter().filter(|name| !self.sent.contains_key(*name));
        let next: Arc<[_]> = unsent.take(READ_AT_ONCE).cloned().collect();
        let is_all = names.len() <= READ_AT_ONCE || next.is_empty();
        StateRequest {
            names: if is_all { Arc::clone(names) } else { next },
            since: self.since.clone(),
            merges: format == SignalFormat::Datastar,
        }
    }

    /// The next part: what was not sent yet of what there is now. It is the last only where it is all that
    /// is left of everything, as of one position.
    fn send(
        &mut self,
        now: &StateAt,
        (request, all): (&StateRequest, usize),
        format: SignalFormat,
        oldest: impl FnOnce() -> Option<EventId>,
    ) -> Snapshot {
        let mut part = Part::default();
        let is_unknown = self.is_unknown || request.since.is_some() && !now.is_known;
        if is_unknown && request.merges && !std::mem::replace(&mut self.gap_sent, true) {
            let requested = Start::After(request.since.as_deref().unwrap_or_default().to_owned());
            part.open = Frame::lost(&requested.requested(), oldest()).into();
        }
        let mut more = request.names.len() < all;
        for (name, signal) in request.names.iter().zip(&*now.signals) {
            let version = signal.document.as_ref().map(|(_, version)| *version);
            if self.sent.get(name) == Some(&version) {
                continue;
            }
            let bytes = signal.document.as_ref().map_or(0, |(text, _)| text.len());
            if part.bytes > 0 && part.bytes + bytes > PART_BYTES {
                more = true;
                break;
            }
            part.bytes += bytes;
            let sent = self.sent.insert(name.clone(), version).flatten();
            let held = self.held.as_ref().filter(|_| sent.is_none());
            let client = Client {
                format,
                holds: match sent {
                    Some(_) => Holds::Some,
                    None if is_unknown => Holds::Unknown,
                    None if signal.removed => Holds::Some,
                    None => Holds::None,
                },
                held: held.filter(|_| is_unknown || !self.is_resumed),
            };
            client.send(name.as_str(), signal, &mut part);
        }
        if more {
            let begun = || Arc::from(now.head.to_string());
            self.since.get_or_insert_with(begun);
        } else {
            // What is asked for next without a gap is what was lost behind this position.
            *self = Self {
                since: Some(now.head.to_string().into()),
                ..Self::default()
            };
        }
        let of_state = if more { Snapshot::part } else { Snapshot::last };
        of_state(now.head, part.finish())
    }
}

/// Blocks that are put together; large documents are not copied.
#[derive(Default)]
struct Part {
    blocks: Vec<Bytes>,
    open: Vec<u8>,
    /// Of documents.
    bytes: usize,
}

impl Part {
    fn document(&mut self, name: &str, format: SignalFormat, document: &Bytes) {
        let (before, behind) = format.around(name);
        self.open.extend_from_slice(&before);
        if document.len() < SHARED_BYTES {
            self.open.extend_from_slice(document);
        } else {
            self.close();
            self.blocks.push(document.clone());
        }
        self.open.extend_from_slice(&behind);
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.blocks.push(std::mem::take(&mut self.open).into());
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.close();
        self.blocks
    }
}

/// Whether a client has a document where there is none now.
#[derive(Clone, Copy, PartialEq)]
enum Holds {
    None,
    Some,
    Unknown,
}

/// Whom a document is sent to.
struct Client<'a> {
    format: SignalFormat,
    holds: Holds,
    /// All its signals, where what was removed has to be found by them.
    held: Option<&'a Value>,
}

impl Client<'_> {
    fn send(&self, name: &str, signal: &SignalAt, part: &mut Part) {
        match (&signal.document, self.holds) {
            (Some((document, _)), _) => {
                let merge = || match self.held {
                    Some(held) => Members::held(&held[name])
                        .merged_with(document)
                        .map(Bytes::from),
                    None => signal.merge.clone(),
                };
                let merge = if self.format == SignalFormat::Datastar {
                    merge()
                } else {
                    None
                };
                part.document(name, self.format, merge.as_ref().unwrap_or(document));
            }
            (None, Holds::None) => {}
            // A page may have made up a value for a signal that there never was, and what is bound to
            // that would not follow the signal any more once it is there.
            (None, Holds::Unknown) if self.format == SignalFormat::Datastar => {}
            (None, Holds::Some | Holds::Unknown) => self.remove(name, part),
        }
    }

    fn remove(&self, name: &str, part: &mut Part) {
        let gone = Update {
            name,
            patch: "",
            merge: "null",
            gone: None,
        };
        self.format.write(&gone, &mut part.open);
        part.open.push(b'\n');
    }
}
