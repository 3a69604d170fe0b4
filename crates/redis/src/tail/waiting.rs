//! How the tail waits for what is added to the log, by this node or by others.

use std::{sync::Arc, time::Duration};

use ::redis::{Cmd, RedisError, Value, aio::MultiplexedConnection};
use tokio::time::timeout;

use super::Tail;
use crate::{entry, own::Own, poll::Poll};
use sse_broadcaster::{event::EventId, internal::whole_ms};

/// How long the tail waits for an entry: the log itself is polled as often.
pub(super) const BLOCK: Duration = Duration::from_secs(1);
/// How long the reply to an append of this node is waited for before the log is polled for what others have added. The
/// reply says so at once where they have.
const OWN_WITHIN: Duration = Duration::from_millis(10);
/// For so long after an append of this node the next one is expected, whose reply says as much as a look into the log.
const NEXT_WITHIN: Duration = Duration::from_millis(1);
/// And for so long it is probably this node whose entry the tail waits for.
const APPENDS_AGAIN: Duration = Duration::from_millis(10);

impl Tail {
    /// Polls the log once others have added something, or [`BLOCK`] is over; brings what this node appends meanwhile into
    /// the window.
    pub(super) async fn wait(
        &mut self,
        connection: &mut MultiplexedConnection,
    ) -> Result<Poll, RedisError> {
        // Nothing was taken yet that would be lost with the wait.
        let (shared, number) = (Arc::clone(&self.shared), self.number);
        tokio::select! {
            poll = self.next_poll(connection) => poll,
            () = shared.has_left(number) => {
                Err(std::io::Error::other("it leads to another server now").into())
            }
        }
    }

    async fn next_poll(
        &mut self,
        connection: &mut MultiplexedConnection,
    ) -> Result<Poll, RedisError> {
        while self.take_next_own().await {
            if !self.has_taken_own_within(APPENDS_AGAIN) {
                return self.wait_and_poll(connection).await;
            }
            if !self.wait_for_own(connection).await? {
                break;
            }
        }
        self.poll(connection).await
    }

    /// Takes what this node has appended, as long as it is appending. False where something else comes before.
    async fn take_next_own(&mut self) -> bool {
        while self.polled.elapsed() < BLOCK {
            let Some(own) = self.next_own().await else {
                return true;
            };
            if !self.take_own(own) {
                return false;
            }
        }
        false
    }

    /// What this node has appended, if it comes in time.
    async fn next_own(&mut self) -> Option<Own> {
        if let Ok(own) = self.own.try_recv() {
            return Some(own);
        }
        let within = self.own_within()?;
        timeout(within, self.own.recv()).await.ok()?
    }

    fn has_taken_own_within(&self, time: Duration) -> bool {
        self.took_own.is_some_and(|at| at.elapsed() < time)
    }

    /// How long what this node appends is waited for before all that is added is.
    fn own_within(&self) -> Option<Duration> {
        if self.shared.to_tail.has_calls() {
            return Some(OWN_WITHIN);
        }
        self.has_taken_own_within(NEXT_WITHIN)
            .then_some(NEXT_WITHIN)
    }

    /// Waits for an entry, which is probably this node's own. False where it is not, and is in the log.
    async fn wait_for_own(
        &mut self,
        connection: &mut MultiplexedConnection,
    ) -> Result<bool, RedisError> {
        let call = self.until_added();
        let added = call.query_async::<Value>(connection);
        tokio::pin!(added);
        let id = loop {
            tokio::select! {
                added = &mut added => break first_id(added?)?,
                Some(own) = self.own.recv() => if !self.take_own(own) {
                    return Ok(false);
                },
            }
        };
        let Some(id) = id else { return Ok(false) };
        // Its own reply may be about to come.
        Ok(self.take_next_own().await && self.id() >= id)
    }

    /// The same in one step with the poll.
    async fn wait_and_poll(
        &mut self,
        connection: &mut MultiplexedConnection,
    ) -> Result<Poll, RedisError> {
        let mut calls = ::redis::pipe();
        // What it returns is thrown away, since it tells neither of trimming nor of another log; the poll does.
        calls.add_command(self.until_added()).ignore();
        match self.ask(calls, connection).await? {
            Some(poll) => Ok(poll),
            None => self.poll(connection).await,
        }
    }

    /// A call that waits for an entry.
    fn until_added(&self) -> Cmd {
        let left = BLOCK.saturating_sub(self.polled.elapsed());
        let mut call = ::redis::cmd("XREAD");
        // From an explicit id: `$` would pass over what is added between two calls.
        call.arg("COUNT")
            .arg(1)
            .arg("BLOCK")
            // 0 would be for ever.
            .arg(whole_ms(left).max(1))
            .arg("STREAMS")
            .arg(&self.shared.keys.log)
            .arg(self.id().to_string());
        call
    }
}

/// The id of the first entry that `XREAD` has found, if any.
fn first_id(reply: Value) -> Result<Option<EventId>, RedisError> {
    let Some(streams) = entry::optional(reply) else {
        return Ok(None);
    };
    let stream = entry::list(streams)?.into_iter().next();
    let [_, entries] = entry::parts(stream.ok_or(entry::Unexpected)?)?;
    let first = entry::entries(entries)?.into_iter().next();
    Ok(first.map(|entry| entry.id))
}
