//! When what a call has stored is acknowledged: once the tail follows where that was.

use tokio::time::{Instant, timeout_at};

use super::{connection::Server, shared::Shared};
use sse_broadcaster::{
    event::EventId,
    history::{AppendError, ReservationGuard},
    internal::Followed,
};

/// Where a call was carried out.
#[derive(Clone, Copy)]
pub(super) struct Landed {
    epoch: u64,
    server: Server,
    /// By then the tail has come to this epoch and server.
    deadline: Instant,
}

impl Landed {
    pub(super) fn now(shared: &Shared, epoch: u64, server: Server) -> Self {
        Self {
            epoch,
            server,
            deadline: Instant::now() + shared.address.timeout,
        }
    }
}

/// Acknowledges what was stored, up to `last`, if the tail follows where; where it does not yet, waits for it until
/// the deadline.
pub(super) async fn acknowledge(
    shared: &Shared,
    at: Landed,
    last: Option<EventId>,
    mut reserved: ReservationGuard,
) -> Result<(), AppendError> {
    loop {
        let polled = shared.polled.notified();
        tokio::pin!(polled);
        polled.as_mut().enable();
        match shared
            .reservations
            .acknowledge(at.epoch, at.server, last, reserved)
        {
            Ok(()) => return Ok(()),
            Err(again) => reserved = again,
        }
        let is_elsewhere = |followed: Followed<Server>| followed.server != at.server;
        if shared.reservations.followed().is_some_and(is_elsewhere)
            || timeout_at(at.deadline, polled).await.is_err()
        {
            let why = "another server has taken over meanwhile";
            return Err(outcome_unknown(shared, why));
        }
    }
}

pub(super) fn outcome_unknown(shared: &Shared, why: &str) -> AppendError {
    AppendError::OutcomeUnknown(shared.unavailable_for(why))
}
