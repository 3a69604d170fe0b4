//! What the connections of a worker share.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use actix_http::ServiceConfig;

use crate::http::connection::settings::Settings;
use sse_broadcaster_http::AppState;
use sse_broadcaster_mercure::Hub;

/// What all connections of a worker share.
pub(crate) struct WorkerContext {
    pub(crate) state: Arc<AppState>,
    /// Mercure's protocol, if it is served.
    pub(crate) hub: Option<Arc<Hub>>,
    pub(crate) settings: Settings,
    pub(crate) config: ServiceConfig,
    /// How long an idle connection is kept for a further request.
    pub(crate) keep_alive: Duration,
    /// Counts the streams of all workers.
    pub(crate) streams: Arc<AtomicUsize>,
}
