//! The tail: brings what any node appends into this node's window, on a connection of its own.

mod incoming;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    connection::Connection,
    error::{PgError, within},
    fill,
    poll::{Poll, TailPosition, Verdict},
    settings,
    shared::{LOG, OUTBOX, Shared},
};
use sse_broadcaster::{
    event::EventId,
    internal::{Backoff, Followed},
};

/// How often the log is polled where nothing tells of an event.
const POLL_EVERY: Duration = Duration::from_millis(500);
/// Most events of one poll, and about as many bytes.
const MAX_ENTRIES: usize = 256;
const POLL_BYTES: usize = 256 << 10;

/// See the module.
pub(super) struct Tail {
    shared: Arc<Shared>,
    /// `None`: nothing was seen of any log.
    position: Option<TailPosition>,
    /// The newest that had been acknowledged before the last poll.
    acknowledged: Option<EventId>,
    has_warned: bool,
}

impl Tail {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            position: None,
            acknowledged: None,
            has_warned: false,
        }
    }

    /// Never ends.
    pub(super) async fn follow(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let Err(error) = self.try_follow(&mut backoff).await;
            self.shared.reservations.disconnected();
            self.shared.is_unreachable(&error);
            self.shared.polled.notify_waiters();
            sleep(backoff.next_wait()).await;
        }
    }

    async fn try_follow(
        &mut self,
        backoff: &mut Backoff,
    ) -> Result<std::convert::Infallible, PgError> {
        let listener = Some(Arc::downgrade(&self.shared));
        let address = &self.shared.address;
        let connection = address.connect_with(listener).await?;
        let schema = &address.schema;
        let (log, outbox) = (schema.channel(LOG), schema.channel(OUTBOX));
        let listen = format!("LISTEN {log}; LISTEN {outbox}");
        connection.client.batch_execute(&listen).await?;
        let mut poll = self.poll(&connection).await?;
        settings::warn(&self.shared, &connection).await;
        loop {
            let is_settled = self.follow_look(poll, &connection).await?;
            backoff.reset();
            self.shared.is_reached();
            if is_settled {
                self.wait(&connection).await?;
            }
            poll = self.poll(&connection).await?;
        }
    }

    fn id(&self) -> EventId {
        self.position
            .map_or(EventId::new(0, 0), |position| position.id)
    }

    /// Polls the log; begins one where there is none.
    async fn poll(&mut self, connection: &Connection) -> Result<Poll, PgError> {
        loop {
            self.acknowledged = self
                .position
                .and_then(|position| self.shared.reservations.newest_acknowledged(position.epoch));
            let asked = Poll::ask(connection, self.id(), MAX_ENTRIES, POLL_BYTES);
            if let Some(poll) = within(self.shared.address.timeout, asked).await? {
                return Ok(poll);
            }
            self.begin(connection, None).await?;
        }
    }

    /// Until a notification says that something was added, or [`POLL_EVERY`] is over.
    async fn wait(&self, connection: &Connection) -> Result<(), PgError> {
        let number = self.position.map_or(0, |position| position.number);
        let until = Instant::now() + POLL_EVERY;
        tokio::select! {
            () = self.shared.appended_past(number) => Ok(()),
            () = tokio::time::sleep_until(until.into()) => Ok(()),
            () = self.shared.has_left(connection.number) => {
                Err(PgError::own("it leads to another server now"))
            }
        }
    }

    async fn begin(&self, connection: &Connection, ended: Option<u64>) -> Result<(), PgError> {
        let is_lossy = self.position.is_some();
        self.shared.begin_epoch(connection, ended, is_lossy).await?;
        Ok(())
    }

    /// Has the server go on with its log, where it was promoted or restarted since the log was last
    /// written to; true where there is to be another poll.
    async fn adopt(&self, poll: &Poll, connection: &Connection) -> Result<bool, PgError> {
        if poll.server == connection.server.to_string() {
            return Ok(false);
        }
        let adopted = self
            .shared
            .adopt_log(connection, poll.epoch, &poll.server)
            .await;
        match adopted {
            Ok(_) => Ok(true),
            // What it holds can be read all the same.
            Err(error) if error.is_refusal() && !error.is_lost() => {
                self.shared.failed(Some(self.shared.unavailable_by(error)));
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Does what a poll calls for; false where there is to be another at once.
    async fn follow_look(
        &mut self,
        mut poll: Poll,
        connection: &Connection,
    ) -> Result<bool, PgError> {
        let Some(position) = self.position else {
            if self.adopt(&poll, connection).await? {
                return Ok(false);
            }
            self.shared.holds_now(poll.number);
            self.position = Some(fill::fill(&self.shared, &poll, connection).await?);
            self.report_position(&poll, connection);
            return Ok(true);
        };
        match poll.verdict(&position, connection.server) {
            Verdict::Same => {}
            Verdict::Replaced => {
                let acknowledged = self.shared.reservations.newest_acknowledged(position.epoch);
                let has_moved = position.server != connection.server;
                if has_moved && poll.has_lost_of(&position, acknowledged) {
                    self.begin(connection, Some(poll.epoch)).await?;
                } else if !self.adopt(&poll, connection).await? {
                    self.restart(&poll, connection);
                }
                return Ok(false);
            }
            Verdict::Overtaken(floor) => {
                log::warn!(
                    "history at {} was trimmed past this node: it continues after {floor}, and streams \
                     that stood before it receive a gap",
                    self.shared.address
                );
                self.skip_to(floor, poll.number_before);
            }
            Verdict::Lost => {
                self.begin(connection, Some(position.epoch)).await?;
                return Ok(false);
            }
        }
        if self.misses(&position, &poll, connection) {
            self.begin(connection, Some(position.epoch)).await?;
            return Ok(false);
        }
        if self.adopt(&poll, connection).await? {
            return Ok(false);
        }
        let is_all = poll.last_number.is_none_or(|last| last >= poll.number);
        self.take(std::mem::take(&mut poll.entries)).await;
        if let (Some(position), Some(last)) = (&mut self.position, poll.last_number) {
            position.number = last;
        }
        self.report_position(&poll, connection);
        Ok(is_all)
    }

    /// Whether something that was acknowledged is not there where it should be.
    fn misses(&self, position: &TailPosition, poll: &Poll, connection: &Connection) -> bool {
        let ids: Vec<_> = poll.entries.iter().map(|(entry, _)| entry.id).collect();
        let last = ids.last().copied().unwrap_or(position.id);
        let is_all = poll.last_number.is_none_or(|last| last >= poll.number);
        let read_to = if is_all {
            last.max(self.acknowledged.unwrap_or(last))
        } else {
            last
        };
        // Another server may have dropped it, or never had it.
        let has_moved = position.server != connection.server;
        let floor = if has_moved {
            EventId::new(0, 0)
        } else {
            poll.bounds.floor
        };
        self.shared
            .reservations
            .misses(position.epoch, floor, &ids, read_to)
    }

    /// The log is another one, or goes on as one: everything up to its birth is a gap.
    fn restart(&mut self, poll: &Poll, connection: &Connection) {
        let (epoch, id) = (poll.epoch, poll.birth);
        log::warn!(
            "history at {} continues as another log, after {id}: open streams receive a gap",
            self.shared.address
        );
        self.shared.window.restart(epoch, id);
        self.shared.holds_now(poll.number);
        self.position = Some(TailPosition {
            epoch,
            id,
            number: poll.number_before,
            server: connection.server,
            tag: None,
        });
        self.report_position(poll, connection);
    }

    fn skip_to(&mut self, id: EventId, number: i64) {
        self.shared.window.skip_to(id);
        if let Some(position) = &mut self.position {
            (position.id, position.tag, position.number) = (id, None, number);
        }
    }

    fn report_position(&mut self, poll: &Poll, connection: &Connection) {
        let shared = &self.shared;
        shared.saw(poll.bounds);
        let Some(position) = &mut self.position else {
            return;
        };
        position.server = connection.server;
        let position = *position;
        let lag = poll.number - position.number;
        shared.stats.tail_lag.set(lag.try_into().unwrap_or(0));
        // Appends may know of another epoch already, but not of one before.
        if shared.epoch() == 0 {
            shared.set_epoch(position.epoch);
        }
        let followed = Followed {
            epoch: position.epoch,
            server: connection.server,
            connection: connection.number,
        };
        shared.reservations.reached(followed, position.id);
        shared.polled.notify_waiters();
    }
}
