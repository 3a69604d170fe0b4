use std::sync::Arc;

use crate::{Access, Gate, RefusalCounts, UploadLimits, Uploads};
use sse_broadcaster::broadcaster::Broadcaster;
use sse_broadcaster_signals::Signals;

/// What the routes share.
#[derive(Debug)]
#[non_exhaustive]
pub struct AppState {
    /// Of the events.
    pub broadcaster: Broadcaster,
    /// On the same broadcaster.
    pub signals: Signals,
    /// Who may publish and read.
    pub gate: Gate,
    /// What request bodies take.
    pub uploads: Arc<Uploads>,
    /// How many requests were refused. The application counts them, the routes do not.
    pub refusals: Arc<RefusalCounts>,
}

impl AppState {
    /// With these rules and bounds.
    #[must_use]
    pub fn new(broadcaster: &Broadcaster, access: Access, uploads: UploadLimits) -> Self {
        Self {
            broadcaster: broadcaster.clone(),
            signals: Signals::new(broadcaster),
            gate: Gate::new(access),
            uploads: Uploads::new(uploads),
            refusals: Arc::default(),
        }
    }

    /// The same before a listener on loopback of this port, or before another one.
    #[must_use]
    pub fn before(&self, loopback_port: Option<u16>) -> Self {
        Self {
            broadcaster: self.broadcaster.clone(),
            signals: self.signals.clone(),
            gate: self.gate.before(loopback_port),
            uploads: Arc::clone(&self.uploads),
            refusals: Arc::clone(&self.refusals),
        }
    }
}
