//! What a stream of signals begins with: each document whole, as of one position.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use parking_lot::Mutex;
use serde_json::Value;

use super::{SignalError, SignalName, Signals, change};
use crate::{
    broadcaster::{Broadcaster, Snapshot, Snapshots, Subscription},
    event::{EventId, Form, Invalid, MAX_TOPICS, Selector, SignalForm},
    history::{RetainedAt, Unavailable},
    sse::Update,
};

/// Most signals on one stream.
pub const MAX_NAMES: usize = MAX_TOPICS;
/// How long a state is kept for others that ask for the same, if nothing is published meanwhile: after a
/// restart many come at once.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// Most states that are kept so.
const MAX_KEPT: usize = 8;
/// Documents are joined to blocks of about this size.
const BLOCK_BYTES: usize = 64 << 10;

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
        let topics: Vec<&str> = names.iter().map(SignalName::topic).collect();
        let selector = Selector::topics(&topics)?;
        let state = State {
            sharing: Arc::clone(&self.sharing),
            broadcaster: self.broadcaster.clone(),
            names: names.into(),
            form,
            renewed: AtomicBool::new(brought.resumed),
            held: brought.held,
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
    /// The client may hold what was sent before.
    renewed: AtomicBool,
    held: Option<Value>,
}

impl Snapshots for State {
    fn take(&self) -> BoxFuture<'static, Result<Snapshot, Unavailable>> {
        let renewed = self.renewed.swap(true, Ordering::Relaxed);
        let asked = Asked {
            names: Arc::clone(&self.names),
            form: self.form,
            renewed,
        };
        match (&self.held, renewed) {
            (Some(held), false) if self.form == SignalForm::Datastar => {
                let held = held.clone();
                let retained = read(self.broadcaster.clone(), Arc::clone(&self.names));
                async move { Ok(asked.snapshot(&retained.await?, &held)) }.boxed()
            }
            _ => self.sharing.take(&self.broadcaster, asked).boxed(),
        }
    }
}

async fn read(
    broadcaster: Broadcaster,
    names: Arc<[SignalName]>,
) -> Result<RetainedAt, Unavailable> {
    let keys: Vec<&str> = names.iter().map(SignalName::topic).collect();
    broadcaster.retained(&keys).await
}

/// What makes two states the same, as of one position.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    names: Arc<[SignalName]>,
    form: SignalForm,
    renewed: bool,
}

impl Asked {
    fn snapshot(&self, retained: &RetainedAt, held: &Value) -> Snapshot {
        let (mut blocks, mut block) = (Vec::new(), Vec::new());
        for (name, found) in self.names.iter().zip(&retained.values) {
            let text = found.as_ref().map(|(text, _)| &text[..]);
            self.tell(name.as_str(), text, &held[name.as_str()], &mut block);
            if block.len() >= BLOCK_BYTES {
                blocks.push(Bytes::from(std::mem::take(&mut block)));
            }
        }
        if !block.is_empty() {
            blocks.push(block.into());
        }
        Snapshot {
            at: retained.head,
            blocks,
        }
    }

    fn tell(&self, name: &str, text: Option<&[u8]>, held: &Value, out: &mut Vec<u8>) {
        let mut write = |patch: &str, merge: &str| {
            let update = Update { name, patch, merge };
            update.write(self.form, out);
            out.push(b'\n');
        };
        let is_merged = self.form == SignalForm::Datastar;
        let text = text.map(|text| str::from_utf8(text).unwrap_or("null"));
        match text {
            // What the client has is merged with: it is taken from it first, or what is gone stays.
            Some(object) if is_merged && self.renewed && object.starts_with('{') => {
                write("", "null");
                write("", object);
            }
            Some(object) if is_merged && held.is_object() => {
                let whole = serde_json::from_str(object).unwrap_or_default();
                write("", &change::merge_whole(held, &whole).to_string());
            }
            Some(text) => write(&change::whole(text), text),
            // A page may have given a value to begin with to a signal that there never was.
            None if is_merged && !self.renewed => {}
            None => write("", "null"),
        }
    }
}

type Taking = Shared<BoxFuture<'static, Result<Snapshot, Unavailable>>>;

/// The states that streams were sent lately.
#[derive(Default)]
pub(super) struct Sharing {
    kept: Mutex<VecDeque<Kept>>,
}

struct Kept {
    asked: Asked,
    /// The log, and its head, when it was begun.
    of: (u64, EventId),
    begun: Instant,
    taking: Taking,
}

impl Kept {
    fn is_usable(&self, now: Instant, of: (u64, EventId)) -> bool {
        let failed = matches!(self.taking.peek(), Some(Err(_)));
        self.of == of && !failed && now.duration_since(self.begun) < KEPT_FOR
    }
}

impl std::fmt::Debug for Sharing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sharing")
    }
}

impl Sharing {
    fn take(&self, broadcaster: &Broadcaster, asked: Asked) -> Taking {
        let (now, bounds) = (Instant::now(), broadcaster.bounds());
        let of = (bounds.epoch, bounds.head);
        let mut old = Vec::new();
        let mut kept = self.kept.lock();
        while kept.front().is_some_and(|kept| !kept.is_usable(now, of)) {
            old.extend(kept.pop_front());
        }
        let found = kept
            .iter()
            .find(|kept| kept.asked == asked && kept.is_usable(now, of));
        if let Some(found) = found {
            return found.taking.clone();
        }
        let retained = read(broadcaster.clone(), Arc::clone(&asked.names));
        let told = asked.clone();
        let taking = async move { Ok(told.snapshot(&retained.await?, &Value::Null)) };
        let taking = taking.boxed().shared();
        if kept.len() < MAX_KEPT {
            kept.push_back(Kept {
                asked,
                of,
                begun: now,
                taking: taking.clone(),
            });
        }
        drop(kept);
        drop(old);
        taking
    }
}
