//! A history in memory whose reads can be held back or made to fail, as those of a disk or a network may be.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};
use std::task::{Poll, Waker};

use futures_util::future::{BoxFuture, FutureExt, poll_fn};
use sse_broadcaster::{
    EventId, Memory, Selector,
    history::{
        AppendError, Appended, Batch, Bounds, Chunk, From, History, Limit, NameKind, NameRange,
        Names, ReservationGuard, RetainedAt, Stats, Unavailable, Window,
    },
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reads {
    #[default]
    Immediate,
    /// Looked up at once, and answered later.
    Held,
    Failed,
}

/// Shared by a history and by who decides how it answers.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<Mutex<(Reads, Vec<Waker>)>>, Arc<AtomicUsize>);

impl Gate {
    pub fn set(&self, reads: Reads) {
        let mut gate = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gate.0 = reads;
        let wakers = std::mem::take(&mut gate.1);
        drop(gate);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// How often history was read.
    pub fn reads(&self) -> usize {
        self.1.load(Ordering::SeqCst)
    }

    pub async fn pass(&self) -> Result<(), Unavailable> {
        self.1.fetch_add(1, Ordering::SeqCst);
        poll_fn(|cx| {
            let mut gate = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match gate.0 {
                Reads::Immediate => Poll::Ready(Ok(())),
                Reads::Failed => Poll::Ready(Err(Unavailable::new("a test"))),
                Reads::Held => {
                    gate.1.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

pub struct Gated {
    pub memory: Memory,
    pub gate: Gate,
}

impl History for Gated {
    fn append(
        &self,
        batch: Batch,
        hold: ReservationGuard,
    ) -> BoxFuture<'_, Result<Appended, AppendError>> {
        self.memory.append(batch, hold)
    }

    fn read<'a>(
        &'a self,
        from: From<'a>,
        selector: &'a Selector,
        limit: Limit,
    ) -> BoxFuture<'a, Result<Chunk, Unavailable>> {
        async move {
            let chunk = self.memory.read(from, selector, limit).await;
            self.gate.pass().await?;
            chunk
        }
        .boxed()
    }

    fn tail(&self) -> Arc<Window> {
        self.memory.tail()
    }

    fn retained<'a>(
        &'a self,
        keys: &'a [&'a str],
    ) -> BoxFuture<'a, Result<RetainedAt, Unavailable>> {
        self.memory.retained(keys)
    }

    fn names<'a>(
        &'a self,
        kind: NameKind,
        range: NameRange<'a>,
    ) -> BoxFuture<'a, Result<Names, Unavailable>> {
        self.memory.names(kind, range)
    }

    fn bounds(&self) -> Bounds {
        self.memory.bounds()
    }

    fn stats(&self) -> &Stats {
        self.memory.stats()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.memory.close()
    }
}

/// Where a log is before anything was published.
pub fn birth(history: &impl History) -> EventId {
    history.bounds().head
}
