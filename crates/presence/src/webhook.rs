//! Webhooks: an HTTP endpoint of the application receives an event when a client connects, joins or leaves.
//!
//! What happens is queued and sent in batches, one request at a time and in order. A batch that fails is sent again,
//! with growing waits. Nothing waits for the endpoint: if it is slow, the oldest events are dropped.

mod event;
mod sender;
mod signature;

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use sse_broadcaster_access::transport::{HttpUrl, Transport};
use tokio::{sync::Notify, task::JoinHandle, time::timeout};

pub(crate) use event::{connected, disconnected, of_pending};
pub use signature::{InvalidSecret, WebhookSecret};

/// Most events that wait. Beyond it the oldest are dropped.
const MAX_QUEUED: usize = 10_000;

/// Sends events to an endpoint. A handle: clones are the same. The task behind it ends with the last one.
#[derive(Clone)]
pub struct Webhooks(Arc<Handle>);

struct Handle {
    queue: Arc<Queue>,
    task: JoinHandle<()>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Events that wait, each as JSON. The lock is never held across an await.
#[derive(Default)]
struct Queue {
    waiting: Mutex<VecDeque<String>>,
    /// Events of the batch that is being sent.
    in_progress: AtomicUsize,
    filled: Notify,
    emptied: Notify,
    stats: Counters,
}

#[derive(Default)]
struct Counters {
    sent: AtomicU64,
    dropped: AtomicU64,
    failed_requests: AtomicU64,
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WebhookStats {
    /// Events that the endpoint has accepted.
    pub sent: u64,
    /// Events that were dropped: too many waited, or their batch was sent too often in vain.
    pub dropped: u64,
    /// Requests that the endpoint has not accepted.
    pub failed_requests: u64,
    /// Events that wait or are being sent.
    pub queued: u64,
}

impl Webhooks {
    /// Begins to send to the endpoint at `url`, on the current Tokio runtime.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn start(url: HttpUrl, secret: WebhookSecret, transport: Arc<dyn Transport>) -> Self {
        let queue = Arc::<Queue>::default();
        let sender = sender::Sender {
            url,
            secret,
            transport,
            queue: Arc::clone(&queue),
        };
        let task = tokio::spawn(sender.run());
        Self(Arc::new(Handle { queue, task }))
    }

    /// Counts since the start.
    #[must_use]
    pub fn stats(&self) -> WebhookStats {
        let queue = &self.0.queue;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WebhookStats {
            sent: read(&queue.stats.sent),
            dropped: read(&queue.stats.dropped),
            failed_requests: read(&queue.stats.failed_requests),
            queued: queue.len() as u64,
        }
    }

    /// Waits until everything has been sent, but no longer than this.
    pub async fn flush(&self, within: Duration) {
        let queue = &self.0.queue;
        let emptied = async {
            loop {
                let emptied = queue.emptied.notified();
                tokio::pin!(emptied);
                emptied.as_mut().enable();
                if queue.len() == 0 {
                    return;
                }
                emptied.await;
            }
        };
        let _ = timeout(within, emptied).await;
    }

    /// Queues an event, given as JSON. Never waits.
    pub(crate) fn push(&self, event: String) {
        self.0.queue.push(event);
    }
}

impl Queue {
    fn len(&self) -> usize {
        // In this order: a batch is counted twice rather than not at all.
        self.waiting.lock().len() + self.in_progress.load(Ordering::SeqCst)
    }

    fn push(&self, event: String) {
        let mut waiting = self.waiting.lock();
        let is_full = waiting.len() == MAX_QUEUED;
        if is_full {
            waiting.pop_front();
        }
        waiting.push_back(event);
        drop(waiting);
        if is_full && self.stats.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            log::warn!(
                "webhooks: {MAX_QUEUED} events wait, and the oldest are dropped: the endpoint is too slow or \
                 unreachable"
            );
        }
        self.filled.notify_one();
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use sse_broadcaster_access::transport::{Request, Response, TransportError};

    use super::*;

    /// An endpoint that accepts what comes after so many requests.
    #[derive(Debug)]
    struct Endpoint {
        refused: u64,
        requests: AtomicU64,
    }

    impl Transport for Endpoint {
        fn send(&self, _: &Request) -> Result<Response, TransportError> {
            let before = self.requests.fetch_add(1, Ordering::SeqCst);
            let status = if before < self.refused { 503 } else { 200 };
            Ok(Response {
                status,
                body: Vec::new(),
            })
        }
    }

    fn start(refused: u64) -> (Webhooks, Arc<Endpoint>) {
        let endpoint = Arc::new(Endpoint {
            refused,
            requests: AtomicU64::new(0),
        });
        let url = HttpUrl::parse("http://localhost:9000/").unwrap();
        let secret = WebhookSecret::parse("a-secret-of-some-length").unwrap();
        let transport: Arc<dyn Transport> = Arc::clone(&endpoint) as _;
        (Webhooks::start(url, secret, transport), endpoint)
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_dropped_after_ten_attempts_and_the_next_one_is_sent() {
        let (webhooks, endpoint) = start(10);
        webhooks.push("{}".to_owned());
        webhooks.flush(Duration::from_secs(600)).await;
        webhooks.push("{}".to_owned());
        webhooks.flush(Duration::from_secs(600)).await;
        let expected = WebhookStats {
            sent: 1,
            dropped: 1,
            failed_requests: 10,
            queued: 0,
        };
        assert_eq!(webhooks.stats(), expected);
        assert_eq!(endpoint.requests.load(Ordering::SeqCst), 11);
    }

    #[tokio::test(start_paused = true)]
    async fn many_events_leave_in_few_requests_and_the_oldest_beyond_the_bound_are_dropped() {
        let (webhooks, endpoint) = start(0);
        for _ in 0..MAX_QUEUED + 7 {
            webhooks.push("{}".to_owned());
        }
        webhooks.flush(Duration::from_secs(600)).await;
        let stats = webhooks.stats();
        assert_eq!((stats.sent, stats.dropped), (MAX_QUEUED as u64, 7));
        assert_eq!(endpoint.requests.load(Ordering::SeqCst), 20);
    }
}
