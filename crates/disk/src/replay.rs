//! Reads of what the window does not hold, on threads that may block: once more after a repair, and past what
//! stays unreadable.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::timeout;

use crate::{
    Disk,
    engine::{Fault, Store},
    erase::ErasureStep,
    names, read,
    shared::Shared,
};
use sse_broadcaster::event::{EventId, Selector};
use sse_broadcaster::history::{Chunk, Erasure, From, Limit, NameRange, Names, Unavailable};

/// How long a read waits for what it met to be repaired, and how often it is tried.
const REPAIRED_WITHIN: Duration = Duration::from_secs(30);
const MAX_TRIES: usize = 3;

impl Disk {
    pub(super) async fn read_log(
        &self,
        from: From<'_>,
        selector: &Selector,
        limit: Limit,
    ) -> Result<Chunk, Unavailable> {
        let (from, selector) = (OwnedFrom::new(from), selector.clone());
        let floor = self.shared.window.bounds().trim_floor;
        let read = move |shared: &Shared, store: &Store| {
            let end = shared.window.bounds().head;
            read::read(store, from.get(), &selector, limit, end, &shared.known())
        };
        match self.read_store(read).await {
            Ok(chunk) => Ok(chunk),
            Err(fault @ Fault::Io(_)) => Err(fault.into()),
            Err(fault) => Ok(self.pass_over(&fault.to_string(), floor)),
        }
    }

    /// The next step of an erasure, as of what the window has come to.
    pub(super) async fn find_erasable(
        &self,
        erasure: Erasure,
    ) -> Result<Option<ErasureStep>, Unavailable> {
        let find = move |shared: &Shared, store: &Store| {
            let end = shared.window.bounds().head;
            ErasureStep::find(store, erasure.clone(), end, &shared.known().lost)
        };
        self.read_store(find).await.map_err(Unavailable::from)
    }

    pub(super) async fn topics(&self, range: NameRange<'_>) -> Result<Names, Unavailable> {
        let (prefix, after, limit) = (range.prefix.to_owned(), range.after.to_owned(), range.limit);
        let read = move |_: &Shared, store: &Store| {
            let range = NameRange::new(limit).prefix(&prefix).after(&after);
            names::topics(store, range)
        };
        let names = self.read_store(read).await;
        names.map_err(Unavailable::from)
    }

    /// Has a thread read, again once what it met is repaired.
    async fn read_store<T: Send + 'static>(
        &self,
        read: impl Fn(&Shared, &Store) -> Result<T, Fault> + Send + Sync + 'static,
    ) -> Result<T, Fault> {
        let read = Arc::new(read);
        let mut tries = 0;
        loop {
            let repaired = self.shared.repaired.notified();
            let fault = match self.try_read(Arc::clone(&read)).await {
                Err(fault @ (Fault::Damaged(_) | Fault::Stopped)) => fault,
                read => return read,
            };
            self.queue.repair();
            tries += 1;
            if tries == MAX_TRIES || timeout(REPAIRED_WITHIN, repaired).await.is_err() {
                return Err(fault);
            }
        }
    }

    /// [`Fault::Stopped`]: the engine is closed to be repaired.
    async fn try_read<T: Send + 'static>(
        &self,
        read: Arc<impl Fn(&Shared, &Store) -> Result<T, Fault> + Send + Sync + 'static>,
    ) -> Result<T, Fault> {
        let shared = Arc::clone(&self.shared);
        let result = self.readers.read(move || {
            let store = shared.store()?;
            // The engine meets some damage with a panic.
            let read = catch_unwind(AssertUnwindSafe(|| read(&shared, &store)));
            let read =
                read.unwrap_or_else(|_| Err(Fault::Damaged("its files make no sense".into())));
            if let Err(Fault::Damaged(_)) = read {
                // While the store is held: of the engine that is open now.
                shared.met_damage();
            }
            read
        });
        result.await.unwrap_or(Err(Fault::Stopped))
    }

    /// What cannot be read is lost: the reader receives a gap, and goes on with what memory holds.
    fn pass_over(&self, why: &str, floor: EventId) -> Chunk {
        if !self.has_complained.swap(true, Ordering::Relaxed) {
            log::error!(
                "the log in {} is damaged: {why}. Subscribers that ask for older events receive a \
                 gap; restore a copy of the directory",
                self.directory.display()
            );
        }
        let bounds = self.shared.window.bounds();
        let after = floor.max(bounds.trim_floor);
        Chunk {
            epoch: bounds.epoch,
            after,
            gap: true,
            erased: None,
            events: Vec::new(),
            read_to: after,
            oldest: bounds.oldest,
        }
    }
}

/// What a thread of its own can take along.
enum OwnedFrom {
    LastEventId(String),
    Other(From<'static>),
}

impl OwnedFrom {
    fn new(from: From<'_>) -> Self {
        Self::Other(match from {
            From::LastEventId(text) => return Self::LastEventId(text.to_owned()),
            From::After(id) => From::After(id),
            From::Since(time) => From::Since(time),
            From::Ago(age) => From::Ago(age),
            From::Earliest => From::Earliest,
            From::Last(count) => From::Last(count),
        })
    }

    fn get(&self) -> From<'_> {
        match self {
            Self::LastEventId(text) => From::LastEventId(text),
            Self::Other(from) => *from,
        }
    }
}
