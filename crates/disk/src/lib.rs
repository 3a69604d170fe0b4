//! History in a log on disk, which outlives the process. One thread writes; what is older than the
//! window is read from the engine, chunk by chunk.
//!
//! # Order
//! What was committed is pushed into the window by the thread that committed it, before it is answered.
//! A read goes no further than the window has come, so it never sees what is not as durable as was
//! promised.

mod append;
mod directory;
mod engine;
mod high_water_mark;
mod lost;
mod names;
mod opening;
mod private;
mod queue;
mod read;
mod readers;
mod record;
mod repair;
mod shared;
mod writer;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt, ready};
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::{
    directory::Directory,
    engine::{Fault, Store},
    opening::Opened,
    queue::{Pending, Queue},
    readers::Readers,
    shared::Shared,
    writer::Writer,
};
use sse_broadcaster::event::{EventId, Selector};
use sse_broadcaster::history::{
    AppendError, Appended, Batch, Bounds, Chunk, From, History, Limit, NameKind, NameRange, Names,
    ReservationGuard, RetainedAt, Retention, Stats, SyncPolicy, Unavailable, Window,
};
use sse_broadcaster::internal::now_ms;

pub use directory::OpenError;

/// How long a read waits for what it met to be repaired, and how often it is tried.
const REPAIRED_WITHIN: Duration = Duration::from_secs(30);
const MAX_TRIES: usize = 3;

/// Where the engine logs. Its errors are told by who asked it.
pub const ENGINE_LOG_TARGETS: [&str; 2] = ["fjall", "lsm_tree"];

/// How a log on disk is kept.
#[derive(Debug, Clone)]
pub struct Options {
    pub directory: PathBuf,
    /// How long to wait for another process to let go of the directory.
    pub wait: Duration,
    pub sync: SyncPolicy,
    /// What the whole log keeps.
    pub retention: Retention,
    /// What memory holds of it, at most as much.
    pub window: Retention,
    /// What the engine may keep of its files in memory.
    pub cache_bytes: u64,
}

/// A history that outlives the process.
pub struct Disk {
    directory: PathBuf,
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Readers,
    has_complained: AtomicBool,
}

impl Disk {
    /// Opens the log of a directory, or creates it. Blocks.
    ///
    /// # Errors
    /// The directory cannot be written, is in use, of another version, or damaged: with the choice that
    /// the operator has.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let directory = Directory::open(&options.directory, options.wait)?;
        let (mut mark, high_water) = directory.high_water_mark()?;
        let Opened {
            log,
            newest,
            before,
            oldest,
        } = opening::open_log(&directory, &options, &mut mark, high_water)?;
        let window = Arc::new(Window::new(options.window, log.standing.epoch, before));
        window.push(newest);
        let shared = Arc::new(Shared::new(window, &log, oldest));
        let queue = Arc::new(Queue::default());
        let path = options.directory.clone();
        let writer = Writer::new(
            directory,
            options,
            mark,
            log,
            Arc::clone(&shared),
            Arc::clone(&queue),
        );
        let cannot = |error| OpenError(format!("threads of the log cannot start: {error}"));
        let readers = Readers::start().map_err(cannot)?;
        let thread = std::thread::Builder::new().name("history".into());
        let thread = thread.spawn(move || writer.run()).map_err(cannot)?;
        Ok(Self {
            directory: path,
            shared,
            queue,
            writer: Mutex::new(Some(thread)),
            readers,
            has_complained: AtomicBool::new(false),
        })
    }

    async fn read_log(
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
            Err(Fault::Io(why)) => Err(Unavailable::new(why)),
            Err(fault) => Ok(self.pass_over(&fault.to_string(), floor)),
        }
    }

    async fn topics(&self, range: NameRange<'_>) -> Result<Names, Unavailable> {
        let (prefix, after, limit) = (range.prefix.to_owned(), range.after.to_owned(), range.limit);
        let read = move |_: &Shared, store: &Store| {
            let range = NameRange {
                prefix: &prefix,
                after: &after,
                limit,
            };
            names::topics(store, range)
        };
        let names = self.read_store(read).await;
        names.map_err(|fault| Unavailable::new(fault.to_string()))
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
        let answer = self.readers.read(move || {
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
        answer.await.unwrap_or(Err(Fault::Stopped))
    }

    /// What cannot be read is lost: the reader is told of a gap, and goes on with what memory holds.
    fn pass_over(&self, why: &str, floor: EventId) -> Chunk {
        if !self.has_complained.swap(true, Ordering::Relaxed) {
            log::error!(
                "the log in {} is damaged: {why}. Subscribers that ask for older events are told of a \
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
            events: Vec::new(),
            read_to: after,
            oldest: bounds.oldest,
        }
    }

    fn end(&self) -> Option<JoinHandle<()>> {
        self.queue.close();
        self.writer.lock().take()
    }
}

impl History for Disk {
    fn append(
        &self,
        batch: Batch,
        hold: ReservationGuard,
    ) -> BoxFuture<'_, Result<Appended, AppendError>> {
        let (pending, answer) = Pending::new(batch, hold);
        let pushed = self.queue.push(pending);
        let unavailable = move || AppendError::Unavailable(self.shared.why());
        async move {
            pushed.map_err(|_| unavailable())?;
            answer.await.unwrap_or_else(|_| Err(unavailable()))
        }
        .boxed()
    }

    fn read<'a>(
        &'a self,
        from: From<'a>,
        selector: &'a Selector,
        limit: Limit,
    ) -> BoxFuture<'a, Result<Chunk, Unavailable>> {
        let from = from.by_clock(now_ms());
        if let Some(mut chunk) = self.shared.window.read_held(from, selector, limit) {
            chunk.oldest = self.shared.bounds().oldest;
            return ready(Ok(chunk)).boxed();
        }
        self.read_log(from, selector, limit).boxed()
    }

    fn tail(&self) -> Arc<Window> {
        Arc::clone(&self.shared.window)
    }

    fn retained<'a>(
        &'a self,
        keys: &'a [&'a str],
    ) -> BoxFuture<'a, Result<RetainedAt, Unavailable>> {
        ready(Ok(self.shared.retained(keys))).boxed()
    }

    fn names<'a>(
        &'a self,
        kind: NameKind,
        range: NameRange<'a>,
    ) -> BoxFuture<'a, Result<Names, Unavailable>> {
        match kind {
            NameKind::Topics => self.topics(range).boxed(),
            NameKind::RetainedKeys => ready(Ok(self.shared.retained_keys(range))).boxed(),
        }
    }

    fn bounds(&self) -> Bounds {
        self.shared.bounds()
    }

    fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    fn health(&self) -> Result<(), Unavailable> {
        self.shared.health()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        let writer = self.end();
        async move {
            if let Some(writer) = writer {
                // It has nothing to say but that it has ended.
                let _ = tokio::task::spawn_blocking(move || writer.join()).await;
            }
        }
        .boxed()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(writer) = self.end() {
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("directory", &self.directory)
            .field("bounds", &self.bounds())
            .finish_non_exhaustive()
    }
}

/// What a thread of its own can take along.
enum OwnedFrom {
    Brought(String),
    Other(From<'static>),
}

impl OwnedFrom {
    fn new(from: From<'_>) -> Self {
        Self::Other(match from {
            From::Brought(text) => return Self::Brought(text.to_owned()),
            From::After(id) => From::After(id),
            From::Since(ms) => From::Since(ms),
            From::Ago(ms) => From::Ago(ms),
            From::Earliest => From::Earliest,
            From::Last(count) => From::Last(count),
        })
    }

    fn get(&self) -> From<'_> {
        match self {
            Self::Brought(text) => From::Brought(text),
            Self::Other(from) => *from,
        }
    }
}
