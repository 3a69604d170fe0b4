//! When what a call has stored is acknowledged: once the tail follows where that was.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Database, RemoteLog, ServerOf};
use sse_broadcaster::{
    event::EventId,
    history::{AppendError, ReservationGuard},
    internal::Followed,
};

/// Where a call was carried out.
#[derive(Debug, Clone, Copy)]
pub struct Landed<S> {
    epoch: u64,
    server: S,
    /// By then the tail has come to this epoch and server.
    deadline: Instant,
}

impl<S> Landed<S> {
    /// A call that has just been carried out, and is waited for so long.
    pub fn now(epoch: u64, server: S, within: Duration) -> Self {
        Self {
            epoch,
            server,
            deadline: Instant::now() + within,
        }
    }
}

impl<D: Database> RemoteLog<D> {
    /// Acknowledges what was stored, up to `last`, if the tail follows where; where it does not yet, waits for it until
    /// the deadline.
    ///
    /// # Errors
    /// [`AppendError::OutcomeUnknown`] if the tail follows another server, or does not come in time.
    pub async fn acknowledge(
        &self,
        at: Landed<ServerOf<D>>,
        last: Option<EventId>,
        mut reserved: ReservationGuard,
    ) -> Result<(), AppendError> {
        let reservations = &self.reservations;
        // As a rule the tail follows there, and there is nothing to wait for.
        match reservations.acknowledge(at.epoch, at.server, last, reserved) {
            Ok(()) => return Ok(()),
            Err(again) => reserved = again,
        }
        loop {
            let polled = self.polled.notified();
            tokio::pin!(polled);
            polled.as_mut().enable();
            match reservations.acknowledge(at.epoch, at.server, last, reserved) {
                Ok(()) => return Ok(()),
                Err(again) => reserved = again,
            }
            let is_elsewhere = |followed: Followed<ServerOf<D>>| followed.server != at.server;
            if self.reservations.followed().is_some_and(is_elsewhere)
                || timeout_at(at.deadline, polled).await.is_err()
            {
                return Err(self.outcome_unknown("another server has taken over meanwhile"));
            }
        }
    }

    /// An append may have been carried out or not.
    #[must_use]
    pub fn outcome_unknown(&self, why: &str) -> AppendError {
        AppendError::OutcomeUnknown(self.unavailable_for(why))
    }
}
