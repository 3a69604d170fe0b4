//! The members of all nodes in Redis, beside the log. What changes them are scripts, each one atomic step.
//!
//! Each node has a hash of its members, with the number of its connections, and each topic one of its users, with the
//! number of nodes that they are on.

use std::{fmt, sync::Arc, time::Duration};

use ::redis::{Cmd, Value};
use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;
use sse_broadcaster::history::Unavailable;
use sse_broadcaster_presence::{
    Beat, Change, Counts, Member, Members, Pending, PendingKind, Store,
};

use super::{
    entry::{self, Unexpected},
    read::ask,
    refusal::is_lost,
    script::{self, Script},
    shared::Shared,
};

/// For how long one node publishes changes, if it does not say that it is done.
const PUBLISHES_FOR: Duration = Duration::from_secs(2);
/// Most steps in which the members of dead nodes are removed, in one beat.
const MAX_SWEEPS: usize = 1_000;

/// The members of all nodes of a log in Redis: [`Redis::presence`](super::Redis::presence).
pub struct RedisPresence {
    shared: Arc<Shared>,
    keys: Keys,
    node: Mutex<Node>,
}

/// By which name this node is known; another one each time that it has to begin again.
#[derive(Clone)]
struct Node {
    id: String,
    is_known: bool,
}

impl Node {
    fn new() -> Self {
        Self {
            id: format!("{:032x}", fastrand::u128(..)),
            is_known: false,
        }
    }
}

struct Keys {
    nodes: String,
    connections: String,
    pending: String,
    last_beat: String,
    publisher: String,
    /// Followed by `members:` and a node, by `users:` or `order:` and a topic.
    prefix: String,
    /// Followed by a topic.
    signal: String,
}

impl RedisPresence {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let prefix = &shared.keys.presence;
        let key = |name: &str| format!("{prefix}{name}");
        Self {
            keys: Keys {
                nodes: key("nodes"),
                connections: key("connections"),
                pending: key("pending"),
                last_beat: key("beat"),
                publisher: key("publisher"),
                prefix: prefix.clone(),
                signal: key("signal:"),
            },
            shared: Arc::clone(shared),
            node: Mutex::new(Node::new()),
        }
    }

    /// Runs a call that changes something.
    async fn run(&self, call: &Cmd) -> Result<Value, Unavailable> {
        let shared = &self.shared;
        let mut connection = shared.connection(&shared.appends).await?;
        let done = script::run(call, &mut connection.multiplexed).await;
        done.map_err(|error| {
            if is_lost(&error) {
                shared.appends.drop_broken(&connection);
            }
            shared.unavailable_by(error)
        })
    }

    /// A call of a script that changes members, up to its own arguments.
    fn change(&self, script: &Script, node: &str) -> Cmd {
        let keys = &self.keys;
        let all = [
            &keys.nodes,
            &keys.connections,
            &keys.pending,
            &keys.last_beat,
        ];
        let mut call = script.call(&all.map(String::as_str));
        let random = format!("{:032x}", fastrand::u128(..));
        call.arg(&keys.prefix).arg(random).arg(node);
        call
    }

    /// Begins again under another name, if this one was known: what is left under it is removed like the members of
    /// a dead node.
    fn rename(&self) -> bool {
        let mut node = self.node.lock();
        let was_known = node.is_known;
        if was_known {
            *node = Node::new();
        }
        was_known
    }

    async fn report(
        &self,
        heartbeat: Duration,
        written: Option<usize>,
    ) -> Result<Reported, Unavailable> {
        let node = self.node.lock().id.clone();
        let mut call = self.change(&script::PRESENCE_BEAT, &node);
        call.arg(u64::try_from(heartbeat.as_millis()).unwrap_or(u64::MAX));
        call.arg(written.map_or_else(String::new, |written| written.to_string()));
        self.read_reply(self.run(&call).await?, reported)
    }

    async fn beat_until_swept(
        &self,
        heartbeat: Duration,
        written: Option<usize>,
    ) -> Result<Beat, Unavailable> {
        let mut beat = Beat::default();
        let mut reported = self.report(heartbeat, written).await?;
        if !reported.is_whole {
            beat.is_lost = true;
            if self.rename() {
                let swept = self.report(heartbeat, None).await?.topics;
                reported.topics.extend(swept);
            }
        }
        self.node.lock().is_known = true;
        beat.swept.append(&mut reported.topics);
        for _ in 0..MAX_SWEEPS {
            if !reported.has_more {
                break;
            }
            reported = self.report(heartbeat, None).await?;
            beat.swept.append(&mut reported.topics);
        }
        beat.swept.sort_unstable();
        beat.swept.dedup();
        Ok(beat)
    }

    async fn write_all(&self, changes: &[Change]) -> Result<(), Unavailable> {
        let node = self.node.lock().id.clone();
        let mut call = self.change(&script::PRESENCE_WRITE, &node);
        for change in changes {
            call.arg(&*change.topic);
            call.arg(change.user.as_deref().unwrap_or_default());
            call.arg(change.connections);
            call.arg(change.data.as_deref().unwrap_or_default());
        }
        let known = self.read_reply(self.run(&call).await?, entry::number)?;
        if known == 0 {
            return Err(self
                .shared
                .unavailable_for("presence does not know this node yet"));
        }
        Ok(())
    }

    async fn read(&self, topic: &str, limit: usize, after: &str) -> Result<Page, Unavailable> {
        let mut call = script::PRESENCE_READ.call(&[&self.keys.connections]);
        call.arg(&self.keys.prefix).arg(topic).arg(limit).arg(after);
        self.read_reply(ask(&self.shared, &call).await?, page)
    }

    fn read_reply<T>(
        &self,
        reply: Value,
        read: impl FnOnce(Value) -> Result<T, Unexpected>,
    ) -> Result<T, Unavailable> {
        read(reply).map_err(|error| self.shared.unavailable_by(error))
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
        self.beat_until_swept(heartbeat, written).boxed()
    }

    fn pending(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Pending>, Unavailable>> {
        async move {
            let keys = [self.keys.pending.as_str(), self.keys.publisher.as_str()];
            let mut call = script::PRESENCE_PENDING.call(&keys);
            let node = self.node.lock().id.clone();
            let within = u64::try_from(PUBLISHES_FOR.as_millis()).unwrap_or(u64::MAX);
            call.arg(node).arg(limit).arg(within);
            self.read_reply(self.run(&call).await?, pending)
        }
        .boxed()
    }

    fn published<'a>(
        &'a self,
        first: &'a str,
        count: usize,
    ) -> BoxFuture<'a, Result<(), Unavailable>> {
        async move {
            let mut call = script::PRESENCE_PUBLISHED.call(&[&self.keys.pending]);
            call.arg(first).arg(count);
            self.run(&call).await?;
            Ok(())
        }
        .boxed()
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
            let mut found = self.read(topic, limit + 1, after).await?.found;
            let more = found.len() > limit;
            found.truncate(limit);
            Ok(Members { found, more })
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
            call.arg(format!("{}{topic}", self.keys.signal)).arg("1");
            let within = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
            call.arg("NX").arg("PX").arg(within);
            Ok(entry::optional(self.run(&call).await?).is_some())
        }
        .boxed()
    }

    fn outlives_nodes(&self) -> bool {
        true
    }
}

/// The reply to a beat.
struct Reported {
    is_whole: bool,
    has_more: bool,
    topics: Vec<Arc<str>>,
}

fn reported(reply: Value) -> Result<Reported, Unexpected> {
    let [is_whole, has_more, topics] = entry::parts(reply)?;
    let topics = entry::list(topics)?.into_iter().map(shared_text);
    Ok(Reported {
        is_whole: entry::number(is_whole)? == 1,
        has_more: entry::number(has_more)? == 1,
        topics: topics.collect::<Result<_, _>>()?,
    })
}

fn shared_text(value: Value) -> Result<Arc<str>, Unexpected> {
    entry::text(value).map(Arc::from)
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

fn some(text: Arc<str>) -> Option<Arc<str>> {
    Some(text).filter(|text| !text.is_empty())
}

fn pending(reply: Value) -> Result<Vec<Pending>, Unexpected> {
    let changes = entry::list(reply)?.into_iter();
    changes
        .map(|change| one_pending(&entry::text(change)?))
        .collect()
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
            .field("address", &self.shared.address.to_string())
            .finish_non_exhaustive()
    }
}
