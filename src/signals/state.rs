//! What a stream of signals begins with: each document whole, as of one position.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;
use serde_json::Value;

use super::{SignalError, SignalName, Signals, change, sharing::Sharing};
use crate::{
    broadcaster::{Broadcaster, Snapshot, Snapshots, Subscription},
    event::{EventId, Form, Invalid, MAX_TOPICS, Selector, SignalForm},
    history::{RetainedAt, Unavailable},
    sse::Update,
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
/// What a client holds already, as far as it says so. It is sent everything in any case; but a merge
/// patch cannot tell of what is no longer there to one who has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Brought {
    /// It had a stream before: it brings an id.
    pub resumed: bool,
    /// Its signals, as Datastar sends them.
    pub held: Option<Value>,
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
        form: SignalForm,
        brought: Brought,
    ) -> Result<Subscription, SignalError> {
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
        if let Some(name) = taken.filter(|_| form == SignalForm::Event) {
            let detail = format!(
                "an EventSource itself calls other events {name}; ask for this signal with format=patch"
            );
            return refused("invalid_signal", detail);
        }
        let topics: Vec<&str> = names.iter().map(SignalName::topic).collect();
        let selector = Selector::topics(&topics)?;
        let state = State {
            sharing: Arc::clone(&self.sharing),
            broadcaster: self.broadcaster.clone(),
            names: names.into(),
            form,
            progress: Arc::new(Mutex::new(Progress {
                renewed: brought.resumed,
                held: brought.held,
                ..Progress::default()
            })),
        };
        let form = Form::Signal(form);
        let stream = self
            .broadcaster
            .subscribe_to_state(selector, form, Arc::new(state))?;
        Ok(stream)
    }
}

/// What one stream is told of the state.
struct State {
    sharing: Arc<Sharing>,
    broadcaster: Broadcaster,
    names: Arc<[SignalName]>,
    form: SignalForm,
    progress: Arc<Mutex<Progress>>,
}

/// How far one stream has been told.
#[derive(Default)]
struct Progress {
    /// Of the names that were told: the version, or that there was none.
    told: HashMap<SignalName, Option<EventId>>,
    /// The client may hold what was sent before.
    renewed: bool,
    held: Option<Value>,
}

impl Snapshots for State {
    fn take(&self) -> BoxFuture<'static, Result<Snapshot, Unavailable>> {
        let asked = self.progress.lock().next(&self.names);
        let taking = self.sharing.take(&self.broadcaster, &asked);
        let (all, form) = (self.names.len(), self.form);
        let progress = Arc::clone(&self.progress);
        async move {
            let now = taking.await?;
            Ok(progress.lock().tell(&now, (&asked, all), form))
        }
        .boxed()
    }
}

impl Progress {
    /// What to read next: some of those that were not told yet, in order; then all, for what has changed.
    fn next(&self, names: &Arc<[SignalName]>) -> Arc<[SignalName]> {
        if names.len() <= READ_AT_ONCE {
            return Arc::clone(names);
        }
        let untold = names.iter().filter(|name| !self.told.contains_key(*name));
        let next: Arc<[_]> = untold.take(READ_AT_ONCE).cloned().collect();
        if next.is_empty() {
            return Arc::clone(names);
        }
        next
    }

    /// The next part: what was not told yet of what there is now. It is the last only where it is all that
    /// is left of everything, as of one position.
    fn tell(
        &mut self,
        now: &RetainedAt,
        (names, all): (&[SignalName], usize),
        form: SignalForm,
    ) -> Snapshot {
        let mut part = Part::default();
        let mut more = names.len() < all;
        for (name, found) in names.iter().zip(&now.values) {
            let version = found.as_ref().map(|(_, version)| *version);
            if self.told.get(name) == Some(&version) {
                continue;
            }
            let document = found.as_ref().map(|(text, _)| text);
            let bytes = document.map_or(0, Bytes::len);
            if part.bytes > 0 && part.bytes + bytes > PART_BYTES {
                more = true;
                break;
            }
            part.bytes += bytes;
            let again = self.told.insert(name.clone(), version).is_some();
            let held = self.held.as_ref().filter(|_| !again);
            let held = held.map_or(&Value::Null, |held| &held[name.as_str()]);
            let client = Client {
                form,
                renewed: self.renewed || again,
                held,
            };
            client.tell(name.as_str(), document, &mut part);
        }
        if !more {
            // Whatever is asked for next is behind a gap.
            *self = Self {
                renewed: true,
                ..Self::default()
            };
        }
        Snapshot {
            at: now.head,
            blocks: part.finish(),
            more,
        }
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
    fn document(&mut self, name: &str, form: SignalForm, document: &Bytes) {
        let (before, behind) = Update::around(name, form);
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

/// What a document is told to.
struct Client<'a> {
    form: SignalForm,
    renewed: bool,
    /// What it says that it has under the name.
    held: &'a Value,
}

impl Client<'_> {
    fn tell(&self, name: &str, document: Option<&Bytes>, part: &mut Part) {
        let is_merged = self.form == SignalForm::Datastar;
        match document {
            Some(document) if is_merged && document.starts_with(b"{") => {
                // What the client has is merged with: what is gone is taken from it, one way or another.
                if self.renewed {
                    self.remove(name, part);
                } else if self.held.is_object() {
                    let whole = serde_json::from_slice(document).unwrap_or_default();
                    let merge = change::merge_whole(self.held, &whole).to_string();
                    return part.document(name, self.form, &merge.into());
                }
                part.document(name, self.form, document);
            }
            Some(document) => part.document(name, self.form, document),
            // A page may have given a value to begin with to a signal that there never was.
            None if is_merged && !self.renewed => {}
            None => self.remove(name, part),
        }
    }

    fn remove(&self, name: &str, part: &mut Part) {
        let gone = Update {
            name,
            patch: "",
            merge: "null",
        };
        gone.write(self.form, &mut part.open);
        part.open.push(b'\n');
    }
}
