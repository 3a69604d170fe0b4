//! The tail: what is appended, by whatever node, comes into this node's window, on a connection of its
//! own.

use std::{sync::Arc, time::Duration};

use ::redis::{Pipeline, RedisError, aio::MultiplexedConnection};
use tokio::time::sleep;

use super::{
    connection::{Backoff, Server},
    entry::Entry,
    fill,
    holds::Standing,
    look::{Look, TailPosition, Verdict},
    refusal::{is_lost, is_refusal},
    script, settings,
    shared::Shared,
};
use sse_broadcaster::event::EventId;
use sse_broadcaster::internal::first_sequence;

/// How long the tail waits for an entry: the log itself is looked at as often.
const BLOCK: Duration = Duration::from_secs(1);
/// How long its reply may take; longer than it waits.
const REPLY_WITHIN: Duration = Duration::from_secs(2);
/// Most entries of one look; fewer while they are large, so that a look is about [`LOOK_BYTES`].
const MAX_ENTRIES: usize = 256;
const FIRST_ENTRIES: usize = 16;
const LOOK_BYTES: usize = 256 << 10;

/// See the module.
pub(super) struct Tail {
    pub(super) shared: Arc<Shared>,
    /// `None`: nothing was seen of any log.
    pub(super) place: Option<TailPosition>,
    /// What it is connected to, and by which connection.
    server: Server,
    number: u64,
    /// How many events had been added to the log where the tail stands.
    added: u64,
    /// Entries of the next look at most.
    step: usize,
    /// Entries of the last look at most.
    asked: usize,
    /// The newest that had been acknowledged before the last look.
    promised: Option<EventId>,
    pub(super) has_warned: bool,
}

impl Tail {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            place: None,
            server: Server::default(),
            number: 0,
            added: 0,
            step: FIRST_ENTRIES,
            asked: 0,
            promised: None,
            has_warned: false,
        }
    }

    /// Never ends.
    pub(super) async fn follow(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let Err(error) = self.try_follow(&mut backoff).await;
            self.shared.holds.disconnected();
            self.shared.is_unreachable(error);
            self.shared.looked.notify_waiters();
            sleep(backoff.next()).await;
        }
    }

    async fn try_follow(
        &mut self,
        backoff: &mut Backoff,
    ) -> Result<std::convert::Infallible, RedisError> {
        let connected = self.shared.address.connect(REPLY_WITHIN).await?;
        let mut connection = connected.connection;
        (self.server, self.number) = (connected.server, connected.number);
        self.step = FIRST_ENTRIES;
        let mut look = self.look(&mut connection).await?;
        settings::warn(&self.shared, &mut connection).await;
        loop {
            let is_settled = self.follow_look(look, &mut connection).await?;
            backoff.reset();
            self.shared.is_reached();
            look = if is_settled {
                self.wait(&mut connection).await?
            } else {
                self.look(&mut connection).await?
            };
        }
    }

    fn id(&self) -> EventId {
        self.place.map_or(EventId::new(0, 0), |place| place.id)
    }

    /// Looks at the log; begins one where there is none.
    async fn look(&mut self, connection: &mut MultiplexedConnection) -> Result<Look, RedisError> {
        loop {
            if let Some(look) = self.ask(::redis::pipe(), connection).await? {
                return Ok(look);
            }
            self.begin(connection, None).await?;
        }
    }

    /// The same, once something has been added or [`BLOCK`] is over.
    async fn wait(&mut self, connection: &mut MultiplexedConnection) -> Result<Look, RedisError> {
        let mut calls = ::redis::pipe();
        let block = u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX);
        // From an explicit id: `$` would pass over what is added between two calls. What it answers is
        // thrown away, since it tells neither of trimming nor of another log; the look does.
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
            Some(look) => Ok(look),
            None => self.look(connection).await,
        }
    }

    async fn ask(
        &mut self,
        mut calls: Pipeline,
        connection: &mut MultiplexedConnection,
    ) -> Result<Option<Look>, RedisError> {
        self.asked = self.step;
        self.promised = self
            .place
            .and_then(|place| self.shared.holds.promised(place.epoch));
        Look::add(&mut calls, &self.shared, self.id(), self.asked);
        let look = Look::decode(calls.query_async(connection).await?)?;
        if let Some(look) = &look {
            let bytes: usize = look.entries.iter().map(Entry::bytes).sum();
            if bytes > LOOK_BYTES {
                self.step = (self.step / 2).max(1);
            } else if look.entries.len() == self.step && bytes <= LOOK_BYTES / 4 {
                self.step = (2 * self.step).min(MAX_ENTRIES);
            }
        }
        Ok(look)
    }

    async fn begin(
        &self,
        connection: &mut MultiplexedConnection,
        ended: Option<u64>,
    ) -> Result<(), RedisError> {
        let is_lossy = self.place.is_some();
        let (shared, server) = (&self.shared, self.server);
        shared
            .begin_epoch(connection, server, ended, is_lossy)
            .await?;
        Ok(())
    }

    /// Has the server go on with its log, where it was promoted or restarted since the log was last
    /// written to; true where there is to be another look.
    async fn adopt(
        &self,
        look: &Look,
        connection: &mut MultiplexedConnection,
    ) -> Result<bool, RedisError> {
        let server = self.server.to_string();
        if look.server.as_ref() == Some(&server) {
            return Ok(false);
        }
        let mut call = script::ADOPT.call(&self.shared.keys.all());
        call.arg(look.epoch)
            .arg(look.server.as_deref().unwrap_or_default())
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

    /// Does what a look calls for; false where there is to be another at once.
    async fn follow_look(
        &mut self,
        mut look: Look,
        connection: &mut MultiplexedConnection,
    ) -> Result<bool, RedisError> {
        let Some(place) = self.place else {
            if self.adopt(&look, connection).await? {
                return Ok(false);
            }
            self.place = Some(fill::fill(&self.shared, &look, self.server, connection).await?);
            self.has_come_to(look.epoch, &look);
            return Ok(true);
        };
        match look.verdict(&place, self.server) {
            Verdict::Same => {}
            Verdict::Replaced => {
                let promised = self.shared.holds.promised(place.epoch);
                let has_moved = place.server != self.server;
                if has_moved && look.has_lost_of(&place, promised) {
                    self.begin(connection, Some(look.epoch)).await?;
                } else if !self.adopt(&look, connection).await? {
                    self.restart(&look);
                }
                return Ok(false);
            }
            Verdict::Overtaken(floor) => {
                log::warn!(
                    "history at {} was trimmed past this node: it goes on behind {floor}, and streams \
                     that stood before receive a gap",
                    self.shared.address
                );
                self.skip_to(floor);
            }
            Verdict::Lost => {
                self.begin(connection, Some(place.epoch)).await?;
                return Ok(false);
            }
        }
        if self.misses(&place, &look) {
            self.begin(connection, Some(place.epoch)).await?;
            return Ok(false);
        }
        if self.adopt(&look, connection).await? {
            return Ok(false);
        }
        let entries = std::mem::take(&mut look.entries);
        self.added += entries.len() as u64;
        self.take(entries).await;
        self.has_come_to(place.epoch, &look);
        Ok(true)
    }

    /// Whether something that was acknowledged is not there where it should be.
    fn misses(&self, place: &TailPosition, look: &Look) -> bool {
        let ids: Vec<_> = look.entries.iter().map(|entry| entry.id).collect();
        let last = ids.last().copied().unwrap_or(place.id);
        let is_all = ids.len() < self.asked;
        let read_to = if is_all {
            last.max(self.promised.unwrap_or(last))
        } else {
            last
        };
        // Another server may have dropped it, or never had it.
        let has_moved = place.server != self.server;
        let floor = if has_moved {
            EventId::new(0, 0)
        } else {
            look.bounds.floor
        };
        self.shared.holds.misses(place.epoch, floor, &ids, read_to)
    }

    /// The log is another one, or goes on as one: everything up to its birth is behind a gap.
    fn restart(&mut self, look: &Look) {
        let (epoch, id) = (look.epoch, look.birth);
        log::warn!(
            "history at {} goes on as another log, behind {id}: open streams receive a gap",
            self.shared.address
        );
        self.shared.window.restart(epoch, id);
        self.place = Some(TailPosition {
            epoch,
            id,
            server: self.server,
            fingerprint: None,
        });
        self.has_come_to(epoch, look);
    }

    fn skip_to(&mut self, id: EventId) {
        self.shared.window.skip_to(id);
        if let Some(place) = &mut self.place {
            (place.id, place.fingerprint) = (id, None);
        }
    }

    fn has_come_to(&mut self, epoch: u64, look: &Look) {
        let shared = &self.shared;
        shared.saw(look.bounds);
        let Some(place) = &mut self.place else { return };
        place.server = self.server;
        let place = *place;
        if look.entries.is_empty() && place.id >= self.shared.window.bounds().head {
            self.added = self.added.max(look.added);
        }
        shared
            .stats
            .tail_lag
            .set(look.added.saturating_sub(self.added));
        // Appends may know of another epoch already, but not of one before.
        if shared.epoch() == 0 {
            shared.set_epoch(epoch);
        }
        let standing = Standing {
            epoch: place.epoch,
            server: self.server,
            connection: self.number,
        };
        shared.holds.reached(standing, place.id);
        shared.looked.notify_waiters();
    }
}

fn moved() -> RedisError {
    std::io::Error::other("it leads to another server now").into()
}
