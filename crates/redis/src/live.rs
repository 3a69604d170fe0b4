//! What presence and the subscriptions of a hub have in common: each node reports that it lives, what it has written
//! ends with it, and one node at a time publishes the queue of what has changed.

use std::{sync::Arc, time::Duration};

use ::redis::{Cmd, Value};
use sse_broadcaster::{history::Unavailable, internal::whole_ms};
use sse_broadcaster_presence::{
    Beat,
    internal::{LiveNode, PUBLISHES_FOR, Reported, Written},
};

use super::{
    entry::{self, Unexpected},
    refusal::is_lost,
    script::{self, Script},
    shared::Shared,
};

/// Keys whose members belong to nodes, and the name of this node in them.
pub(super) struct LiveNodes {
    pub(super) shared: Arc<Shared>,
    keys: Keys,
    node: LiveNode,
}

struct Keys {
    nodes: String,
    /// Of presence, or of subscriptions.
    own: String,
    pending: String,
    last_beat: String,
    publisher: String,
    /// What all of them begin with.
    prefix: String,
}

impl LiveNodes {
    /// `own` is the name of the one further key of the scripts.
    pub(super) fn new(shared: &Arc<Shared>, prefix: &str, own: &str) -> Self {
        let key = |name: &str| format!("{prefix}{name}");
        Self {
            keys: Keys {
                nodes: key("nodes"),
                own: key(own),
                pending: key("pending"),
                last_beat: key("beat"),
                publisher: key("publisher"),
                prefix: prefix.to_owned(),
            },
            shared: Arc::clone(shared),
            node: LiveNode::default(),
        }
    }

    /// Runs a call that changes something.
    pub(super) async fn run(&self, call: &Cmd) -> Result<Value, Unavailable> {
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
    pub(super) fn change(&self, script: &Script) -> Cmd {
        let keys = &self.keys;
        let all = [&keys.nodes, &keys.own, &keys.pending, &keys.last_beat];
        let mut call = script.call(&all.map(String::as_str));
        let random = format!("{:032x}", fastrand::u128(..));
        call.arg(&keys.prefix).arg(random).arg(self.node.name());
        call
    }

    /// A call of a script that reads members, up to its own arguments.
    pub(super) fn look(&self, script: &Script) -> Cmd {
        let mut call = script.call(&[&self.keys.own]);
        call.arg(&self.keys.prefix);
        call
    }

    async fn report(
        &self,
        script: &Script,
        heartbeat: Duration,
        written: Written,
    ) -> Result<Reported, Unavailable> {
        let mut call = self.change(script);
        call.arg(whole_ms(heartbeat));
        let members = written.members;
        call.arg(members.map_or_else(String::new, |members| members.to_string()));
        call.arg(written.batch);
        self.read_reply(self.run(&call).await?, reported)
    }

    /// The list has this batch under the name of this node.
    pub(super) fn has_written(&self, batch: u64) {
        self.node.has_written(batch);
    }

    /// Reports by this script that the node lives, until no dead node has members.
    pub(super) async fn beat(
        &self,
        script: &Script,
        heartbeat: Duration,
        members: Option<usize>,
    ) -> Result<Beat, Unavailable> {
        let report = |written| self.report(script, heartbeat, written);
        self.node.beat(members, report).await
    }

    /// The oldest changes to be published, as the scripts pushed them.
    pub(super) async fn pending<T>(
        &self,
        limit: usize,
        read: impl Fn(&str) -> Result<T, Unexpected>,
    ) -> Result<Vec<T>, Unavailable> {
        let keys = [self.keys.pending.as_str(), self.keys.publisher.as_str()];
        let mut call = script::QUEUE_PENDING.call(&keys);
        let within = whole_ms(PUBLISHES_FOR);
        call.arg(self.node.name()).arg(limit).arg(within);
        let read_all = |reply| {
            let changes = entry::list(reply)?.into_iter();
            changes.map(|change| read(&entry::text(change)?)).collect()
        };
        self.read_reply(self.run(&call).await?, read_all)
    }

    /// Removes the oldest changes, which were published.
    pub(super) async fn published(&self, first: &str, count: usize) -> Result<(), Unavailable> {
        let mut call = script::QUEUE_PUBLISHED.call(&[&self.keys.pending]);
        call.arg(first).arg(count);
        self.run(&call).await?;
        Ok(())
    }

    /// Reads a reply.
    ///
    /// # Errors
    /// It is not what a script of this version replies.
    pub(super) fn read_reply<T>(
        &self,
        reply: Value,
        read: impl FnOnce(Value) -> Result<T, Unexpected>,
    ) -> Result<T, Unavailable> {
        read(reply).map_err(|error| self.shared.unavailable_by(error))
    }
}

/// The reply to a beat.
fn reported(reply: Value) -> Result<Reported, Unexpected> {
    let [is_whole, has_more, topics] = entry::parts(reply)?;
    let topics = entry::list(topics)?.into_iter().map(shared_text);
    Ok(Reported {
        is_whole: entry::number(is_whole)? == 1,
        has_more: entry::number(has_more)? == 1,
        topics: topics.collect::<Result<_, _>>()?,
    })
}

pub(super) fn shared_text(value: Value) -> Result<Arc<str>, Unexpected> {
    entry::text(value).map(Arc::from)
}

/// `None` for the empty text.
pub(super) fn some(text: Arc<str>) -> Option<Arc<str>> {
    Some(text).filter(|text| !text.is_empty())
}
