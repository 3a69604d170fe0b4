//! The bounds that all request bodies share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The bounds that all request bodies share, and what they use at present.
#[derive(Debug)]
pub struct Uploads {
    pub(super) limits: UploadLimits,
    pub(super) bytes: AtomicUsize,
    pub(super) slow: AtomicUsize,
}

/// Bounds of all request bodies together.
///
/// ```
/// use std::time::Duration;
/// use sse_broadcaster_http::UploadLimits;
///
/// let limits = UploadLimits::default().bytes(16 << 20).idle_timeout(Duration::from_secs(10));
/// assert_eq!(limits.slow, 1_024);
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct UploadLimits {
    /// Most bytes in memory until they are published, beyond the first 16 KiB of each body. 64 MiB by default.
    pub bytes: usize,
    /// Most bodies that have been arriving for more than a second. 1,024 by default.
    pub slow: usize,
    /// How long a body of lines may pause between two of them. A minute by default.
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
    /// Sets the most bytes in memory.
    #[must_use]
    pub fn bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// Sets the most bodies that have been arriving for more than a second.
    #[must_use]
    pub fn slow(self, slow: usize) -> Self {
        Self { slow, ..self }
    }

    /// Sets how long a body of lines may pause between two of them.
    #[must_use]
    pub fn idle_timeout(self, idle_timeout: Duration) -> Self {
        Self {
            idle_timeout,
            ..self
        }
    }
}

impl Uploads {
    /// Uploads with these bounds, of which none has begun.
    #[must_use]
    pub fn new(limits: UploadLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            bytes: AtomicUsize::new(0),
            slow: AtomicUsize::new(0),
        })
    }

    /// Bytes in memory at present, beyond the first 16 KiB of each body.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many bodies have been arriving for more than a second.
    pub fn slow(&self) -> usize {
        self.slow.load(Ordering::Relaxed)
    }
}
