//! What tests of the window share.

use std::sync::Arc;

use super::log::Log;
use crate::{
    event::{Event, EventBuilder, EventId, Stored},
    history::Limit,
};

pub(super) const ALL: Limit = Limit::new(1_000, usize::MAX);

pub(super) fn id(number: u64) -> EventId {
    EventId::new(number, 1)
}

/// An empty log, of epoch 1.
pub(super) fn log() -> Log {
    Log::new(1, EventId::new(0, 0))
}

/// An event with the id `<number>-1`, appended at `number` milliseconds.
pub(super) fn push(log: &mut Log, number: u64, topics: &[&str]) {
    push_built(log, number, topics, Event::builder("x"));
}

/// The same, which finishes its topics.
pub(super) fn push_finish(log: &mut Log, number: u64, topics: &[&str]) {
    push_built(log, number, topics, Event::builder("x").finish());
}

fn push_built(log: &mut Log, number: u64, topics: &[&str], event: EventBuilder) {
    let event = topics
        .iter()
        .fold(event, |event, topic| event.topic(*topic));
    let stored = Stored::new(id(number), number, event.build().unwrap());
    log.push(Arc::new(stored));
}
