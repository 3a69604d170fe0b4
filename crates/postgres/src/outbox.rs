//! Moves what applications have published within their transactions into the log.

use std::sync::Arc;

use sse_broadcaster::{
    Event,
    event::Fields,
    history::{Batch, MAX_RETAINED_BYTES, MAX_RETAINED_VALUES},
};
use tokio::sync::OwnedSemaphorePermit;
use tokio_postgres::types::ToSql;

use super::{
    call::limits,
    connection::Connection,
    error::{PgError, within},
    rows::{get, signed},
    shared::Shared,
    upkeep::{report, usable},
};

/// Most events, and bytes by their cost, that are moved in one transaction, and most transactions in a row.
const MOVED_AT_ONCE: (i32, i64) = (1_000, 4 << 20);
const MAX_MOVES: usize = 1_000;

/// Moves all of them.
pub(super) async fn move_all(shared: Arc<Shared>, permit: OwnedSemaphorePermit) {
    for _ in 0..MAX_MOVES {
        let Some(connection) = usable(&shared) else {
            break;
        };
        let moved = within(shared.address.timeout, move_some(&shared, &connection)).await;
        let is_over = !matches!(moved, Ok(moved) if moved > 0);
        report(&shared, &connection, moved.map(|_| ()));
        if is_over {
            break;
        }
    }
    drop(permit);
}

/// What is moved in one transaction.
#[derive(Default)]
struct Chosen {
    /// Of the outbox; `None` for what is next, whatever it is.
    ids: Option<Vec<i64>>,
    retain_id: Vec<i64>,
    retain_key: Vec<String>,
    retain_value: Vec<Option<bytes::Bytes>>,
}

async fn move_some(shared: &Shared, connection: &Connection) -> Result<i32, PgError> {
    let chosen = if shared.topic_rules.have_latest() {
        choose(shared, connection).await?
    } else {
        Chosen::default()
    };
    if chosen.ids.as_ref().is_some_and(Vec::is_empty) {
        return Ok(0);
    }
    let (events, bytes, age) = limits(shared);
    let (most_events, most_bytes) = MOVED_AT_ONCE;
    let keys: Vec<_> = chosen.retain_key.iter().map(String::as_bytes).collect();
    let values: Vec<_> = chosen.retain_value.iter().map(Option::as_deref).collect();
    let parameters: [&(dyn ToSql + Sync); 14] = [
        &signed(shared.epoch()),
        &connection.server.to_string(),
        &events,
        &bytes,
        &age,
        &fastrand::i64(..),
        &most_events,
        &most_bytes,
        &chosen.ids,
        &chosen.retain_id,
        &keys,
        &values,
        &signed(MAX_RETAINED_VALUES as u64),
        &signed(MAX_RETAINED_BYTES as u64),
    ];
    let statement = &connection.statements.move_outbox;
    let row = connection.client.query_one(statement, &parameters).await?;
    if get(&row, 1)? {
        shared.warn_once(
            "has no room for more last events and signals: events of the outbox come without becoming the last ones of \
             their topics",
        );
    }
    get(&row, 0)
}

/// What is next, and the last events that it brings.
async fn choose(shared: &Shared, connection: &Connection) -> Result<Chosen, PgError> {
    let (most_events, most_bytes) = MOVED_AT_ONCE;
    let statement = &connection.statements.waiting;
    let rows = connection
        .client
        .query(statement, &[&most_events, &most_bytes])
        .await?;
    let (mut ids, mut of_events, mut batch) = (Vec::new(), Vec::new(), Batch::default());
    for row in &rows {
        let id: i64 = get(row, 0)?;
        ids.push(id);
        // What somebody else wrote and is no event is moved, and passed by when it is read.
        if let Some(fields) = Fields::checked(get(row, 1)?) {
            batch.events.push(Event::unpack(&fields));
            of_events.push(id);
        }
    }
    shared.topic_rules.retain_latest(&mut batch);
    let mut chosen = Chosen {
        ids: Some(ids),
        ..Chosen::default()
    };
    for retain in batch.retain {
        let Some(id) = retain.of_event.and_then(|index| of_events.get(index)) else {
            continue;
        };
        chosen.retain_id.push(*id);
        chosen.retain_key.push(retain.key);
        chosen.retain_value.push(retain.value);
    }
    Ok(chosen)
}
