//! Erases events, some in each transaction.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_postgres::Row;

use super::{
    call::{in_epoch, limits},
    connection::Connection,
    error::PgError,
    rows::{get, get_optional_id, signed},
    shared::Shared,
};
use sse_broadcaster::{
    event::EventId,
    history::{
        AppendError, EraseScope, Erased, Erasure, MAX_ERASED_AT_ONCE, ReservationGuard, Unavailable,
    },
};
use sse_broadcaster_remote::Landed;

/// About how many bytes, by their cost, one transaction erases, while which nobody appends.
const MOST_BYTES: i64 = 32 << 20;
/// Most events that one transaction looks at, of which it may have to erase few.
const MOST_LOOKED: i32 = 4_096;

/// One step, once those that were begun before are done. It goes on if the future is dropped.
pub(super) async fn erase(
    shared: &Arc<Shared>,
    steps: &Arc<Semaphore>,
    erasure: Erasure,
    reserved: ReservationGuard,
) -> Result<Erased, AppendError> {
    let limit = shared.address.timeout;
    let permit = begin(shared, steps, limit).await;
    let permit = permit.map_err(AppendError::Unavailable)?;
    let shared = Arc::clone(shared);
    let step = tokio::spawn(async move {
        let erased = run(&shared, &erasure, reserved).await;
        drop(permit);
        erased
    });
    step.await.unwrap_or_else(|_| {
        let why = "the runtime has ended";
        Err(AppendError::OutcomeUnknown(Unavailable::new(why)))
    })
}

async fn begin(
    shared: &Shared,
    steps: &Arc<Semaphore>,
    limit: Duration,
) -> Result<OwnedSemaphorePermit, Unavailable> {
    if !shared.follows() {
        return Err(shared.unavailable());
    }
    match timeout(limit, Arc::clone(steps).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) => Err(Unavailable::new("it is closed")),
        Err(_) => {
            let why = format!("another erasure has not ended for {limit:?}: repeat this one later");
            Err(shared.unavailable_for(why))
        }
    }
}

async fn run(
    shared: &Shared,
    erasure: &Erasure,
    reserved: ReservationGuard,
) -> Result<Erased, AppendError> {
    let mut after = EventId::new(0, 0);
    loop {
        let connection = shared.connection(&shared.appends).await;
        let connection = connection.map_err(AppendError::Unavailable)?;
        let began = Instant::now();
        let ask = |epoch| ask(shared, &connection, epoch, erasure, after);
        let (epoch, step) = in_epoch(shared, &connection, ask, Step::decode).await?;
        if let Some(id) = step.event {
            shared.stats.commit_latency.observe(began.elapsed());
            shared.stats.commits.add(1);
            shared.stats.committed.add(1);
            let landed = Landed::now(epoch, connection.server, shared.address.timeout / 2);
            shared.acknowledge(landed, Some(id), reserved).await?;
            return Ok(step.erased);
        }
        match step.looked_to {
            Some(looked_to) if step.erased.more => after = looked_to,
            _ => return Ok(Erased::default()),
        }
    }
}

async fn ask(
    shared: &Shared,
    connection: &Connection,
    epoch: u64,
    erasure: &Erasure,
    after: EventId,
) -> Result<Row, PgError> {
    let (events, bytes, age) = limits(shared);
    let up_to = erasure.up_to;
    let statement = &connection.statements.erase;
    let row = connection
        .client
        .query_one(
            statement,
            &[
                &signed(epoch),
                &connection.server.to_string(),
                &events,
                &bytes,
                &age,
                &fastrand::i64(..),
                &erasure.topic.as_str(),
                &(erasure.scope == EraseScope::Alone),
                &signed(after.ms()),
                &signed(after.seq()),
                &up_to.map(|id| signed(id.ms())),
                &up_to.map(|id| signed(id.seq())),
                &i32::try_from(MAX_ERASED_AT_ONCE).unwrap_or(i32::MAX),
                &MOST_BYTES,
                &MOST_LOOKED,
            ],
        )
        .await?;
    Ok(row)
}

/// What one transaction did, as the function returns it.
struct Step {
    /// The one that tells of the erasure.
    event: Option<EventId>,
    erased: Erased,
    looked_to: Option<EventId>,
}

impl Step {
    fn decode(row: &Row) -> Result<Self, PgError> {
        let count: i32 = get(row, 4)?;
        Ok(Self {
            event: get_optional_id(row, 2)?,
            erased: Erased {
                events: usize::try_from(count).unwrap_or(0),
                more: get(row, 5)?,
            },
            looked_to: get_optional_id(row, 6)?,
        })
    }
}
