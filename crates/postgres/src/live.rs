//! What presence and the subscriptions of a hub have in common: each node reports that it lives, what it has written
//! ends with it, and one node at a time publishes the queue of what has changed.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use sse_broadcaster::history::Unavailable;
use sse_broadcaster_presence::{
    Beat,
    internal::{LiveNode, PUBLISHES_FOR, Reported, Written},
};
use sse_broadcaster_remote::SharedConnection;
use tokio::task::JoinHandle;
use tokio_postgres::{Row, Statement, types::ToSql};

use super::{
    address::Address,
    beside,
    error::PgError,
    rows::{get, milliseconds, signed},
    shared::Shared,
    statements::LiveStatements,
};

/// Most members of a dead node that are removed in one step.
const REMOVED_AT_ONCE: i64 = 200;

/// One of the statements.
pub(super) type Choice = fn(&LiveStatements) -> &Statement;

/// A list whose members belong to nodes, and the name of this node in it.
pub(super) struct LiveNodes {
    pub(super) shared: Arc<Shared>,
    list: &'static str,
    node: LiveNode,
    /// For what changes the list. Appends and reads have others, and do not wait for it.
    connection: Arc<SharedConnection<Address>>,
    /// What keeps the connection up, once it was needed.
    keeper: OnceLock<JoinHandle<()>>,
}

impl LiveNodes {
    pub(super) fn new(shared: &Arc<Shared>, list: &'static str) -> Self {
        Self {
            shared: Arc::clone(shared),
            list,
            node: LiveNode::default(),
            connection: Arc::default(),
            keeper: OnceLock::new(),
        }
    }

    /// The name that this node has now.
    pub(super) fn name(&self) -> String {
        self.node.name()
    }

    /// Runs a statement that changes something, once.
    pub(super) async fn run(
        &self,
        statement: Choice,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Unavailable> {
        self.keeper.get_or_init(|| {
            let connection = Arc::clone(&self.connection);
            tokio::spawn(connection.keep(self.shared.address.clone()))
        });
        let by = &self.connection;
        beside::change(
            &self.shared,
            by,
            |statements| statement(&statements.live),
            parameters,
        )
        .await
    }

    /// The same for a function that returns one row, which is read.
    pub(super) async fn run_one<T>(
        &self,
        statement: Choice,
        parameters: &[&(dyn ToSql + Sync)],
        read: impl Fn(&Row) -> Result<T, PgError>,
    ) -> Result<T, Unavailable> {
        let rows = self.run(statement, parameters).await?;
        let read = rows.first().map_or_else(nothing, read);
        read.map_err(|error| self.shared.unavailable_by(error))
    }

    /// The rows of a statement that changes nothing, each as it is read.
    pub(super) async fn ask<T>(
        &self,
        statement: Choice,
        parameters: &[&(dyn ToSql + Sync)],
        read: impl Fn(&Row) -> Result<T, PgError>,
    ) -> Result<Vec<T>, Unavailable> {
        let asked = super::read::ask(
            &self.shared,
            |statements| statement(&statements.live),
            parameters,
        );
        self.read_all(&asked.await?, read)
    }

    fn read_all<T>(
        &self,
        rows: &[Row],
        read: impl Fn(&Row) -> Result<T, PgError>,
    ) -> Result<Vec<T>, Unavailable> {
        let read: Result<_, PgError> = rows.iter().map(read).collect();
        read.map_err(|error| self.shared.unavailable_by(error))
    }

    /// The list has this batch under the name of this node.
    pub(super) fn has_written(&self, batch: u64) {
        self.node.has_written(batch);
    }

    /// Reports by this statement that the node lives, until no dead node has members.
    pub(super) async fn beat(
        &self,
        statement: Choice,
        heartbeat: Duration,
        members: Option<usize>,
    ) -> Result<Beat, Unavailable> {
        let report = |written| self.report(statement, heartbeat, written);
        self.node.beat(members, report).await
    }

    async fn report(
        &self,
        statement: Choice,
        heartbeat: Duration,
        written: Written,
    ) -> Result<Reported, Unavailable> {
        let members = written.members.map(|members| signed(members as u64));
        let parameters: [&(dyn ToSql + Sync); 5] = [
            &self.name(),
            &milliseconds(heartbeat),
            &members,
            &signed(written.batch),
            &REMOVED_AT_ONCE,
        ];
        self.run_one(statement, &parameters, reported).await
    }

    /// The oldest changes to be published.
    pub(super) async fn pending<T>(
        &self,
        limit: usize,
        read: impl Fn(&Row) -> Result<T, PgError>,
    ) -> Result<Vec<T>, Unavailable> {
        let parameters: [&(dyn ToSql + Sync); 4] = [
            &self.list,
            &self.name(),
            &signed(limit as u64),
            &milliseconds(PUBLISHES_FOR),
        ];
        let rows = self.run(|live| &live.pending, &parameters).await?;
        self.read_all(&rows, read)
    }

    /// Removes the oldest changes, which were published.
    pub(super) async fn published(&self, first: &str, count: usize) -> Result<(), Unavailable> {
        let parameters: [&(dyn ToSql + Sync); 3] = [&self.list, &first, &signed(count as u64)];
        self.run(|live| &live.published, &parameters).await?;
        Ok(())
    }

    /// The list does not know this node, or no more.
    pub(super) fn unknown(&self) -> Unavailable {
        let why = format!("the list of {} does not know this node yet", self.list);
        self.shared.unavailable_for(why)
    }
}

impl Drop for LiveNodes {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.abort();
        }
    }
}

fn nothing<T>() -> Result<T, PgError> {
    Err(PgError::own("a function has returned nothing"))
}

fn reported(row: &Row) -> Result<Reported, PgError> {
    let topics = get::<Vec<&[u8]>>(row, 2)?.into_iter();
    let text = |topic| Arc::from(String::from_utf8_lossy(topic));
    Ok(Reported {
        is_whole: get(row, 0)?,
        has_more: get(row, 1)?,
        topics: topics.map(text).collect(),
    })
}
