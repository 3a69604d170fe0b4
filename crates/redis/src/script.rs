//! The scripts that run inside of Redis, each one atomic step, and the keys that they work on.

use std::sync::OnceLock;

use ::redis::{Cmd, RedisError, Value, aio::MultiplexedConnection};

/// A script and how Redis calls it.
pub(super) struct Script {
    text: &'static str,
    sha: OnceLock<String>,
}

/// The text of a script, behind what it shares with others.
macro_rules! script {
    ($($file:literal),+) => {
        Script::new(concat!($(include_str!(concat!("scripts/", $file, ".lua"))),+))
    };
}

pub(super) static APPEND: Script = script!("common", "erased", "log", "append", "trim");
pub(super) static PLAIN: Script = script!("common", "erased", "log", "plain", "trim");
pub(super) static ERASE: Script = script!("common", "erased", "log", "indexed", "erase", "trim");
pub(super) static ADOPT: Script = script!("common", "adopt");
pub(super) static EPOCH: Script = script!("common", "epoch");
pub(super) static POLL: Script = script!("erased", "poll");
pub(super) static READ: Script = script!("common", "erased", "entries", "indexed", "read");
pub(super) static NEWEST: Script = script!("common", "erased", "entries", "indexed", "newest");
pub(super) static RESTORE_KEYS: Script = script!("restore_keys");
pub(super) static RETAINED: Script = script!("common", "retained");
pub(super) static NAMES: Script = script!("names");
pub(super) static NODES: Script = script!("common", "nodes");
pub(super) static PRESENCE_WRITE: Script = script!("common", "live", "presence", "presence_write");
pub(super) static PRESENCE_BEAT: Script = script!("common", "live", "presence", "presence_beat");
pub(super) static PRESENCE_READ: Script = script!("presence_read");
pub(super) static SUBSCRIPTIONS_WRITE: Script =
    script!("common", "live", "subscriptions", "subscriptions_write");
pub(super) static SUBSCRIPTIONS_BEAT: Script =
    script!("common", "live", "subscriptions", "subscriptions_beat");
pub(super) static SUBSCRIPTIONS_READ: Script = script!("subscriptions_read");
pub(super) static QUEUE_PENDING: Script = script!("queue_pending");
pub(super) static QUEUE_PUBLISHED: Script = script!("queue_published");

impl Script {
    const fn new(text: &'static str) -> Self {
        Self {
            text,
            sha: OnceLock::new(),
        }
    }

    /// A call with these keys; its arguments are still to be added.
    pub(super) fn call(&self, keys: &[&str]) -> Cmd {
        let mut command = ::redis::cmd("EVALSHA");
        // Not loaded yet: Redis answers NOSCRIPT, and nothing is done.
        let sha = self.sha.get().map_or("-", String::as_str);
        command.arg(sha).arg(keys.len()).arg(keys);
        command
    }

    async fn load(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let mut command = ::redis::cmd("SCRIPT");
        command.arg("LOAD").arg(self.text);
        let sha: String = command.query_async(connection).await?;
        let _ = self.sha.set(sha);
        Ok(())
    }
}

/// Loads every script: Redis may have been restarted since.
pub(super) async fn load_all(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    let scripts = [
        &APPEND,
        &PLAIN,
        &ERASE,
        &ADOPT,
        &EPOCH,
        &POLL,
        &READ,
        &NEWEST,
        &RESTORE_KEYS,
        &RETAINED,
        &NAMES,
        &NODES,
        &PRESENCE_WRITE,
        &PRESENCE_BEAT,
        &PRESENCE_READ,
        &SUBSCRIPTIONS_WRITE,
        &SUBSCRIPTIONS_BEAT,
        &SUBSCRIPTIONS_READ,
        &QUEUE_PENDING,
        &QUEUE_PUBLISHED,
    ];
    for script in scripts {
        script.load(connection).await?;
    }
    Ok(())
}

/// Runs a script's call. It is sent a second time only where Redis says that it does not know the
/// script, and so has done nothing.
pub(super) async fn run(
    call: &Cmd,
    connection: &mut MultiplexedConnection,
) -> Result<Value, RedisError> {
    match call.query_async(connection).await {
        Err(error) if error.code() == Some("NOSCRIPT") => {
            load_all(connection).await?;
            call.query_async(connection).await
        }
        done => done,
    }
}

/// The keys of one log. One hash tag, so that they lie on one node of a Cluster.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) log: String,
    pub(super) meta: String,
    /// The id of each idempotency key.
    pub(super) ids_by_key: String,
    /// The filter of the idempotency keys whose events were dropped.
    pub(super) used_filter: String,
    pub(super) retained: String,
    /// Of the cipher of positions; no script uses it.
    pub(super) position_key: String,
    /// The nodes by when they reported last.
    pub(super) nodes: String,
    /// What each node reported.
    pub(super) figures: String,
    /// What the keys of presence begin with.
    pub(super) presence: String,
    /// What the keys of a hub's subscriptions begin with.
    pub(super) subscriptions: String,
    /// How many entries the index of each topic has.
    pub(super) topics: String,
    /// Followed by the topic.
    pub(super) topic: String,
    /// What is left of erased events.
    pub(super) erased: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        let key = |name: &str| format!("{{{prefix}}}:{name}");
        Self {
            log: key("log"),
            meta: key("meta"),
            ids_by_key: key("own"),
            used_filter: key("spent"),
            retained: key("retained"),
            position_key: key("position-key"),
            nodes: key("nodes"),
            figures: key("figures"),
            presence: key("presence:"),
            subscriptions: key("subscriptions:"),
            topics: key("topics"),
            topic: key("topic:"),
            erased: key("erased"),
        }
    }

    /// What the scripts that write to the log work on, in their order.
    pub(super) fn all(&self) -> [&str; 7] {
        [
            &self.log,
            &self.meta,
            &self.ids_by_key,
            &self.used_filter,
            &self.retained,
            &self.topics,
            &self.erased,
        ]
    }
}
