//! Opens the history that the settings choose.

use std::{sync::Arc, time::Duration};

use super::{error::ServeError, position_cipher::KeyStore, shared_history::SharedHistory};
use crate::config::{BadSetting, Config, LogLocation};
use sse_broadcaster::history::{History, Memory};
use sse_broadcaster_cli::Secret;
use sse_broadcaster_disk::Disk;
use sse_broadcaster_postgres::{Postgres, PostgresOptions};
use sse_broadcaster_presence::{MemoryStore, MemorySubscriptions, Store, SubscriptionStore};
use sse_broadcaster_redis::{Redis, RedisOptions};

/// How long the start waits for Redis or PostgreSQL. Then the server serves without it until it can be reached.
const SHARED_WITHIN: Duration = Duration::from_secs(5);

/// An open history, and its description for the log.
pub(crate) struct Opened {
    pub(crate) history: Arc<dyn History>,
    pub(crate) description: String,
    pub(crate) key_store: KeyStore,
    /// The members of topics, on all nodes of the history.
    pub(crate) members: Arc<dyn Store>,
    /// The subscriptions of the hub, on all nodes of the history.
    pub(crate) subscriptions: Arc<dyn SubscriptionStore>,
    /// What the nodes of the history report their figures to; `None` if it has one node alone.
    pub(crate) nodes: Option<Arc<dyn SharedHistory>>,
    pub(crate) kind: &'static str,
}

/// Opens the history. Blocks while another process has the directory.
///
/// # Errors
/// For a setting that is not valid, and for a log that cannot be opened.
pub(crate) async fn open(config: &Config) -> Result<Opened, ServeError> {
    let retention = config.history.retention();
    let (events, mebibytes) = (retention.events, retention.bytes >> 20);
    match config.history.location()? {
        LogLocation::Memory => Ok(Opened {
            history: Arc::new(Memory::new(retention)),
            description: format!("in memory ({events} events, {mebibytes} MiB)"),
            key_store: KeyStore::Memory,
            members: Arc::new(MemoryStore::new()),
            subscriptions: Arc::new(MemorySubscriptions::new()),
            nodes: None,
            kind: "memory",
        }),
        LogLocation::Disk(directory) => {
            let disk = Disk::open(
                sse_broadcaster_disk::Options::new(directory)
                    .wait(config.history.data_dir_wait)
                    .sync(config.history.sync)
                    .retention(retention)
                    .window(config.history.window())
                    .cache_bytes(config.history.cache_bytes),
            );
            let disk = Arc::new(disk?);
            let held = disk.bounds().events;
            Ok(Opened {
                history: Arc::clone(&disk) as _,
                key_store: KeyStore::Disk(disk),
                members: Arc::new(MemoryStore::new()),
                subscriptions: Arc::new(MemorySubscriptions::new()),
                nodes: None,
                kind: "disk",
                description: format!(
                    "in {} (holds {held} events, keeps {events} and {mebibytes} MiB, synced {})",
                    directory.display(),
                    config.history.sync
                ),
            })
        }
        LogLocation::Redis(url) => open_redis(config, url).await,
        LogLocation::Postgres(url) => open_postgres(config, url).await,
    }
}

async fn open_redis(config: &Config, url: &Secret) -> Result<Opened, ServeError> {
    let redis = connect_to_redis(config, url)?;
    redis.tried(SHARED_WITHIN).await;
    let prefix = &config.history.redis_prefix;
    let description = format!("in Redis at {} (prefix {prefix})", redis.address());
    let redis = Arc::new(redis);
    Ok(Opened {
        history: Arc::clone(&redis) as _,
        description,
        members: Arc::new(redis.presence()),
        subscriptions: Arc::new(redis.subscriptions()),
        nodes: Some(Arc::clone(&redis) as _),
        kind: "redis",
        key_store: KeyStore::Shared(redis),
    })
}

async fn open_postgres(config: &Config, url: &Secret) -> Result<Opened, ServeError> {
    let postgres = connect_to_postgres(config, url)?;
    postgres.tried(SHARED_WITHIN).await;
    let schema = &config.history.postgres_schema;
    let description = format!("in PostgreSQL at {} (schema {schema})", postgres.address());
    let postgres = Arc::new(postgres);
    Ok(Opened {
        history: Arc::clone(&postgres) as _,
        description,
        members: Arc::new(postgres.presence()),
        subscriptions: Arc::new(postgres.subscriptions()),
        nodes: Some(Arc::clone(&postgres) as _),
        kind: "postgres",
        key_store: KeyStore::Shared(postgres),
    })
}

/// Begins to connect.
///
/// # Errors
/// For a URL that is not one of Redis.
pub(super) fn connect_to_redis(config: &Config, url: &Secret) -> Result<Redis, BadSetting> {
    let mut options = RedisOptions::new(url.expose())
        .prefix(config.history.redis_prefix.clone())
        .retention(config.history.retention())
        .window(config.history.window());
    if let Some(timeout) = config.history.history_timeout {
        options = options.timeout(timeout);
    }
    Redis::connect(options).map_err(|bad| BadSetting(format!("--redis-url: {bad}")))
}

/// Begins to connect.
///
/// # Errors
/// For a URL that is not one of PostgreSQL, and a name that cannot be a schema.
pub(super) fn connect_to_postgres(config: &Config, url: &Secret) -> Result<Postgres, BadSetting> {
    let mut options = PostgresOptions::new(url.expose())
        .schema(config.history.postgres_schema.clone())
        .retention(config.history.retention())
        .window(config.history.window())
        .max_event_bytes(config.max_event_bytes)
        .topic_rules(config.topic_rules.rules(&config.given)?);
    if let Some(timeout) = config.history.history_timeout {
        options = options.timeout(timeout);
    }
    Postgres::connect(options).map_err(|bad| BadSetting(format!("--postgres-url: {bad}")))
}
