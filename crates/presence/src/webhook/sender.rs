//! The task that sends batches.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sse_broadcaster_access::transport::{self, HttpUrl, Request, Transport};
use tokio::time::sleep;

use super::{Queue, WebhookSecret};

/// How long to wait for more events before a batch is sent.
const BATCH_WAIT: Duration = Duration::from_millis(200);
/// Most events in a batch.
const MAX_BATCH_EVENTS: usize = 500;
/// Most bytes in a batch, beyond the first event.
const MAX_BATCH_BYTES: usize = 256 << 10;
/// How often a batch is sent before it is dropped: over four minutes.
const MAX_ATTEMPTS: u32 = 10;
const SHORTEST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

pub(super) struct Sender {
    pub(super) url: HttpUrl,
    pub(super) secret: WebhookSecret,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) queue: Arc<Queue>,
}

impl Sender {
    /// Never ends.
    pub(super) async fn run(self) {
        loop {
            let waiting = self.queue.waiting.lock().len();
            if waiting == 0 {
                self.queue.emptied.notify_waiters();
                self.queue.filled.notified().await;
                continue;
            }
            if waiting < MAX_BATCH_EVENTS {
                sleep(BATCH_WAIT).await;
            }
            let (body, events) = self.take_batch();
            let is_sent = self.send(body).await;
            let stats = &self.queue.stats;
            let counter = if is_sent { &stats.sent } else { &stats.dropped };
            counter.fetch_add(events as u64, Ordering::Relaxed);
            self.queue.in_progress.store(0, Ordering::SeqCst);
        }
    }

    /// The next events as a JSON array, and how many they are.
    fn take_batch(&self) -> (Vec<u8>, usize) {
        let mut waiting = self.queue.waiting.lock();
        let mut body = String::from("[");
        let mut events = 0;
        while events < MAX_BATCH_EVENTS && body.len() < MAX_BATCH_BYTES {
            let Some(event) = waiting.pop_front() else {
                break;
            };
            if events > 0 {
                body.push(',');
            }
            body.push_str(&event);
            events += 1;
        }
        body.push(']');
        self.queue.in_progress.store(events, Ordering::SeqCst);
        (body.into_bytes(), events)
    }

    /// Sends a batch until it is accepted, and returns whether it was.
    async fn send(&self, body: Vec<u8>) -> bool {
        let id = format!("msg_{:032x}", fastrand::u128(..));
        let mut backoff = SHORTEST_BACKOFF;
        for attempt in 1..=MAX_ATTEMPTS {
            let Err(why) = self.attempt(&id, &body).await else {
                if attempt > 1 {
                    log::info!("webhooks: {} accepts events again", self.url);
                }
                return true;
            };
            let stats = &self.queue.stats;
            stats.failed_requests.fetch_add(1, Ordering::Relaxed);
            if attempt == 1 {
                log::warn!(
                    "webhooks: {} did not accept events: {why}; it is retried",
                    self.url
                );
            }
            if attempt < MAX_ATTEMPTS {
                sleep(backoff.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                backoff = (backoff * 2).min(LONGEST_BACKOFF);
            }
        }
        log::warn!(
            "webhooks: {} did not accept events in {MAX_ATTEMPTS} attempts; they are dropped",
            self.url
        );
        false
    }

    async fn attempt(&self, id: &str, body: &[u8]) -> Result<(), String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let timestamp = now.map_or(0, |now| now.as_secs());
        let header = |name: &str, value: String| (name.to_owned(), value);
        let headers = vec![
            header("content-type", "application/json".to_owned()),
            header("webhook-id", id.to_owned()),
            header("webhook-timestamp", timestamp.to_string()),
            header("webhook-signature", self.secret.sign(id, timestamp, body)),
        ];
        let request = Request::post(self.url.clone(), headers, body.to_vec());
        let sent = transport::send(Arc::clone(&self.transport), request).await;
        match sent.map_err(|why| why.to_string())?.status {
            200..=299 => Ok(()),
            status => Err(format!(
                "its response has the status {status}, and 2xx accepts them"
            )),
        }
    }
}
