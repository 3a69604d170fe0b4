//! The subscriptions of this node, and which of their changes are yet to be written to the list.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use sse_broadcaster_presence::HubSubscription;
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

/// Most connections that began and ended while nothing could be written, and are announced later.
const MAX_SHORT: usize = 10_000;
/// Most bytes of subscriptions of one node in the list. Further ones are neither announced nor listed.
const MAX_BYTES: usize = 128 << 20;
/// What one subscription takes in the list beside its text.
const BYTES_OF_ONE: usize = 512;

/// A connection, and its subscriptions.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) subscriptions: Box<[HubSubscription]>,
    /// What it counts towards the bound.
    bytes: usize,
}

impl Subscriber {
    pub(super) fn new(subscriptions: Box<[HubSubscription]>) -> Self {
        let bytes = subscriptions.iter().map(|one| {
            let payload = one.payload.as_ref().map_or(0, |payload| payload.len());
            BYTES_OF_ONE + one.matcher.len() + payload
        });
        Self {
            bytes: bytes.sum(),
            subscriptions,
        }
    }
}

/// A connection that begins or ends. `number` is that of its first subscription; the others follow.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) number: u64,
    pub(super) subscriber: Arc<Subscriber>,
    pub(super) is_active: bool,
}

/// The changes to be written next.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) changes: Vec<Change>,
    /// All that was noted before this ticket is in them, or was taken before.
    pub(super) up_to: u64,
}

/// The connections of this node. Its lock is held for a few map accesses, and never across an await.
pub(super) struct Local {
    state: Mutex<State>,
    /// Something is to be written.
    pub(super) changed: Notify,
    /// Changes before this ticket are in the list.
    pub(super) written_up_to: watch::Sender<u64>,
    /// Those before this ticket are announced, too.
    pub(super) announced_up_to: watch::Sender<u64>,
    max_bytes: usize,
}

#[derive(Default)]
struct State {
    /// By number, which is the order in which they began.
    known: BTreeMap<u64, Known>,
    /// What is to be written, by ticket, which is the order.
    waiting: BTreeMap<u64, (u64, bool)>,
    /// The next number or ticket.
    next: u64,
    /// Connections that have ended, and whose beginning waits.
    short: usize,
    bytes: usize,
    has_warned: bool,
    is_closed: bool,
}

struct Known {
    subscriber: Arc<Subscriber>,
    /// The ticket of its beginning, while that waits.
    begin: Option<u64>,
    is_open: bool,
}

impl Default for Local {
    fn default() -> Self {
        Self::bounded(MAX_BYTES)
    }
}

impl Local {
    fn bounded(max_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Notify::new(),
            written_up_to: watch::Sender::new(0),
            announced_up_to: watch::Sender::new(0),
            max_bytes,
        }
    }

    /// Notes that a connection has begun. `None`: it is neither announced nor listed.
    pub(super) fn begin(&self, subscriber: Subscriber) -> Option<u64> {
        let mut state = self.state.lock();
        if state.is_closed || !state.has_room(subscriber.bytes, self.max_bytes) {
            return None;
        }
        state.bytes += subscriber.bytes;
        let number = state.next;
        state.next += subscriber.subscriptions.len() as u64;
        let begin = Some(state.wait(number, true));
        let known = Known {
            subscriber: Arc::new(subscriber),
            begin,
            is_open: true,
        };
        state.known.insert(number, known);
        drop(state);
        self.changed.notify_one();
        Some(number)
    }

    /// Notes that a connection has ended.
    pub(super) fn end(&self, number: u64) {
        self.state.lock().end(number);
        self.changed.notify_one();
    }

    /// Notes that all connections have ended, and no further ones.
    pub(super) fn end_all(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        let numbers: Vec<u64> = state.known.keys().copied().collect();
        for number in numbers {
            state.end(number);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The oldest changes that wait: those of whole connections, until they are so many subscriptions.
    pub(super) fn take(&self, least: usize) -> Taken {
        let mut state = self.state.lock();
        let (mut changes, mut subscriptions) = (Vec::new(), 0);
        while subscriptions < least
            && let Some(change) = state.take_one()
        {
            subscriptions += change.subscriber.subscriptions.len();
            changes.push(change);
        }
        let first = state.waiting.first_key_value();
        let up_to = first.map_or(state.next, |(ticket, _)| *ticket);
        Taken { changes, up_to }
    }

    /// The list has nothing of this node: what is open is written again.
    pub(super) fn forget_written(&self) {
        self.state.lock().forget_written();
        self.changed.notify_one();
    }

    /// Waits until everything that was noted so far is in the list, or for so long.
    pub(super) async fn written(&self, within: Duration) {
        self.has_come(&self.written_up_to, within).await;
    }

    /// Waits until everything that was noted so far is announced, or for so long.
    pub(super) async fn announced(&self, within: Duration) {
        self.has_come(&self.announced_up_to, within).await;
    }

    async fn has_come(&self, up_to: &watch::Sender<u64>, within: Duration) {
        let now = self.state.lock().next;
        let mut seen = up_to.subscribe();
        // Its sender lives as long as this.
        let _ = timeout(within, seen.wait_for(|up_to| *up_to >= now)).await;
    }
}

impl State {
    fn wait(&mut self, number: u64, is_active: bool) -> u64 {
        let ticket = self.next;
        self.next += 1;
        self.waiting.insert(ticket, (number, is_active));
        ticket
    }

    fn has_room(&mut self, bytes: usize, max: usize) -> bool {
        let has_room = self.bytes + bytes <= max;
        if !has_room && !self.has_warned {
            log::warn!(
                "the subscriptions of this node take {max} bytes: further ones are neither announced nor listed"
            );
        }
        self.has_warned = !has_room;
        has_room
    }

    fn end(&mut self, number: u64) {
        let Some(known) = self.known.get_mut(&number).filter(|known| known.is_open) else {
            return;
        };
        known.is_open = false;
        if let Some(begin) = known.begin {
            if self.short >= MAX_SHORT {
                // Nobody has heard of it.
                self.waiting.remove(&begin);
                self.forget(number);
                return;
            }
            self.short += 1;
        }
        self.wait(number, false);
    }

    fn take_one(&mut self) -> Option<Change> {
        let (_, (number, is_active)) = self.waiting.pop_first()?;
        let known = self.known.get_mut(&number)?;
        let subscriber = Arc::clone(&known.subscriber);
        if is_active {
            known.begin = None;
            self.short -= usize::from(!known.is_open);
        } else {
            self.forget(number);
        }
        Some(Change {
            number,
            subscriber,
            is_active,
        })
    }

    fn forget(&mut self, number: u64) {
        if let Some(known) = self.known.remove(&number) {
            self.bytes -= known.subscriber.bytes;
        }
    }

    fn forget_written(&mut self) {
        let is_written = |known: &Known| known.begin.is_none();
        let written = self.known.iter().filter(|(_, known)| is_written(known));
        let written: Vec<_> = written
            .map(|(number, known)| (*number, known.is_open))
            .collect();
        for (number, is_open) in written {
            if is_open {
                let begin = Some(self.wait(number, true));
                if let Some(known) = self.known.get_mut(&number) {
                    known.begin = begin;
                }
            } else {
                self.forget(number);
            }
        }
        // Ends of what the list does not have.
        let known = &self.known;
        self.waiting
            .retain(|_, (number, _)| known.contains_key(number));
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("connections", &self.state.lock().known.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
