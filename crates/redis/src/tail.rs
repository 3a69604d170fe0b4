//! The tail: brings what any node appends into this node's window, on a connection of its own.

mod incoming;
mod polling;
mod waiting;

use std::{sync::Arc, time::Instant};

use ::redis::{RedisError, aio::MultiplexedConnection};
use tokio::{sync::mpsc, time::sleep};

use super::{
    connection::Server,
    fill,
    own::Own,
    poll::{Poll, TailPosition, Verdict},
    refusal::{is_lost, is_refusal},
    script, settings,
    shared::Shared,
};
use polling::FIRST_ENTRIES;
use sse_broadcaster::event::EventId;
use sse_broadcaster::internal::{Backoff, Followed, first_sequence};
use sse_broadcaster_remote::LogBounds;
use waiting::BLOCK;

/// See the module.
pub(super) struct Tail {
    shared: Arc<Shared>,
    /// `None`: nothing was seen of any log.
    position: Option<TailPosition>,
    /// What it is connected to, and by which connection.
    server: Server,
    number: u64,
    /// How many events had been added to the log up to the tail's position.
    added: u64,
    /// Entries of the next poll at most.
    step: usize,
    /// The newest that had been acknowledged before the last poll.
    acknowledged: Option<EventId>,
    /// When the log was polled last.
    polled: Instant,
    /// What this node has appended.
    own: mpsc::Receiver<Own>,
    /// When something of that came last.
    took_own: Option<Instant>,
    has_warned: bool,
}

impl Tail {
    pub(super) fn new(shared: Arc<Shared>, own: mpsc::Receiver<Own>) -> Self {
        Self {
            shared,
            position: None,
            server: Server::default(),
            number: 0,
            added: 0,
            step: FIRST_ENTRIES,
            acknowledged: None,
            polled: Instant::now(),
            own,
            took_own: None,
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
    ) -> Result<std::convert::Infallible, RedisError> {
        let address = &self.shared.address;
        let connected = address.connect_with(BLOCK + address.timeout).await?;
        let mut connection = connected.multiplexed;
        (self.server, self.number) = (connected.server, connected.number);
        self.step = FIRST_ENTRIES;
        let mut poll = self.poll(&mut connection).await?;
        settings::warn(&self.shared, &mut connection).await;
        loop {
            let is_settled = self.follow_look(poll, &mut connection).await?;
            backoff.reset();
            self.shared.is_reached();
            poll = if is_settled {
                self.wait(&mut connection).await?
            } else {
                self.poll(&mut connection).await?
            };
        }
    }

    fn id(&self) -> EventId {
        self.position
            .map_or(EventId::new(0, 0), |position| position.id)
    }

    async fn begin(
        &self,
        connection: &mut MultiplexedConnection,
        ended: Option<u64>,
        is_lossy: bool,
    ) -> Result<(), RedisError> {
        let (shared, server) = (&self.shared, self.server);
        shared
            .begin_epoch(connection, server, ended, is_lossy)
            .await?;
        Ok(())
    }

    /// Has the server go on with its log, where it was promoted or restarted since the log was last
    /// written to; true where there is to be another poll.
    async fn adopt(
        &self,
        poll: &Poll,
        connection: &mut MultiplexedConnection,
    ) -> Result<bool, RedisError> {
        let server = self.server.to_string();
        if poll.server.as_ref() == Some(&server) {
            return Ok(false);
        }
        let mut call = script::ADOPT.call(&self.shared.keys.all());
        call.arg(poll.epoch)
            .arg(poll.server.as_deref().unwrap_or_default())
            .arg(server)
            .arg(first_sequence());
        match script::run(&call, connection).await {
            Ok(_) => Ok(true),
            // What it holds can be read all the same.
            Err(error) if is_refusal(&error) && !is_lost(&error) => {
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
        connection: &mut MultiplexedConnection,
    ) -> Result<bool, RedisError> {
        let Some(position) = self.position else {
            if self.adopt(&poll, connection).await? {
                return Ok(false);
            }
            if poll.has_lost_keys {
                self.begin(connection, Some(poll.epoch), true).await?;
                return Ok(false);
            }
            self.position = Some(fill::fill(&self.shared, &poll, self.server, connection).await?);
            self.report_position(poll.epoch, &poll);
            return Ok(true);
        };
        match poll.verdict(&position, self.server) {
            Verdict::Same => {}
            Verdict::Replaced => {
                let acknowledged = self.shared.reservations.newest_acknowledged(position.epoch);
                let has_moved = position.server != self.server;
                if has_moved && poll.has_lost_of(&position, acknowledged) {
                    self.begin(connection, Some(poll.epoch), true).await?;
                } else if !self.adopt(&poll, connection).await? {
                    self.restart(&poll);
                }
                return Ok(false);
            }
            Verdict::Overtaken(floor) => {
                log::warn!(
                    "history at {} was trimmed past this node: it continues after {floor}, and streams \
                     that stood before it receive a gap",
                    self.shared.address
                );
                self.skip_to(floor);
            }
            Verdict::Lost => {
                self.begin(connection, Some(position.epoch), true).await?;
                return Ok(false);
            }
        }
        if self.misses(&position, &poll) {
            self.begin(connection, Some(position.epoch), true).await?;
            return Ok(false);
        }
        if self.adopt(&poll, connection).await? {
            return Ok(false);
        }
        let entries = std::mem::take(&mut poll.entries);
        self.added += entries.len() as u64;
        self.take(entries).await;
        self.report_position(position.epoch, &poll);
        Ok(true)
    }

    /// Whether something that was acknowledged is not there where it should be.
    fn misses(&self, position: &TailPosition, poll: &Poll) -> bool {
        let ids: Vec<_> = poll.entries.iter().map(|entry| entry.id).collect();
        let last = ids.last().copied().unwrap_or(position.id);
        let read_to = if poll.is_all {
            last.max(self.acknowledged.unwrap_or(last))
        } else {
            last
        };
        // Another server may have dropped it, or never had it.
        let has_moved = position.server != self.server;
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
    fn restart(&mut self, poll: &Poll) {
        let (epoch, id) = (poll.epoch, poll.birth);
        log::warn!(
            "history at {} continues as another log, after {id}: open streams receive a gap",
            self.shared.address
        );
        self.shared.window.restart(epoch, id);
        self.position = Some(TailPosition {
            epoch,
            id,
            server: self.server,
            fingerprint: None,
        });
        self.report_position(epoch, poll);
    }

    fn skip_to(&mut self, id: EventId) {
        self.shared.window.skip_to(id);
        if let Some(position) = &mut self.position {
            (position.id, position.fingerprint) = (id, None);
        }
    }

    fn report_position(&mut self, epoch: u64, poll: &Poll) {
        let position = self.position.map_or(EventId::new(0, 0), |at| at.id);
        if poll.entries.is_empty() && position >= self.shared.window.bounds().head {
            self.added = self.added.max(poll.added);
        }
        // Appends may know of another epoch already, but not of one before.
        if self.position.is_some() && self.shared.epoch() == 0 {
            self.shared.set_epoch(epoch);
        }
        self.report(poll.bounds, poll.added);
    }

    /// Tells the others how far the tail has come, and what is known of the log.
    fn report(&mut self, bounds: LogBounds, added: u64) {
        let shared = &self.shared;
        shared.saw(bounds);
        let Some(position) = &mut self.position else {
            return;
        };
        position.server = self.server;
        let position = *position;
        shared.stats.tail_lag.set(added.saturating_sub(self.added));
        let followed = Followed {
            epoch: position.epoch,
            server: self.server,
            connection: self.number,
        };
        shared.reservations.reached(followed, position.id);
        shared.polled.notify_waiters();
    }
}
