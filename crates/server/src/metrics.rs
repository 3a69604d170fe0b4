//! `GET /metrics`: the atomics of the broadcaster, and of the process, as Prometheus text.

mod core;
mod history;
mod output;
mod process;

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
use sse_broadcaster::broadcaster::Broadcaster;
use sse_broadcaster_http::AppState;

/// The whole of `GET /metrics`.
pub(crate) struct Metrics {
    registry: Registry,
    /// Whose names have no prefix of ours.
    process: Registry,
}

impl Metrics {
    /// `direct` counts the streams that the server has on sockets of its own.
    pub(crate) fn new(
        broadcaster: &Broadcaster,
        direct: &Arc<AtomicUsize>,
        state: &AppState,
    ) -> Self {
        let mut registry = Registry::with_prefix("sse_broadcaster");
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The server that answers", build);
        registry.register_collector(Box::new(Core {
            broadcaster: broadcaster.clone(),
            direct: Arc::clone(direct),
            refusals: Arc::clone(&state.refusals),
            uploads: Arc::clone(&state.uploads),
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
