//! Another epoch of the log, which begins where something of it was lost.

use ::redis::{RedisError, aio::MultiplexedConnection};

use super::{connection::Server, entry, script, shared::Shared};
use sse_broadcaster::internal::first_sequence;

impl Shared {
    /// Begins another epoch in place of `ended`, or finds that another node has. `is_lossy`: something
    /// of what there was is lost.
    pub(super) async fn begin_epoch(
        &self,
        connection: &mut MultiplexedConnection,
        server: Server,
        ended: Option<u64>,
        is_lossy: bool,
    ) -> Result<u64, RedisError> {
        let epoch = fastrand::u64(1..u64::MAX);
        let head = self.window.bounds().head;
        let last = self.reservations.last_followed();
        let acknowledged = last.and_then(|last| self.reservations.newest_acknowledged(last.epoch));
        let newest = acknowledged.map_or(head, |acknowledged| acknowledged.max(head));
        let seen = last.map_or(String::new(), |last| format!("{}={newest}", last.server));
        let mut call = script::EPOCH.call(&self.keys.all());
        call.arg(ended.map_or(String::new(), |epoch| epoch.to_string()))
            .arg(epoch)
            .arg(newest.ms())
            .arg(u8::from(is_lossy))
            .arg(server.to_string())
            .arg(first_sequence())
            .arg(seen);
        let reply = script::run(&call, connection).await?;
        let [current] = entry::parts(reply)?;
        let current = entry::number(current)?;
        if current == epoch && is_lossy {
            log::warn!(
                "history at {} is not what it was: a new epoch begins, and open streams receive a gap",
                self.address
            );
        }
        Ok(current)
    }
}
