//! What request bodies may take in all: bytes of memory until they are published, and connections while
//! they are slow to come.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::web::{Bytes, Payload};
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::body::incomplete;
use sse_broadcaster_http::Refusal;

/// How long a body may take in all, but for streamed lines, which come when they come.
const BODY_TIMEOUT: Duration = Duration::from_secs(300);
/// In each such time at least so much is to come, or the end: a body of which a byte comes now and then
/// would hold its bytes and its connection.
pub const PART_TIMEOUT: Duration = Duration::from_secs(30);
const LEAST_PART: usize = 30 << 10;
/// How long a body is waited for before it counts as a slow one.
const SLOW_AFTER: Duration = Duration::from_secs(1);
/// So much of each body is not counted: publishes of the usual size find room however many large ones
/// there are, and the connections' own buffers are as large.
const FREE_BYTES: usize = 16 << 10;

/// What all request bodies share.
#[derive(Debug)]
pub struct Uploads {
    limits: UploadLimits,
    bytes: AtomicUsize,
    slow: AtomicUsize,
}

/// How much request bodies may take.
#[derive(Debug, Clone, Copy)]
pub struct UploadLimits {
    /// Bytes that are held in all until they are published, beyond the first 16 KiB of each body.
    pub bytes: usize,
    /// How many bodies may be under way that have taken longer than a second.
    pub slow: usize,
    /// How long the next of streamed lines may take.
    pub idle_timeout: Duration,
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            slow: 1_024,
            idle_timeout: Duration::from_secs(60),
        }
    }
}

impl Uploads {
    pub(super) fn new(limits: UploadLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            bytes: AtomicUsize::new(0),
            slow: AtomicUsize::new(0),
        })
    }

    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub fn slow(&self) -> usize {
        self.slow.load(Ordering::Relaxed)
    }
}

/// One body that is being received, or is being published.
#[derive(Debug)]
pub struct Upload {
    uploads: Arc<Uploads>,
    /// Bytes of it that are held.
    held: usize,
    /// Of these, bytes of the budget.
    counted: usize,
    is_slow: bool,
    begun: Instant,
    /// Since when, and how much has come since.
    window: (Instant, usize),
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Await {
    /// The whole body, or the rest of a line.
    Rest,
    /// A further line.
    Line,
}

impl Upload {
    pub fn begin(uploads: &Arc<Uploads>) -> Self {
        let now = Instant::now();
        Self {
            uploads: Arc::clone(uploads),
            held: 0,
            counted: 0,
            is_slow: false,
            begun: now,
            window: (now, 0),
        }
    }

    /// So many bytes of it are held now.
    ///
    /// # Errors
    /// 503 while request bodies hold as much as they may.
    pub fn hold(&mut self, bytes_held: usize) -> Result<(), Refusal> {
        let wanted = bytes_held.saturating_sub(FREE_BYTES);
        let Uploads { limits, bytes, .. } = &*self.uploads;
        if wanted > self.counted {
            let more = wanted - self.counted;
            let held = bytes.fetch_add(more, Ordering::Relaxed) + more;
            if held > limits.bytes {
                bytes.fetch_sub(more, Ordering::Relaxed);
                return Err(full(
                    "uploads_full",
                    "request bodies hold as many bytes as allowed; try again in a moment",
                ));
            }
        } else {
            bytes.fetch_sub(self.counted - wanted, Ordering::Relaxed);
        }
        self.held = bytes_held;
        self.counted = wanted;
        Ok(())
    }

    /// So many more are.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub fn add(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.window.1 += bytes;
        self.hold(self.held + bytes)
    }

    /// A look every [`PART_TIMEOUT`]: whether bytes of the budget are held, and too little has come since.
    pub fn is_overdue(&mut self) -> bool {
        let come = std::mem::take(&mut self.window.1);
        self.counted > 0 && come < LEAST_PART
    }

    /// A line has ended: the time for the next one begins.
    pub(super) fn begin_line(&mut self) {
        self.window = (Instant::now(), 0);
    }

    /// The next part of the body.
    pub(super) async fn next(
        &mut self,
        body: &mut Payload,
        awaited: Await,
    ) -> Result<Option<Bytes>, Refusal> {
        let timeout = match awaited {
            Await::Rest => PART_TIMEOUT,
            Await::Line => self.uploads.limits.idle_timeout,
        };
        let deadline = self.window.0 + timeout;
        let patient = if self.is_slow {
            None
        } else {
            timeout_at(self.begun + SLOW_AFTER, body.next()).await.ok()
        };
        let part = if let Some(part) = patient {
            part
        } else {
            self.count_slow()?;
            let part = timeout_at(deadline, body.next()).await;
            part.map_err(|_| too_slow())?
        };
        let Some(part) = part else { return Ok(None) };
        let part = part.map_err(|_| incomplete())?;
        self.window.1 += part.len();
        if self.window.1 >= LEAST_PART {
            self.window = (Instant::now(), 0);
        }
        Ok(Some(part))
    }

    /// A whole body has not taken too long in all.
    pub(super) fn check_age(&self) -> Result<(), Refusal> {
        if self.begun.elapsed() >= BODY_TIMEOUT {
            return Err(too_slow());
        }
        Ok(())
    }

    fn count_slow(&mut self) -> Result<(), Refusal> {
        if self.is_slow {
            return Ok(());
        }
        let Uploads { limits, slow, .. } = &*self.uploads;
        if slow.fetch_add(1, Ordering::Relaxed) >= limits.slow {
            slow.fetch_sub(1, Ordering::Relaxed);
            return Err(full(
                "too_many_uploads",
                "as many request bodies as allowed are slow to come; try again in a moment",
            ));
        }
        self.is_slow = true;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Uploads { bytes, slow, .. } = &*self.uploads;
        bytes.fetch_sub(self.counted, Ordering::Relaxed);
        slow.fetch_sub(usize::from(self.is_slow), Ordering::Relaxed);
    }
}

fn full(code: &'static str, detail: &str) -> Refusal {
    Refusal::unavailable(code, detail)
}

fn too_slow() -> Refusal {
    Refusal::new(
        http::StatusCode::REQUEST_TIMEOUT,
        "body_timeout",
        "the rest of the body did not come in time",
    )
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use actix_web::{FromRequest as _, dev, error::PayloadError, test::TestRequest};
    use futures_util::{Stream, stream};

    use super::*;

    type Parts = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

    #[tokio::test]
    async fn bodies_share_a_budget_but_for_the_first_bytes_of_each() {
        let uploads = Uploads::new(UploadLimits {
            bytes: 100,
            ..UploadLimits::default()
        });
        let [mut first, mut second] = [0, 1].map(|_| Upload::begin(&uploads));
        first.hold(FREE_BYTES + 60).unwrap();
        second.hold(FREE_BYTES).unwrap();
        let refused = second.hold(FREE_BYTES + 41).unwrap_err();
        assert_eq!(refused.code(), "uploads_full");
        second.hold(FREE_BYTES + 40).unwrap();
        first.hold(0).unwrap();
        second.hold(FREE_BYTES + 100).unwrap();
        drop((first, second));
        assert_eq!(uploads.bytes.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_a_byte_at_a_time_is_ended() {
        let byte = || async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Some((Ok(Bytes::from_static(b"x")), ()))
        };
        let payload: Parts = Box::pin(stream::unfold((), move |()| byte()));
        let mut payload = dev::Payload::Stream { payload };
        let request = TestRequest::default().to_http_request();
        let body = Payload::from_request(&request, &mut payload).into_inner();
        let (mut body, mut taken) = (body.unwrap(), 0);
        let mut upload = Upload::begin(&Uploads::new(UploadLimits::default()));
        let begun = Instant::now();
        let refused = loop {
            match upload.next(&mut body, Await::Rest).await {
                Ok(part) => taken += part.map_or(0, |part| part.len()),
                Err(refused) => break refused,
            }
        };
        assert_eq!(
            (refused.code(), begun.elapsed()),
            ("body_timeout", PART_TIMEOUT)
        );
        assert!(taken > 1);
    }

    #[tokio::test]
    async fn only_so_many_bodies_may_be_slow() {
        let uploads = Uploads::new(UploadLimits {
            slow: 1,
            ..UploadLimits::default()
        });
        let [mut first, mut second] = [0, 1].map(|_| Upload::begin(&uploads));
        first.count_slow().unwrap();
        assert_eq!(second.count_slow().unwrap_err().code(), "too_many_uploads");
        drop(first);
        second.count_slow().unwrap();
    }
}
