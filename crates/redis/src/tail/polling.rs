//! How the tail polls the log.

use std::time::Instant;

use ::redis::{Pipeline, RedisError, aio::MultiplexedConnection};

use super::Tail;
use crate::{entry::Entry, poll::Poll};

/// Most entries of one poll; fewer while they are large, so that a poll is about [`POLL_BYTES`].
const MAX_ENTRIES: usize = 256;
pub(super) const FIRST_ENTRIES: usize = 16;
const POLL_BYTES: usize = 256 << 10;

impl Tail {
    /// Polls the log; begins one where there is none.
    pub(super) async fn poll(
        &mut self,
        connection: &mut MultiplexedConnection,
    ) -> Result<Poll, RedisError> {
        loop {
            if let Some(poll) = self.ask(::redis::pipe(), connection).await? {
                return Ok(poll);
            }
            self.begin(connection, None, self.position.is_some())
                .await?;
        }
    }

    /// Adds a poll to these calls, whose replies are ignored. `None`: there is no log.
    pub(super) async fn ask(
        &mut self,
        mut calls: Pipeline,
        connection: &mut MultiplexedConnection,
    ) -> Result<Option<Poll>, RedisError> {
        self.acknowledged = self
            .position
            .and_then(|position| self.shared.reservations.newest_acknowledged(position.epoch));
        self.polled = Instant::now();
        Poll::add(&mut calls, &self.shared, self.id(), self.step);
        let poll = Poll::decode(calls.query_async(connection).await?, self.id(), self.step)?;
        if let Some(poll) = &poll {
            let bytes: usize = poll.entries.iter().map(Entry::bytes).sum();
            if bytes > POLL_BYTES {
                self.step = (self.step / 2).max(1);
            } else if !poll.is_all && bytes <= POLL_BYTES / 4 {
                self.step = (2 * self.step).min(MAX_ENTRIES);
            }
        }
        Ok(poll)
    }
}
