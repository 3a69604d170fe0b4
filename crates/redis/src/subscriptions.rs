//! The subscriptions of a hub on all nodes in Redis, beside the log. What changes them are scripts, each one atomic
//! step.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt as _};
use serde_json::from_str;
use sse_broadcaster::history::Unavailable;
use sse_broadcaster_presence::{
    Announcement, HubSubscription, SubscriptionChange, SubscriptionStore,
};

use super::{
    entry::{self, Unexpected},
    live::{LiveNodes, some},
    read::ask,
    script,
    shared::Shared,
};

/// About how many bytes of subscriptions one read brings at most.
const MAX_BYTES_READ: usize = 8 << 20;

/// The subscriptions of all nodes of a log in Redis: [`Redis::subscriptions`](super::Redis::subscriptions).
pub struct RedisSubscriptions {
    nodes: LiveNodes,
}

impl RedisSubscriptions {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let prefix = &shared.keys.subscriptions;
        Self {
            nodes: LiveNodes::new(shared, prefix, "listed"),
        }
    }

    async fn write_batch(
        &self,
        batch: u64,
        changes: &[SubscriptionChange],
    ) -> Result<bool, Unavailable> {
        let mut call = self.nodes.change(&script::SUBSCRIPTIONS_WRITE);
        call.arg(batch);
        for change in changes {
            match change {
                SubscriptionChange::Begin {
                    number,
                    subscription,
                } => call
                    .arg(number)
                    .arg(&*subscription.matcher)
                    .arg(&*subscription.subscriber)
                    .arg(subscription.payload.as_deref().unwrap_or_default()),
                SubscriptionChange::End { number } => call.arg(number).arg("").arg("").arg(""),
            };
        }
        let written = self
            .nodes
            .read_reply(self.nodes.run(&call).await?, entry::number)?;
        if written == 0 {
            let why = "the list of subscriptions does not know this node yet";
            return Err(self.nodes.shared.unavailable_for(why));
        }
        let is_written = written == 1;
        if is_written {
            self.nodes.has_written(batch);
        }
        Ok(is_written)
    }

    async fn read(
        &self,
        matcher: &str,
        subscriber: &str,
        limit: usize,
    ) -> Result<Vec<HubSubscription>, Unavailable> {
        let mut call = self.nodes.look(&script::SUBSCRIPTIONS_READ);
        call.arg(matcher).arg(subscriber).arg(limit);
        call.arg(MAX_BYTES_READ);
        let reply = ask(&self.nodes.shared, &call).await?;
        self.nodes.read_reply(reply, |reply| {
            let listed = entry::list(reply)?.into_iter();
            listed.map(|one| listed_one(&entry::text(one)?)).collect()
        })
    }
}

impl SubscriptionStore for RedisSubscriptions {
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
            let script = &script::SUBSCRIPTIONS_BEAT;
            let beat = self.nodes.beat(script, heartbeat, written);
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
        self.read(matcher.unwrap_or_default(), "", limit).boxed()
    }

    fn find<'a>(
        &'a self,
        matcher: &'a str,
        subscriber: &'a str,
    ) -> BoxFuture<'a, Result<Option<HubSubscription>, Unavailable>> {
        async move { Ok(self.read(matcher, subscriber, 1).await?.pop()) }.boxed()
    }
}

/// As `subscriptions.lua` keeps it.
fn listed_one(json: &str) -> Result<HubSubscription, Unexpected> {
    let (matcher, subscriber, payload) = from_str(json).map_err(|_| Unexpected)?;
    Ok(subscription(matcher, subscriber, payload))
}

/// As `subscriptions.lua` pushes it.
fn announcement(json: &str) -> Result<Announcement, Unexpected> {
    type Pushed = (String, String, String, String, Box<str>);
    let pushed: Pushed = from_str(json).map_err(|_| Unexpected)?;
    let (kind, matcher, subscriber, payload, key) = pushed;
    let is_active = match kind.as_str() {
        "begin" => true,
        "end" => false,
        _ => return Err(Unexpected),
    };
    Ok(Announcement {
        key,
        subscription: subscription(matcher, subscriber, payload),
        is_active,
    })
}

fn subscription(matcher: String, subscriber: String, payload: String) -> HubSubscription {
    HubSubscription {
        matcher: matcher.into(),
        subscriber: subscriber.into(),
        payload: some(payload.into()),
    }
}

impl fmt::Debug for RedisSubscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSubscriptions")
            .field("address", &self.nodes.shared.address.to_string())
            .finish_non_exhaustive()
    }
}
