//! What tests of the window share.

use std::sync::Arc;

use super::log::Log;
use crate::{
    event::{Event, EventId, Stored},
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
    let event = topics
        .iter()
        .fold(Event::builder("x"), |event, topic| event.topic(*topic));
    let stored = Stored::new(id(number), number, event.build().unwrap());
    log.push(Arc::new(stored));
}
