//! The subscriptions of a hub on all nodes in PostgreSQL, beside the log. What changes them are functions, each one
//! transaction.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};
use sse_broadcaster::history::Unavailable;
use sse_broadcaster_presence::{
    Announcement, HubSubscription, SubscriptionChange, SubscriptionStore,
};
use tokio_postgres::{Row, types::ToSql};

use super::{
    error::PgError,
    live::LiveNodes,
    rows::{get, get_name, get_text, signed},
    shared::Shared,
};

/// About how many bytes of subscriptions one read brings at most.
const MAX_BYTES_READ: i64 = 8 << 20;

/// The subscriptions of all nodes of a log in PostgreSQL: [`Postgres::subscriptions`](super::Postgres::subscriptions).
pub struct PostgresSubscriptions {
    nodes: LiveNodes,
}

/// The changes of a batch as the arrays that the function takes. Where the matcher is `None`, a subscription ends.
#[derive(Default)]
struct Arguments<'a> {
    names: Vec<i64>,
    matchers: Vec<Option<&'a [u8]>>,
    subscribers: Vec<Option<&'a [u8]>>,
    payloads: Vec<Option<&'a str>>,
}

impl<'a> Arguments<'a> {
    fn of(changes: &'a [SubscriptionChange]) -> Self {
        let mut arguments = Self::default();
        for change in changes {
            let (number, begun) = match change {
                SubscriptionChange::Begin {
                    number,
                    subscription,
                } => (number, Some(subscription)),
                SubscriptionChange::End { number } => (number, None),
            };
            arguments.names.push(signed(*number));
            arguments
                .matchers
                .push(begun.map(|begun| begun.matcher.as_bytes()));
            arguments
                .subscribers
                .push(begun.map(|begun| begun.subscriber.as_bytes()));
            arguments
                .payloads
                .push(begun.and_then(|begun| begun.payload.as_deref()));
        }
        arguments
    }
}

impl PostgresSubscriptions {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            nodes: LiveNodes::new(shared, "subscriptions"),
        }
    }

    async fn write_batch(
        &self,
        batch: u64,
        changes: &[SubscriptionChange],
    ) -> Result<bool, Unavailable> {
        let arguments = Arguments::of(changes);
        let parameters: [&(dyn ToSql + Sync); 6] = [
            &self.nodes.name(),
            &signed(batch),
            &arguments.names,
            &arguments.matchers,
            &arguments.subscribers,
            &arguments.payloads,
        ];
        let outcome = |row: &Row| get::<String>(row, 0);
        let nodes = &self.nodes;
        let written = nodes.run_one(|live| &live.subscriptions_write, &parameters, outcome);
        match written.await?.as_str() {
            "written" => {
                self.nodes.has_written(batch);
                Ok(true)
            }
            "full" => Ok(false),
            _ => Err(self.nodes.unknown()),
        }
    }

    async fn read(
        &self,
        matcher: Option<&str>,
        subscriber: Option<&str>,
        limit: usize,
    ) -> Result<Vec<HubSubscription>, Unavailable> {
        let (matcher, subscriber) = (matcher.map(str::as_bytes), subscriber.map(str::as_bytes));
        let most = signed(limit as u64);
        let parameters: [&(dyn ToSql + Sync); 4] = [&matcher, &subscriber, &most, &MAX_BYTES_READ];
        let listed = |row: &Row| subscription(row, [0, 1, 2]);
        let nodes = &self.nodes;
        nodes
            .ask(|live| &live.subscriptions_read, &parameters, listed)
            .await
    }
}

impl SubscriptionStore for PostgresSubscriptions {
    fn write<'a>(
        &'a self,
        batch: u64,
        changes: &'a [SubscriptionChange],
    ) -> BoxFuture<'a, Result<bool, Unavailable>> {
        self.write_batch(batch, changes).boxed()
    }

    fn beat(
        &self,
        heartbeat: Duration,
        written: Option<usize>,
    ) -> BoxFuture<'_, Result<bool, Unavailable>> {
        async move {
            let beat = self
                .nodes
                .beat(|live| &live.subscriptions_beat, heartbeat, written);
            Ok(beat.await?.is_lost)
        }
        .boxed()
    }

    fn pending(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Announcement>, Unavailable>> {
        self.nodes.pending(limit, announcement).boxed()
    }

    fn published<'a>(
        &'a self,
        first: &'a str,
        count: usize,
    ) -> BoxFuture<'a, Result<(), Unavailable>> {
        self.nodes.published(first, count).boxed()
    }

    fn list<'a>(
        &'a self,
        matcher: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<HubSubscription>, Unavailable>> {
        self.read(matcher, None, limit).boxed()
    }

    fn find<'a>(
        &'a self,
        matcher: &'a str,
        subscriber: &'a str,
    ) -> BoxFuture<'a, Result<Option<HubSubscription>, Unavailable>> {
        async move { Ok(self.read(Some(matcher), Some(subscriber), 1).await?.pop()) }.boxed()
    }
}

fn subscription(
    row: &Row,
    [matcher, subscriber, payload]: [usize; 3],
) -> Result<HubSubscription, PgError> {
    Ok(HubSubscription {
        matcher: get_name(row, matcher)?,
        subscriber: get_name(row, subscriber)?,
        payload: get_text(row, payload)?,
    })
}

/// As `subscriptions_write` and `subscriptions_beat` queue it.
fn announcement(row: &Row) -> Result<Announcement, PgError> {
    let is_active = match get(row, 1)? {
        "begin" => true,
        "end" => false,
        other => {
            return Err(PgError::own(format!(
                "a change of subscriptions is {other}"
            )));
        }
    };
    Ok(Announcement {
        key: get::<String>(row, 0)?.into(),
        subscription: subscription(row, [2, 3, 4])?,
        is_active,
    })
}

impl fmt::Debug for PostgresSubscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSubscriptions")
            .field("address", &self.nodes.shared.address.to_string())
            .finish_non_exhaustive()
    }
}
