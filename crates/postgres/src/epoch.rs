//! Another epoch of the log, which begins where something of it was lost.

use super::{
    connection::{Connection, Server},
    error::PgError,
    rows::signed,
    shared::Shared,
};
use sse_broadcaster::{event::EventId, internal::first_sequence};

impl Shared {
    /// Begins another epoch in place of `ended`, or finds that another node has. `is_lossy`: something
    /// of what there was is lost.
    pub(super) async fn begin_epoch(
        &self,
        connection: &Connection,
        ended: Option<u64>,
        is_lossy: bool,
    ) -> Result<u64, PgError> {
        let epoch = fastrand::u64(1..i64::MAX.unsigned_abs());
        let head = self.window.bounds().head;
        let last = self.reservations.last_followed();
        let acknowledged = last.and_then(|last| self.reservations.newest_acknowledged(last.epoch));
        let newest = acknowledged.map_or(head, |acknowledged| acknowledged.max(head));
        let seen = last.map_or(String::new(), |last| format!("{}={newest}", last.server));
        let statement = &connection.statements.begin_epoch;
        let row = connection
            .client
            .query_one(
                statement,
                &[
                    &ended.map(signed),
                    &signed(epoch),
                    &signed(newest.ms()),
                    &is_lossy,
                    &connection.server.to_string(),
                    &signed(first_sequence()),
                    &seen,
                ],
            )
            .await?;
        let current = row.get::<_, i64>(0).unsigned_abs();
        if current == epoch && is_lossy {
            log::warn!(
                "history at {} is not what it was: a new epoch begins, and open streams receive a gap",
                self.address
            );
        }
        Ok(current)
    }

    /// Has the server of this connection go on with the log in this epoch, which names another one; false where the log
    /// has changed meanwhile.
    pub(super) async fn adopt_log(
        &self,
        connection: &Connection,
        epoch: u64,
        named: &str,
    ) -> Result<bool, PgError> {
        let row = connection
            .client
            .query_one(
                &connection.statements.adopt,
                &[
                    &signed(epoch),
                    &named,
                    &connection.server.to_string(),
                    &signed(first_sequence()),
                ],
            )
            .await?;
        Ok(row.get(0))
    }
}

/// Per server the newest id that somebody saw there, as `head.seen` has it.
pub(super) fn seen_of(text: &str) -> Vec<(Server, EventId)> {
    let entry = |entry: &str| {
        let (server, id) = entry.split_once('=')?;
        Some((Server::parse(server)?, id.parse().ok()?))
    };
    text.split(' ').filter_map(entry).collect()
}
