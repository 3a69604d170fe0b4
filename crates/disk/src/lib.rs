//! History in a log on disk, which outlives the process. One thread writes; what is older than the
//! window is read from the engine, chunk by chunk.
//!
//! # Order
//! What was committed is pushed into the window by the thread that committed it, before its publishers get a response.
//! A read goes no further than the window has come, so it never sees what is not as durable as was
//! promised.

#![deny(missing_docs)]

mod directory;
mod engine;
mod erase;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod high_water_mark;
mod log;
mod lost;
mod names;
mod opening;
mod options;
mod position_key;
mod private;
mod queue;
mod read;
mod readers;
mod record;
mod repair;
mod replay;
mod shared;
mod writer;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    thread::JoinHandle,
    time::SystemTime,
};

use futures_util::future::{BoxFuture, FutureExt, TryFutureExt, ready};
use parking_lot::Mutex;

use crate::{
    directory::Directory,
    opening::Opened,
    queue::{Job, Pending, Queue, Written},
    readers::Readers,
    shared::Shared,
    writer::Writer,
};
use sse_broadcaster::event::Selector;
use sse_broadcaster::history::{
    AppendError, Appended, Batch, Bounds, Chunk, Erased, Erasure, From, History, Limit, NameKind,
    NameRange, Names, ReservationGuard, RetainedAt, Stats, Unavailable, Window,
};

pub use directory::OpenError;
pub use options::Options;

/// Where the engine logs. Its errors are logged by its callers.
pub const ENGINE_LOG_TARGETS: [&str; 2] = ["fjall", "lsm_tree"];

/// A history that outlives the process. One process at a time has a directory.
///
/// # Examples
/// ```
/// use sse_broadcaster::{Broadcaster, Event, Options};
/// use sse_broadcaster_disk::Disk;
///
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path();
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let history = Disk::open(sse_broadcaster_disk::Options::new(directory.join("log")))?;
/// let broadcaster = Broadcaster::start(history, Options::default())?;
/// let appended = broadcaster.publish(Event::builder("hello").build()?).await?;
/// assert_eq!(broadcaster.bounds().head, appended.ids[0]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
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
        let cannot = |error: std::io::Error| {
            OpenError::new(format!("threads of the log cannot start: {error}")).caused_by(error)
        };
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

    /// A key that is kept beside the log for all processes that open it: the one that is there, or `new`, which is
    /// written then. Blocks.
    ///
    /// # Errors
    /// The file with the key is damaged, or cannot be read or written.
    pub fn position_key(&self, new: [u8; 16]) -> Result<[u8; 16], OpenError> {
        position_key::keep(&self.directory, new).map_err(|error| {
            let file = position_key::file(&self.directory);
            match error.kind() {
                std::io::ErrorKind::InvalidData => OpenError::new(format!(
                    "{} is damaged, with which positions are encrypted: restore a copy of it, or delete it; \
                     clients that reconnect may then get a gap",
                    file.display()
                ))
                .caused_by(error),
                _ => directory::cannot_write(&file, error),
            }
        })
    }

    /// Has the writer do it from now on, also while nobody polls.
    fn write(
        &self,
        job: Job,
        reserved: ReservationGuard,
    ) -> impl Future<Output = Result<Written, AppendError>> + Send + '_ {
        let (pending, answer) = Pending::new(job, reserved);
        let pushed = self.queue.push(pending);
        let unavailable = move || AppendError::Unavailable(self.shared.why());
        async move {
            pushed.map_err(|_| unavailable())?;
            answer.await.unwrap_or_else(|_| Err(unavailable()))
        }
    }

    async fn erase_some(
        &self,
        erasure: Erasure,
        reserved: ReservationGuard,
    ) -> Result<Erased, AppendError> {
        let step = self.find_erasable(erasure).await;
        let Some(step) = step.map_err(AppendError::Unavailable)? else {
            return Ok(Erased::default());
        };
        Ok(self.write(Job::Erase(step), reserved).await?.erased)
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
        reserved: ReservationGuard,
    ) -> BoxFuture<'_, Result<Appended, AppendError>> {
        let appended = |written: Written| Appended { ids: written.ids };
        let written = self.write(Job::Append(batch), reserved);
        written.map_ok(appended).boxed()
    }

    fn erase(
        &self,
        erasure: Erasure,
        reserved: ReservationGuard,
    ) -> BoxFuture<'_, Result<Erased, AppendError>> {
        self.erase_some(erasure, reserved).boxed()
    }

    fn read<'a>(
        &'a self,
        from: From<'a>,
        selector: &'a Selector,
        limit: Limit,
    ) -> BoxFuture<'a, Result<Chunk, Unavailable>> {
        let from = from.by_clock(SystemTime::now());
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
            _ => ready(Ok(Names::default())).boxed(),
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
