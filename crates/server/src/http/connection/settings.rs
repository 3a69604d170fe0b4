//! The settings of a connection.

use std::{sync::Arc, time::Duration};

use super::{capacity::Capacity, paths::Paths};
use sse_broadcaster::internal::ReplayBuffers;
use sse_broadcaster_http::RefusalCounts;

/// How long a client may take to send a request's head.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// What all connections of a listener share.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) stall_timeout: Duration,
    /// How long a client may take for the head of a further request. For the first one of a connection actix has a
    /// timeout.
    pub(crate) head_timeout: Duration,
    pub(crate) socket_buffer_bytes: usize,
    /// Whether streams are sent to in batches.
    pub(crate) io_uring: bool,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) replay_buffers: Arc<ReplayBuffers>,
    pub(crate) refusals: Arc<RefusalCounts>,
    pub(crate) paths: Paths,
}
