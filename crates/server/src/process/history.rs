//! The history that the settings ask for.

use std::{sync::Arc, time::Duration};

use super::error::ServeError;
use crate::config::{BadSetting, Config, LogPlace};
use sse_broadcaster::history::{History, Memory};
use sse_broadcaster_cli::Secret;
use sse_broadcaster_disk::Disk;
use sse_broadcaster_redis::{Redis, RedisOptions};

/// How long a start waits for Redis before it serves without.
const REDIS_WITHIN: Duration = Duration::from_secs(5);

/// What was opened, and how to call it.
pub(crate) struct Opened {
    pub(crate) history: Arc<dyn History>,
    pub(crate) description: String,
}

/// Opens it. Blocks while it waits for another process to let go of it.
///
/// # Errors
/// When a setting cannot be, or the log is out of order: with the choice that the operator has.
pub(crate) async fn open(config: &Config) -> Result<Opened, ServeError> {
    let retention = config.history.retention();
    let (events, mebibytes) = (retention.events, retention.bytes >> 20);
    match config.history.place()? {
        LogPlace::Memory => Ok(Opened {
            history: Arc::new(Memory::new(retention)),
            description: format!("in memory ({events} events, {mebibytes} MiB)"),
        }),
        LogPlace::Disk(directory) => {
            let disk = Disk::open(
                sse_broadcaster_disk::Options::new(directory)
                    .wait(config.history.data_dir_wait)
                    .sync(config.history.sync)
                    .retention(retention)
                    .window(config.history.window())
                    .cache_bytes(config.history.cache_bytes),
            );
            let disk = disk?;
            let held = disk.bounds().events;
            Ok(Opened {
                history: Arc::new(disk),
                description: format!(
                    "in {} (holds {held} events, keeps {events} and {mebibytes} MiB, synced {})",
                    directory.display(),
                    config.history.sync
                ),
            })
        }
        LogPlace::Redis(url) => open_redis(config, url).await,
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
    Ok(Opened {
        history: Arc::new(redis),
        description,
    })
}
