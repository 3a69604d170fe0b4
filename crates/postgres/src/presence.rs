//! The members of all nodes in PostgreSQL, beside the log. What changes them are functions, each one transaction.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use sse_broadcaster::history::Unavailable;
use sse_broadcaster_presence::{
    Beat, Change, Counts, Member, Members, Pending, PendingKind, Store,
};
use tokio_postgres::{Row, types::ToSql};

use super::{
    error::PgError,
    live::LiveNodes,
    rows::{get, get_name, get_text, milliseconds, signed},
    shared::Shared,
};

/// The members of all nodes of a log in PostgreSQL: [`Postgres::presence`](super::Postgres::presence).
pub struct PostgresPresence {
    nodes: LiveNodes,
    /// How many batches this node has sent. One that comes late, after a later one, is not written.
    batches: AtomicU64,
}

impl PostgresPresence {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            nodes: LiveNodes::new(shared, "presence"),
            batches: AtomicU64::new(0),
        }
    }

    async fn write_all(&self, changes: &[Change]) -> Result<(), Unavailable> {
        let batch = self.batches.fetch_add(1, Ordering::Relaxed) + 1;
        let topics = changes.iter().map(|change| change.topic.as_bytes());
        let users = changes.iter();
        let users = users.map(|change| change.user.as_deref().map(str::as_bytes));
        let connections = changes.iter().map(|change| i64::from(change.connections));
        let data = changes.iter().map(|change| change.data.as_deref());
        let parameters: [&(dyn ToSql + Sync); 6] = [
            &self.nodes.name(),
            &signed(batch),
            &topics.collect::<Vec<_>>(),
            &users.collect::<Vec<_>>(),
            &connections.collect::<Vec<_>>(),
            &data.collect::<Vec<_>>(),
        ];
        let nodes = &self.nodes;
        let is_known = nodes.run_one(|live| &live.presence_write, &parameters, get_first);
        if !is_known.await? {
            return Err(self.nodes.unknown());
        }
        self.nodes.has_written(batch);
        Ok(())
    }

    async fn count(&self, topic: &str) -> Result<Counts, Unavailable> {
        let topic = topic.as_bytes();
        let counts = |row: &Row| {
            Ok(Counts {
                users: number(row, 0)?,
                connections: number(row, 1)?,
            })
        };
        let parameters: [&(dyn ToSql + Sync); 1] = [&topic];
        let nodes = &self.nodes;
        let counted = nodes.ask(|live| &live.presence_counts, &parameters, counts);
        Ok(counted.await?.pop().unwrap_or_default())
    }

    async fn page(&self, topic: &str, after: &str, limit: usize) -> Result<Members, Unavailable> {
        // One more, which tells whether there are more.
        let most = signed(limit.saturating_add(1) as u64);
        let (topic, after) = (topic.as_bytes(), after.as_bytes());
        let member = |row: &Row| {
            Ok(Member {
                user: get_name(row, 0)?,
                data: get_text(row, 1)?,
            })
        };
        let parameters: [&(dyn ToSql + Sync); 3] = [&topic, &after, &most];
        let nodes = &self.nodes;
        let found = nodes.ask(|live| &live.presence_page, &parameters, member);
        Ok(Members::page(found.await?, limit))
    }
}

impl Store for PostgresPresence {
    fn write<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Result<(), Unavailable>> {
        self.write_all(changes).boxed()
    }

    fn beat(
        &self,
        heartbeat: Duration,
        written: Option<usize>,
    ) -> BoxFuture<'_, Result<Beat, Unavailable>> {
        let beat = self
            .nodes
            .beat(|live| &live.presence_beat, heartbeat, written);
        beat.boxed()
    }

    fn pending(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Pending>, Unavailable>> {
        self.nodes.pending(limit, pending).boxed()
    }

    fn published<'a>(
        &'a self,
        first: &'a str,
        count: usize,
    ) -> BoxFuture<'a, Result<(), Unavailable>> {
        self.nodes.published(first, count).boxed()
    }

    fn counts<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Counts, Unavailable>> {
        self.count(topic).boxed()
    }

    fn members<'a>(
        &'a self,
        topic: &'a str,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Members, Unavailable>> {
        self.page(topic, after, limit).boxed()
    }

    fn claim_signal<'a>(
        &'a self,
        topic: &'a str,
        interval: Duration,
    ) -> BoxFuture<'a, Result<bool, Unavailable>> {
        async move {
            let (topic, interval) = (topic.as_bytes(), milliseconds(interval));
            let parameters: [&(dyn ToSql + Sync); 2] = [&topic, &interval];
            let nodes = &self.nodes;
            let claimed = nodes.run_one(|live| &live.presence_claim, &parameters, get_first);
            claimed.await
        }
        .boxed()
    }

    fn outlives_nodes(&self) -> bool {
        true
    }
}

/// As `presence_set` queues it.
fn pending(row: &Row) -> Result<Pending, PgError> {
    let user = || get_name(row, 3);
    let data = || get_text(row, 4);
    let kind = match get(row, 1)? {
        "join" => PendingKind::Join {
            user: user()?,
            data: data()?,
            users: number(row, 5)?,
        },
        "leave" => PendingKind::Leave {
            user: user()?,
            data: data()?,
            users: number(row, 5)?,
        },
        "first" => PendingKind::FirstSubscriber,
        "last" => PendingKind::LastSubscriber,
        other => return Err(PgError::own(format!("a change of presence is {other}"))),
    };
    Ok(Pending {
        key: get::<String>(row, 0)?.into(),
        topic: get_name(row, 2)?,
        kind,
    })
}

fn get_first(row: &Row) -> Result<bool, PgError> {
    get(row, 0)
}

fn number(row: &Row, column: usize) -> Result<u64, PgError> {
    Ok(get::<i64>(row, column)?.unsigned_abs())
}

impl fmt::Debug for PostgresPresence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresPresence")
            .field("address", &self.nodes.shared.address.to_string())
            .finish_non_exhaustive()
    }
}
