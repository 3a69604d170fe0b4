//! What is done beside appends: the outbox is moved into the log, and what retention does not keep any more is dropped.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use tokio_postgres::types::ToSql;

use super::{
    call::limits,
    connection::Connection,
    error::{PgError, within},
    outbox,
    rows::signed,
    shared::Shared,
};

/// Most topics that are forgotten in one transaction, while which nobody appends, and most transactions in a row.
const FORGOTTEN_AT_ONCE: i32 = 1_000;
const MAX_FORGETS: usize = 100;
/// Most idempotency keys of dropped events that are remembered.
const MAX_USED_KEYS: i64 = 1 << 20;
/// How many partitions there are.
const SLOTS: usize = 8;
/// How long partitions and what belongs to them may take to be emptied.
const TIDY_WITHIN: Duration = Duration::from_secs(10);

/// All of it.
pub(super) async fn run(shared: Arc<Shared>, permit: OwnedSemaphorePermit) {
    let Some(connection) = usable(&shared) else {
        return;
    };
    let is_failing = shared.is_failing();
    let trimmed = trim(&shared, &connection, is_failing).await;
    if is_failing && trimmed.is_ok() {
        shared.failed(None);
    }
    report(&shared, &connection, trimmed);
    outbox::move_all(Arc::clone(&shared), permit).await;
    let reads = shared.usable(&shared.reads);
    if let Some(reads) = reads {
        // A later time does as well.
        let _ = timeout(TIDY_WITHIN, tidy(&reads)).await;
    }
}

pub(super) fn usable(shared: &Shared) -> Option<Connection> {
    let connection = shared.usable(&shared.appends)?;
    (shared.follows() && shared.epoch() != 0).then_some(connection)
}

/// `is_check`: writes in any case.
async fn trim(shared: &Shared, connection: &Connection, is_check: bool) -> Result<(), PgError> {
    let (epoch, server) = (signed(shared.epoch()), connection.server.to_string());
    let (events, bytes, age) = limits(shared);
    let parameters: [&(dyn ToSql + Sync); 6] = [&epoch, &server, &events, &bytes, &age, &is_check];
    let asked = connection
        .client
        .query(&connection.statements.trim, &parameters);
    within(shared.address.timeout, asked).await?;
    Ok(())
}

/// Leaves a connection that is of no use any more, and says once that upkeep fails.
pub(super) fn report(shared: &Shared, connection: &Connection, done: Result<(), PgError>) {
    let Err(error) = done else {
        shared.is_upkeep_failing.store(false, Ordering::Relaxed);
        return;
    };
    if error.is_lost() {
        shared.appends.drop_broken(connection);
    }
    if !shared.is_upkeep_failing.swap(true, Ordering::Relaxed) {
        log::warn!(
            "history at {}: the outbox is not moved, or old events are not dropped: {error}; it is retried",
            shared.address
        );
    }
}

/// Empties the partitions that retention has passed, and forgets what only its events had.
async fn tidy(connection: &Connection) -> Result<(), PgError> {
    let (client, statements) = (&connection.client, &connection.statements);
    let mut emptied = 0;
    while emptied < SLOTS {
        let row = client.query_one(&statements.empty_slot, &[]).await?;
        if !row.try_get::<_, bool>(0)? {
            break;
        }
        emptied += 1;
    }
    if emptied == 0 {
        return Ok(());
    }
    for _ in 0..MAX_FORGETS {
        let forgotten = client
            .query_one(&statements.forget_topics, &[&FORGOTTEN_AT_ONCE])
            .await?;
        if forgotten.try_get::<_, i32>(0)? < FORGOTTEN_AT_ONCE {
            break;
        }
    }
    client
        .query(&statements.forget_keys, &[&MAX_USED_KEYS])
        .await?;
    Ok(())
}
