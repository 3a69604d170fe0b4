//! The bounds that all request bodies share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What all request bodies share: how much they may take, and how much they take now.
#[derive(Debug)]
pub struct Uploads {
    pub(super) limits: UploadLimits,
    pub(super) bytes: AtomicUsize,
    pub(super) slow: AtomicUsize,
}

/// How much request bodies may take.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct UploadLimits {
    /// Bytes that are held in all until they are published, beyond the first 16 KiB of each body. 64 MiB by
    /// default.
    pub bytes: usize,
    /// How many bodies may be under way that have taken longer than a second. 1,024 by default.
    pub slow: usize,
    /// How long the next of streamed lines may take. A minute by default.
    pub idle_timeout: Duration,
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            slow: 1_024,
            idle_timeout: Duration::from_secs(60),
        }
    }
}

impl UploadLimits {
    /// Sets how many bytes are held in all.
    #[must_use]
    pub fn bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// Sets how many bodies may be under way that have taken longer than a second.
    #[must_use]
    pub fn slow(self, slow: usize) -> Self {
        Self { slow, ..self }
    }

    /// Sets how long the next of streamed lines may take.
    #[must_use]
    pub fn idle_timeout(self, idle_timeout: Duration) -> Self {
        Self {
            idle_timeout,
            ..self
        }
    }
}

impl Uploads {
    /// With these bounds, and nothing under way.
    #[must_use]
    pub fn new(limits: UploadLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            bytes: AtomicUsize::new(0),
            slow: AtomicUsize::new(0),
        })
    }

    /// Bytes that are held now, beyond the first 16 KiB of each body.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many bodies are under way that have taken longer than a second.
    pub fn slow(&self) -> usize {
        self.slow.load(Ordering::Relaxed)
    }
}
