//! Opens the history that the settings choose.

use std::{sync::Arc, time::Duration};

use super::{error::ServeError, position_cipher::KeyStore};
use crate::config::{BadSetting, Config, LogLocation};
use sse_broadcaster::history::{History, Memory};
use sse_broadcaster_cli::Secret;
use sse_broadcaster_disk::Disk;
use sse_broadcaster_presence::{MemoryStore, Store};
use sse_broadcaster_redis::{Redis, RedisOptions};

/// How long the start waits for Redis. Then the server serves without it until it can be reached.
const REDIS_WITHIN: Duration = Duration::from_secs(5);

/// An open history, and its description for the log.
pub(crate) struct Opened {
    pub(crate) history: Arc<dyn History>,
    pub(crate) description: String,
    pub(crate) key_store: KeyStore,
    /// The members of topics, on all nodes of the history.
    pub(crate) members: Arc<dyn Store>,
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
                description: format!(
                    "in {} (holds {held} events, keeps {events} and {mebibytes} MiB, synced {})",
                    directory.display(),
                    config.history.sync
                ),
            })
        }
        LogLocation::Redis(url) => open_redis(config, url).await,
    }
}

async fn open_redis(config: &Config, url: &Secret) -> Result<Opened, ServeError> {
    let prefix = &config.history.redis_prefix;
    let options = RedisOptions::new(url.expose())
        .prefix(prefix.clone())
        .retention(config.history.retention())
        .window(config.history.window());
    let redis = Redis::connect(options).map_err(|bad| BadSetting(format!("--redis-url: {bad}")))?;
    redis.tried(REDIS_WITHIN).await;
    let description = format!("in Redis at {} (prefix {prefix})", redis.address());
    let redis = Arc::new(redis);
    Ok(Opened {
        history: Arc::clone(&redis) as _,
        description,
        members: Arc::new(redis.presence()),
        key_store: KeyStore::Redis(redis),
    })
}
