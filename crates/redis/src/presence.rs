//! The members of all nodes in Redis, beside the log. What changes them are scripts, each one atomic step.
//!
//! Each node has a hash of its members, with the number of its connections, and each topic one of its users, with the
//! number of nodes that they are on.

use std::{fmt, sync::Arc, time::Duration};

use ::redis::Value;
use futures_util::future::{BoxFuture, FutureExt as _};
use sse_broadcaster::{history::Unavailable, internal::whole_ms};
use sse_broadcaster_presence::{
    Beat, Change, Counts, Member, Members, Pending, PendingKind, Store,
};

use super::{
    entry::{self, Unexpected},
    live::{LiveNodes, shared_text, some},
    read::ask,
    script,
    shared::Shared,
};

/// The members of all nodes of a log in Redis: [`Redis::presence`](super::Redis::presence).
pub struct RedisPresence {
    nodes: LiveNodes,
    /// What the keys of signals begin with; a topic follows.
    signal: String,
}

impl RedisPresence {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let prefix = &shared.keys.presence;
        Self {
            nodes: LiveNodes::new(shared, prefix, "connections"),
            signal: format!("{prefix}signal:"),
        }
    }

    async fn write_all(&self, changes: &[Change]) -> Result<(), Unavailable> {
        let mut call = self.nodes.change(&script::PRESENCE_WRITE);
        for change in changes {
            call.arg(&*change.topic);
            call.arg(change.user.as_deref().unwrap_or_default());
            call.arg(change.connections);
            call.arg(change.data.as_deref().unwrap_or_default());
        }
        let reply = self.nodes.run(&call).await?;
        let known = self.nodes.read_reply(reply, entry::number)?;
        if known == 0 {
            let why = "presence does not know this node yet";
            return Err(self.nodes.shared.unavailable_for(why));
        }
        Ok(())
    }

    async fn read(&self, topic: &str, limit: usize, after: &str) -> Result<Page, Unavailable> {
        let mut call = self.nodes.look(&script::PRESENCE_READ);
        call.arg(topic).arg(limit).arg(after);
        let reply = ask(&self.nodes.shared, &call).await?;
        self.nodes.read_reply(reply, page)
    }
}

impl Store for RedisPresence {
    fn write<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Result<(), Unavailable>> {
        self.write_all(changes).boxed()
    }

    fn beat(
        &self,
        heartbeat: Duration,
        written: Option<usize>,
    ) -> BoxFuture<'_, Result<Beat, Unavailable>> {
        let beat = self.nodes.beat(&script::PRESENCE_BEAT, heartbeat, written);
        beat.boxed()
    }

    fn pending(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Pending>, Unavailable>> {
        self.nodes.pending(limit, one_pending).boxed()
    }

    fn published<'a>(
        &'a self,
        first: &'a str,
        count: usize,
    ) -> BoxFuture<'a, Result<(), Unavailable>> {
        self.nodes.published(first, count).boxed()
    }

    fn counts<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Counts, Unavailable>> {
        async move { Ok(self.read(topic, 0, "").await?.counts) }.boxed()
    }

    fn members<'a>(
        &'a self,
        topic: &'a str,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Members, Unavailable>> {
        async move {
            let found = self.read(topic, limit + 1, after).await?.found;
            Ok(Members::page(found, limit))
        }
        .boxed()
    }

    fn claim_signal<'a>(
        &'a self,
        topic: &'a str,
        interval: Duration,
    ) -> BoxFuture<'a, Result<bool, Unavailable>> {
        async move {
            let mut call = ::redis::cmd("SET");
            call.arg(format!("{}{topic}", self.signal)).arg("1");
            let within = whole_ms(interval);
            call.arg("NX").arg("PX").arg(within);
            Ok(entry::optional(self.nodes.run(&call).await?).is_some())
        }
        .boxed()
    }

    fn outlives_nodes(&self) -> bool {
        true
    }
}

struct Page {
    counts: Counts,
    found: Vec<Member>,
}

fn page(reply: Value) -> Result<Page, Unexpected> {
    let mut values = entry::list(reply)?.into_iter();
    let mut number = || entry::number(values.next().ok_or(Unexpected)?);
    let counts = Counts {
        users: number()?,
        connections: number()?,
    };
    let mut found = Vec::new();
    while let Some(user) = values.next() {
        let data = shared_text(values.next().ok_or(Unexpected)?)?;
        found.push(Member {
            user: shared_text(user)?,
            data: some(data),
        });
    }
    Ok(Page { counts, found })
}

/// As `presence.lua` pushes it.
fn one_pending(json: &str) -> Result<Pending, Unexpected> {
    type Pushed = (String, String, String, String, u64, Box<str>);
    let pushed: Pushed = serde_json::from_str(json).map_err(|_| Unexpected)?;
    let (kind, topic, user, data, users, key) = pushed;
    let (topic, user, data) = (topic.into(), user.into(), some(data.into()));
    let kind = match kind.as_str() {
        "join" => PendingKind::Join { user, data, users },
        "leave" => PendingKind::Leave { user, data, users },
        "first" => PendingKind::FirstSubscriber,
        "last" => PendingKind::LastSubscriber,
        _ => return Err(Unexpected),
    };
    Ok(Pending { key, topic, kind })
}

impl fmt::Debug for RedisPresence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisPresence")
            .field("address", &self.nodes.shared.address.to_string())
            .finish_non_exhaustive()
    }
}
