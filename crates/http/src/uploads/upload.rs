//! One request body: the memory that it uses, and the time that it takes.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use http::StatusCode;
use tokio::time::{Instant, timeout_at};

use super::{
    budget::Uploads,
    decoded::{BodyError, Decoded},
};
use crate::{AppState, Refusal, RequestHead};

/// How long a body may take, except one of lines, which may arrive at any time.
const BODY_TIMEOUT: Duration = Duration::from_secs(300);
/// In each such period at least 30 KiB of a body must arrive, or its end: one that arrives a byte at a time
/// would hold its memory and its connection.
pub const PART_TIMEOUT: Duration = Duration::from_secs(30);
const LEAST_PART: usize = 30 << 10;
/// After this time a body that is not complete counts as slow.
const SLOW_AFTER: Duration = Duration::from_secs(1);
/// The first bytes of each body are not counted, so that publishes of the usual size are accepted however many
/// large ones there are. The buffers of a connection are as large.
const FREE_BYTES: usize = 16 << 10;

/// One body that is being received or published. Dropping it gives its memory back.
#[derive(Debug)]
pub struct Upload {
    uploads: Arc<Uploads>,
    /// Bytes of it in memory.
    held: usize,
    /// Those of them that count against the budget.
    counted: usize,
    is_slow: bool,
    begun: Instant,
    /// The beginning of the current period, and how much has arrived in it.
    window: (Instant, usize),
}

/// Which part of a body is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Await {
    /// The whole body, or the rest of a line.
    Rest,
    /// The next line.
    Line,
}

impl Upload {
    /// A body of which nothing has arrived yet.
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

    /// Sets how many bytes of it are in memory.
    ///
    /// # Errors
    /// 503 `uploads_full` at the bound of all request bodies.
    pub fn hold(&mut self, bytes_held: usize) -> Result<(), Refusal> {
        let wanted = bytes_held.saturating_sub(FREE_BYTES);
        let Uploads { limits, bytes, .. } = &*self.uploads;
        if wanted > self.counted {
            let more = wanted - self.counted;
            let held = bytes.fetch_add(more, Ordering::Relaxed) + more;
            if held > limits.bytes {
                bytes.fetch_sub(more, Ordering::Relaxed);
                return Err(Refusal::unavailable(
                    "uploads_full",
                    "request bodies use as much memory as allowed; try again in a moment",
                ));
            }
        } else {
            bytes.fetch_sub(self.counted - wanted, Ordering::Relaxed);
        }
        self.held = bytes_held;
        self.counted = wanted;
        Ok(())
    }

    /// Adds bytes to those in memory.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub fn add(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.window.1 += bytes;
        self.hold(self.held + bytes)
    }

    /// To be called every [`PART_TIMEOUT`]: whether the body uses memory of the budget and too little of it has
    /// arrived since the last call.
    pub fn is_overdue(&mut self) -> bool {
        let arrived = std::mem::take(&mut self.window.1);
        self.counted > 0 && arrived < LEAST_PART
    }

    /// A line has ended: the time limit for the next one begins.
    pub(crate) fn begin_line(&mut self) {
        self.window = (Instant::now(), 0);
    }

    /// The next part of the body.
    pub(crate) async fn next<B>(
        &mut self,
        body: &mut B,
        awaited: Await,
    ) -> Result<Option<Bytes>, Refusal>
    where
        B: Stream<Item = Result<Bytes, BodyError>> + Unpin,
    {
        let timeout = match awaited {
            Await::Rest => PART_TIMEOUT,
            Await::Line => self.uploads.limits.idle_timeout,
        };
        let deadline = self.window.0 + timeout;
        let quick = if self.is_slow {
            None
        } else {
            timeout_at(self.begun + SLOW_AFTER, body.next()).await.ok()
        };
        let part = if let Some(part) = quick {
            part
        } else {
            self.count_slow()?;
            let part = timeout_at(deadline, body.next()).await;
            part.map_err(|_| too_slow())?
        };
        let Some(part) = part else { return Ok(None) };
        let part = part?;
        self.window.1 += part.len();
        if self.window.1 >= LEAST_PART {
            self.window = (Instant::now(), 0);
        }
        Ok(Some(part))
    }

    /// Checks that the body has not taken too long in total.
    pub(crate) fn check_age(&self) -> Result<(), Refusal> {
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
            return Err(Refusal::unavailable(
                "too_many_uploads",
                "as many request bodies as allowed arrive slowly; try again in a moment",
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

/// A whole body, which counts as an upload until it is dropped.
#[derive(Debug)]
#[non_exhaustive]
pub struct Whole {
    /// What was sent.
    pub bytes: BytesMut,
    /// Kept until the events of the body are published.
    pub upload: Upload,
}

/// Reads a body of at most `max` bytes, decompressed. Dropping the future gives the memory back.
///
/// # Errors
/// 413 `too_large`; 408 `body_timeout`; 400 `incomplete_body`; 415 `unsupported_media_type` and 400
/// `invalid_compression` for a body that cannot be decompressed; 503 at the bounds of all bodies.
pub async fn read_whole<B, E>(
    request: &impl RequestHead,
    body: B,
    max: usize,
    state: &AppState,
) -> Result<Whole, Refusal>
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let too_large = || Refusal::too_large(format!("the body is larger than {max} bytes"));
    let declared = request.header_text("content-length");
    let declared = declared.and_then(|length| length.parse().ok());
    if declared.is_some_and(|length: usize| length > max) {
        return Err(too_large());
    }
    let mut body = Decoded::new(request, body, state)?;
    let mut bytes = BytesMut::new();
    let mut upload = Upload::begin(&state.uploads);
    while let Some(part) = upload.next(&mut body, Await::Rest).await? {
        upload.check_age()?;
        if bytes.len() + part.len() > max {
            return Err(too_large());
        }
        upload.hold(bytes.len() + part.len() + body.memory())?;
        bytes.extend_from_slice(&part);
    }
    upload.hold(bytes.len())?;
    Ok(Whole { bytes, upload })
}

fn too_slow() -> Refusal {
    Refusal::new(
        StatusCode::REQUEST_TIMEOUT,
        "body_timeout",
        "the rest of the body did not arrive in time",
    )
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;
    use crate::UploadLimits;

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
        assert_eq!(uploads.bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_arrives_a_byte_at_a_time_is_refused() {
        let byte = || async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Some((Ok::<_, BodyError>(Bytes::from_static(b"x")), ()))
        };
        let mut body = Box::pin(stream::unfold((), move |()| byte()));
        let mut received = 0;
        let mut upload = Upload::begin(&Uploads::new(UploadLimits::default()));
        let begun = Instant::now();
        let refused = loop {
            match upload.next(&mut body, Await::Rest).await {
                Ok(part) => received += part.map_or(0, |part| part.len()),
                Err(refused) => break refused,
            }
        };
        assert_eq!(
            (refused.code(), begun.elapsed()),
            ("body_timeout", PART_TIMEOUT)
        );
        assert!(received > 1);
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
