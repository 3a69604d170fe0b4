//! The provider of spans: sampler, resource, queue, and the end.

mod attributes;
mod exporter;
mod observer;
mod otlp;
mod publishes;
mod queue;
mod settings;

use std::{
    env,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use opentelemetry::{InstrumentationScope, Key, KeyValue, trace::TracerProvider as _};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider},
};
use sse_broadcaster::Options;
use sse_broadcaster_access::transport::HttpTransport;
use sse_broadcaster_actix::AppState;

use self::{
    exporter::{Ending, Exporter},
    observer::Observer,
    publishes::Publishes,
    queue::Queue,
    settings::Settings,
};
use super::TraceStats;
use crate::config::{BadSetting, Config};

const NAME: &str = "sse-broadcaster";
const VERSION: &str = env!("CARGO_PKG_VERSION");
const SERVICE_NAME: Key = Key::from_static_str("service.name");
/// What the SDK has in place of a name that is not set.
const UNKNOWN_SERVICE: &str = "unknown_service";
/// How long the end of the process waits for spans to be sent.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);

/// Records and sends spans. One thread of its own sends them.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    stats: Arc<TraceStats>,
    ending: Arc<Ending>,
}

/// # Errors
/// For an endpoint that is no URL.
pub(crate) fn check(config: &Config) -> Result<(), BadSetting> {
    read(config).map(drop)
}

fn read(config: &Config) -> Result<Option<Settings>, BadSetting> {
    let (settings, warnings) = settings::read(config, |name| env::var(name).ok())?;
    for warning in warnings {
        log::warn!("{warning}");
    }
    Ok(settings)
}

impl Traces {
    /// Begins to record and to send spans; `None` without an endpoint.
    ///
    /// # Errors
    /// For an endpoint that is no URL.
    pub(crate) fn start(config: &Config) -> Result<Option<Self>, BadSetting> {
        let Some(settings) = read(config)? else {
            return Ok(None);
        };
        log::info!("traces: spans are sent to {}", settings.url);
        let (stats, ending) = (Arc::<TraceStats>::default(), Arc::<Ending>::default());
        let (waiting, max) = (Arc::default(), settings.queue);
        let resource = resource();
        let exporter = Exporter {
            settings,
            transport: Arc::new(HttpTransport::default()),
            resource: resource.clone(),
            waiting: Arc::clone(&waiting),
            stats: Arc::clone(&stats),
            ending: Arc::clone(&ending),
            is_failing: AtomicBool::new(false),
        };
        let queue = Queue::start(exporter, waiting, max, Arc::clone(&stats));
        // The provider reads the variables of the sampler and of the limits of spans.
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_span_processor(queue)
            .build();
        let scope = InstrumentationScope::builder(NAME).with_version(VERSION);
        Ok(Some(Self {
            tracer: provider.tracer_with_scope(scope.build()),
            provider,
            stats,
            ending,
        }))
    }

    /// The same options, so that appends and deliveries are recorded; `history` is the name of the history.
    pub(crate) fn observe(&self, options: Options, history: &'static str) -> Options {
        let tracer = self.tracer.clone();
        options.observer(Arc::new(Observer { tracer, history }))
    }

    /// The same state, so that publishes are recorded.
    pub(crate) fn trace(&self, state: AppState) -> AppState {
        state.tracer(Arc::new(Publishes(self.tracer.clone())))
    }

    pub(crate) fn stats(&self) -> Arc<TraceStats> {
        Arc::clone(&self.stats)
    }

    /// Sends what waits, for a while.
    pub(crate) async fn end(self) {
        self.ending.begin();
        let ending =
            tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(FLUSH_WITHIN));
        if let Ok(Err(why)) = ending.await {
            log::warn!("traces: the last spans were not sent: {why}");
        }
    }
}

/// What the variables say of this service, and its name and version by default.
fn resource() -> Resource {
    let builder = Resource::builder().with_attribute(KeyValue::new("service.version", VERSION));
    let resource = builder.build();
    let name = resource.get_ref(&SERVICE_NAME);
    if name.is_none_or(|name| name.as_str().starts_with(UNKNOWN_SERVICE)) {
        let named = Resource::builder().with_service_name(NAME);
        let version = KeyValue::new("service.version", VERSION);
        return named.with_attribute(version).build();
    }
    resource
}
