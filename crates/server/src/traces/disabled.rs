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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::commands::Cli;

    #[test]
    fn an_endpoint_is_refused_with_how_to_build_a_program_that_has_traces() {
        let config = |args: &[&str]| Cli::parse_from(["sse-broadcaster"].iter().chain(args)).config;
        assert!(check(&config(&[])).is_ok());
        let refused = check(&config(&["--otlp-endpoint", "http://collector:4318"])).unwrap_err();
        assert!(refused.to_string().contains("--features opentelemetry"));
    }
}
