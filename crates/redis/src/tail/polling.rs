//! How the tail polls the log: at once, or once something has been added.

use std::{sync::Arc, time::Duration};

use ::redis::{Pipeline, RedisError, aio::MultiplexedConnection};

use super::Tail;
use crate::{entry::Entry, poll::Poll};
use sse_broadcaster::internal::whole_ms;

/// How long the tail waits for an entry: the log itself is polled as often.
pub(super) const BLOCK: Duration = Duration::from_secs(1);
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

    /// The same, once something has been added or [`BLOCK`] is over.
    pub(super) async fn wait(
        &mut self,
        connection: &mut MultiplexedConnection,
    ) -> Result<Poll, RedisError> {
        let mut calls = ::redis::pipe();
        let block = whole_ms(BLOCK);
        // From an explicit id: `$` would pass over what is added between two calls. What it returns is
        // thrown away, since it tells neither of trimming nor of another log; the poll does.
        calls
            .cmd("XREAD")
            .arg("COUNT")
            .arg(1)
            .arg("BLOCK")
            .arg(block);
        calls
            .arg("STREAMS")
            .arg(&self.shared.keys.log)
            .arg(self.id().to_string())
            .ignore();
        // Nothing was taken yet that would be lost with the wait.
        let (shared, number) = (Arc::clone(&self.shared), self.number);
        let asked = tokio::select! {
            asked = self.ask(calls, connection) => asked?,
            () = shared.has_left(number) => return Err(moved()),
        };
        match asked {
            Some(poll) => Ok(poll),
            None => self.poll(connection).await,
        }
    }

    async fn ask(
        &mut self,
        mut calls: Pipeline,
        connection: &mut MultiplexedConnection,
    ) -> Result<Option<Poll>, RedisError> {
        self.acknowledged = self
            .position
            .and_then(|position| self.shared.reservations.newest_acknowledged(position.epoch));
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

fn moved() -> RedisError {
    std::io::Error::other("it leads to another server now").into()
}
