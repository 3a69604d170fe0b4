//! Subscribers by the thousand, on one thread, that only count what comes.

mod readers;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use self::readers::Readers;
use crate::servers::{Kind, Server};

/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What subscribers ask for.
pub struct StreamRequest {
    /// Who is asked, for when that goes wrong.
    pub server: &'static str,
    pub address: SocketAddr,
    pub count: usize,
    /// Most that have not been answered yet.
    pub at_once: usize,
    /// Blocks that a stream begins with; what comes behind them is counted.
    pub opening_blocks: usize,
    /// What the subscriber of this number sends.
    pub request: Box<dyn Fn(usize) -> String + Send>,
}

impl StreamRequest {
    /// All of one topic.
    pub fn of(kind: Kind, server: &Server, count: usize) -> Self {
        Self {
            server: kind.name(),
            address: server.address,
            count,
            at_once: 256,
            opening_blocks: kind.opening_blocks(),
            request: Box::new(|_| request("bench", "")),
        }
    }
}

pub fn request(topic: &str, header: &str) -> String {
    format!(
        "GET /events?topic={topic} HTTP/1.1\r\nHost: 127.0.0.1\r\n\
         Accept: text/event-stream\r\n{header}\r\n"
    )
}

/// Leaves when it is dropped, by resets, so that no ports are kept waiting.
pub struct Crowd {
    shared: Arc<Shared>,
    server: &'static str,
    pub count: usize,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// Subscribers whose stream stands.
    open: AtomicUsize,
    /// Blocks that have come behind the openings.
    blocks: AtomicU64,
    /// When one event more had come to all, where all have one before anybody has the next.
    arrivals: Mutex<Vec<Instant>>,
    last: Mutex<Option<Instant>>,
    fault: Mutex<Option<String>>,
    is_over: AtomicBool,
}

impl Crowd {
    /// Returns when all streams stand.
    pub fn open(wish: StreamRequest) -> Self {
        let shared = Arc::new(Shared::default());
        let (server, count) = (wish.server, wish.count);
        let readers = Readers::new(wish, Arc::clone(&shared));
        let crowd = Self {
            shared,
            server,
            count,
            thread: Some(thread::spawn(move || readers.run())),
        };
        crowd.wait_until("all streams stand", || {
            crowd.shared.open.load(Ordering::SeqCst) == count
        });
        crowd
    }

    /// Blocks that have come to all of them together.
    pub fn blocks(&self) -> u64 {
        self.shared.blocks.load(Ordering::SeqCst)
    }

    /// Waits until so many have come in all; returns when the last of them had.
    pub fn wait_for(&self, blocks: u64) -> Instant {
        self.wait_until("all events have come", || self.blocks() >= blocks);
        let came = self.blocks();
        assert_eq!(came, blocks, "{}: more has come than was sent", self.server);
        self.last().expect("something has come")
    }

    /// Waits until so many have come or, where some may be lost, nothing has for a second.
    pub fn settle(&self, blocks: u64, loses_nothing: bool) {
        if loses_nothing {
            self.wait_for(blocks);
            return;
        }
        let quiet = |since: Instant| {
            let last = self.last().map_or(since, |last| last.max(since));
            last.elapsed() > Duration::from_secs(1)
        };
        let begun = Instant::now();
        self.wait_until("it is quiet", || self.blocks() >= blocks || quiet(begun));
    }

    pub fn last(&self) -> Option<Instant> {
        *self.shared.last.lock()
    }

    /// When each event had come to all, for events that are sent one after the other.
    pub fn arrivals(&self) -> Vec<Instant> {
        self.shared.arrivals.lock().clone()
    }

    fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            if let Some(fault) = &*self.shared.fault.lock() {
                panic!("{}: {fault}", self.server);
            }
            let (open, blocks) = (self.shared.open.load(Ordering::SeqCst), self.blocks());
            assert!(
                Instant::now() < deadline,
                "{}: waited in vain until {what}: {open} of {} stand, {blocks} blocks have come",
                self.server,
                self.count
            );
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            thread::panicking() || matches!(ended, None | Some(Ok(()))),
            "the subscribers' thread panicked"
        );
    }
}
