//! Sends batches of spans to the collector, by POST.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{SpanData, SpanExporter},
};
use parking_lot::{Condvar, Mutex};
use sse_broadcaster_access::transport::{Request, Transport};

use super::{otlp, queue::Waiting, settings::Settings};
use crate::traces::TraceStats;

/// How long to wait before a batch is sent again, after each attempt that failed. Then it is dropped.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// Longest response that is read.
const MAX_RESPONSE_BYTES: usize = 64 << 10;
/// What of a response or an error is logged.
const MAX_LOGGED_CHARS: usize = 200;

/// Set at the end of the process: nothing is sent again then.
#[derive(Debug, Default)]
pub(super) struct Ending {
    has_begun: Mutex<bool>,
    begun: Condvar,
}

impl Ending {
    pub(super) fn begin(&self) {
        *self.has_begun.lock() = true;
        self.begun.notify_all();
    }

    /// Waits; false if the end begins meanwhile.
    fn pause(&self, time: Duration) -> bool {
        let mut has_begun = self.has_begun.lock();
        if !*has_begun {
            self.begun.wait_for(&mut has_begun, time);
        }
        !*has_begun
    }
}

/// Runs on the thread of the queue, which may wait.
pub(super) struct Exporter {
    pub(super) settings: Settings,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) resource: Resource,
    pub(super) waiting: Waiting,
    pub(super) stats: Arc<TraceStats>,
    pub(super) ending: Arc<Ending>,
    /// Whether the last batch was dropped: each change is logged once.
    pub(super) is_failing: AtomicBool,
}

/// Why a batch was not accepted.
struct Failure {
    why: String,
    may_repeat: bool,
}

impl Exporter {
    fn send_all(&self, spans: &[SpanData]) -> Result<(), String> {
        let body = otlp::body(&self.resource, spans).map_err(|why| why.to_string())?;
        let mut request = Request::post(
            self.settings.url.clone(),
            self.settings.headers.clone(),
            body,
        );
        let json = ("content-type".to_owned(), "application/json".to_owned());
        request.headers.push(json);
        request.timeout = self.settings.timeout;
        request.max_bytes = MAX_RESPONSE_BYTES;
        let mut pauses = PAUSES.iter();
        loop {
            let failure = match self.send(&request, spans.len()) {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            let pause = pauses.next().filter(|_| failure.may_repeat);
            if !pause.is_some_and(|pause| self.ending.pause(*pause)) {
                return Err(failure.why);
            }
        }
    }

    fn send(&self, request: &Request, spans: usize) -> Result<(), Failure> {
        let response = self.transport.send(request).map_err(|why| Failure {
            why: why.to_string(),
            may_repeat: true,
        })?;
        if !(200..300).contains(&response.status) {
            return Err(Failure {
                why: format!(
                    "it responded with {}: {}",
                    response.status,
                    String::from_utf8_lossy(&response.body)
                ),
                may_repeat: matches!(response.status, 429 | 502..=504),
            });
        }
        let (rejected, why) = otlp::rejected(&response.body);
        let rejected = rejected.min(spans as u64);
        self.stats
            .sent
            .fetch_add(spans as u64 - rejected, Ordering::Relaxed);
        if rejected > 0 && self.stats.dropped.fetch_add(rejected, Ordering::Relaxed) == 0 {
            log::warn!(
                "traces: the collector rejects {rejected} spans: {}",
                short(&why)
            );
        }
        Ok(())
    }

    fn report(&self, result: &Result<(), String>) {
        let was_failing = self.is_failing.swap(result.is_err(), Ordering::Relaxed);
        match result {
            Err(why) if !was_failing => log::warn!(
                "traces: the collector at {} does not accept spans, and they are dropped: {}",
                self.settings.url,
                short(why)
            ),
            Ok(()) if was_failing => {
                log::info!(
                    "traces: the collector at {} accepts spans again",
                    self.settings.url
                );
            }
            _ => {}
        }
    }
}

fn short(text: &str) -> String {
    let line = text.escape_debug().take(MAX_LOGGED_CHARS);
    line.collect()
}

impl SpanExporter for Exporter {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        self.waiting.fetch_sub(spans.len(), Ordering::Relaxed);
        let result = self.send_all(&spans);
        if result.is_err() {
            let count = spans.len() as u64;
            self.stats.dropped.fetch_add(count, Ordering::Relaxed);
        }
        self.report(&result);
        result.map_err(OTelSdkError::InternalFailure)
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Exporter").field(&self.settings.url).finish()
    }
}
