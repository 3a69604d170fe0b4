//! What the connections of a worker share.

use std::sync::{Arc, atomic::AtomicUsize};

use actix_http::ServiceConfig;

use crate::http::connection::settings::Settings;
use sse_broadcaster_http::AppState;

/// What all connections of a worker share.
pub(crate) struct WorkerContext {
    pub(crate) state: Arc<AppState>,
    pub(crate) settings: Settings,
    pub(crate) config: ServiceConfig,
    /// Counts the streams of all workers.
    pub(crate) streams: Arc<AtomicUsize>,
}
