//! `GET /metrics`: the counters of the broadcaster, and figures of the process.

mod core;
mod history;
mod memory_limit;
mod output;
mod presence;
mod process;
mod samples;
mod tls;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicUsize},
};

use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    metrics::info::Info,
    registry::Registry,
};

use self::core::Core;
pub(crate) use self::samples::{MAX_SAMPLES, Sample, Samples};
use crate::{
    http::{http2, tls::Tls},
    traces::TraceStats,
};
use sse_broadcaster::broadcaster::Broadcaster;
use sse_broadcaster_http::AppState;

/// Everything that `GET /metrics` reports.
pub(crate) struct Metrics {
    registry: Registry,
    /// Metrics whose names do not have the server's prefix.
    process: Registry,
}

impl Metrics {
    /// `direct` counts the streams on the direct path, and `http2` what is open over HTTP/2.
    pub(crate) fn new(
        broadcaster: &Broadcaster,
        (direct, http2): (&Arc<AtomicUsize>, &Arc<http2::Counts>),
        state: &AppState,
        traces: Option<Arc<TraceStats>>,
        tls: Option<Tls>,
    ) -> Self {
        let mut registry = Registry::with_prefix("sse_broadcaster");
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Version of the server", build);
        registry.register_collector(Box::new(Core {
            broadcaster: broadcaster.clone(),
            direct: Arc::clone(direct),
            http2: Arc::clone(http2),
            refusals: Arc::clone(&state.refusals),
            uploads: Arc::clone(&state.uploads),
            presence: state.presence.clone(),
            traces,
            tls,
        }));
        let mut process = Registry::default();
        process.register_collector(Box::new(process::Process::new()));
        Self { registry, process }
    }

    pub(crate) fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &self.process)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}
