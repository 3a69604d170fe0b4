//! The key by which positions are encrypted, kept where history is, so that other nodes and later processes have it.

use std::{
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use sse_broadcaster_disk::Disk;
use sse_broadcaster_http::{POSITION_KEY_BYTES, PositionKey};
use tokio::time::{sleep, timeout};

use super::{error::ServeError, shared_history::SharedHistory};

/// How long the start waits for a connection to a shared history that has just been reached.
const SHARED_WITHIN: Duration = Duration::from_secs(1);
const TRY_AGAIN: Duration = Duration::from_millis(20);
/// How often a node checks that the shared history still has its key: all keys may have been deleted, and another node may have set
/// one since.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// The same while it cannot be reached.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

type Key = [u8; POSITION_KEY_BYTES];

/// Where the key is kept.
pub(crate) enum KeyStore {
    /// Positions end with the process, and so does the key.
    Memory,
    Disk(Arc<Disk>),
    Shared(Arc<dyn SharedHistory>),
}

impl KeyStore {
    /// A cipher with the key that is kept. While a shared history cannot be reached it has one of its own: nothing can be
    /// resumed from there then.
    ///
    /// # Errors
    /// The key on disk cannot be read or written, or the system has no random numbers.
    pub(crate) async fn cipher(self) -> Result<Arc<PositionKey>, ServeError> {
        let key = PositionKey::random().map_err(ServeError::Random)?;
        match self {
            Self::Memory => Ok(Arc::new(PositionKey::new(key))),
            Self::Disk(disk) => {
                let kept = tokio::task::spawn_blocking(move || disk.position_key(key)).await;
                let kept = kept.map_err(|why| ServeError::Run(io::Error::other(why)))?;
                Ok(Arc::new(PositionKey::new(kept?)))
            }
            Self::Shared(shared) => {
                let reached = async {
                    loop {
                        match shared.position_key(key).await {
                            Ok(kept) => return kept,
                            Err(_) => sleep(TRY_AGAIN).await,
                        }
                    }
                };
                let key = timeout(SHARED_WITHIN, reached).await.unwrap_or(key);
                let cipher = Arc::new(PositionKey::new(key));
                let follow = follow(Arc::downgrade(&shared), Arc::downgrade(&cipher), key);
                tokio::spawn(follow);
                Ok(cipher)
            }
        }
    }
}

/// Keeps to the key of a shared history, until the history or the cipher is dropped.
async fn follow(shared: Weak<dyn SharedHistory>, cipher: Weak<PositionKey>, mut key: Key) {
    let mut is_failing = false;
    let mut wait = Duration::ZERO;
    loop {
        sleep(wait).await;
        let (Some(shared), Some(cipher)) = (shared.upgrade(), cipher.upgrade()) else {
            return;
        };
        match shared.position_key(key).await {
            Ok(kept) => {
                if kept != key {
                    key = kept;
                    cipher.replace(key);
                }
                is_failing = false;
                wait = CHECK_INTERVAL;
            }
            Err(why) => {
                if !std::mem::replace(&mut is_failing, true) {
                    log::warn!("the key of positions cannot be read, and is tried again: {why}");
                }
                wait = RETRY_INTERVAL;
            }
        }
    }
}
