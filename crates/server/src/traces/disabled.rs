//! A program that was built without the feature `opentelemetry`.

use std::{convert::Infallible, sync::Arc};

use super::TraceStats;
use crate::config::{BadSetting, Config};
use sse_broadcaster::Options;
use sse_broadcaster_actix::AppState;

/// There is none.
pub(crate) struct Traces(Infallible);

/// # Errors
/// Where an endpoint is given.
pub(crate) fn check(config: &Config) -> Result<(), BadSetting> {
    if config.traces.otlp_endpoint.is_none() {
        return Ok(());
    }
    Err(BadSetting(
        "--otlp-endpoint: this program was built without traces; build it with --features opentelemetry, or leave the \
         setting out"
            .to_owned(),
    ))
}

impl Traces {
    pub(crate) fn start(config: &Config) -> Result<Option<Self>, BadSetting> {
        check(config).map(|()| None)
    }

    pub(crate) fn observe(&self, _: Options, _: &'static str) -> Options {
        match self.0 {}
    }

    pub(crate) fn trace(&self, _: AppState) -> AppState {
        match self.0 {}
    }

    pub(crate) fn stats(&self) -> Arc<TraceStats> {
        match self.0 {}
    }

    #[allow(clippy::unused_async, reason = "as with the feature")]
    pub(crate) async fn end(self) {
        match self.0 {}
    }
}
