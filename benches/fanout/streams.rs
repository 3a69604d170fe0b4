//! Thousands of subscribers on one thread, which only count the blocks that arrive.

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
use rustls::ClientConfig;

use self::readers::Readers;
use crate::servers::{Kind, Server};

/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_micros(500);

/// Which streams are opened.
pub struct StreamsConfig {
    /// The name of the server, for error messages.
    pub server: &'static str,
    pub address: SocketAddr,
    /// How they are encrypted, if they are.
    pub tls: Option<Arc<ClientConfig>>,
    pub count: usize,
    /// Most that are waiting for a response.
    pub at_once: usize,
    /// Blocks that a stream begins with, which are not counted.
    pub opening_blocks: usize,
    /// What ends each event, one or two bytes.
    pub event_end: &'static [u8],
    /// The pause after each call of epoll that found something. A server whose `send` wakes a waiting thread on the
    /// same machine pays for that a fifth of its time; with clients on other machines no server does.
    pub pause: Duration,
    /// The request of each subscriber, by its number.
    pub request: Box<dyn Fn(usize) -> String + Send>,
}

impl StreamsConfig {
    /// Streams of one topic.
    pub fn of(kind: Kind, server: &Server, count: usize) -> Self {
        Self {
            server: kind.name(),
            address: server.address,
            tls: kind.tls().cloned(),
            count,
            at_once: 256,
            opening_blocks: kind.opening_blocks(),
            event_end: kind.event_end(),
            pause: PAUSE,
            request: Box::new(move |_| kind.subscribe_request()),
        }
    }
}

pub fn request(topic: &str, header: &str) -> String {
    format!(
        "GET /events?topic={topic} HTTP/1.1\r\nHost: 127.0.0.1\r\n\
         Accept: text/event-stream\r\n{header}\r\n"
    )
}

/// Open streams. They are closed by resets when dropped, so that no ports stay in `TIME_WAIT`.
pub struct Streams {
    shared: Arc<Shared>,
    server: &'static str,
    pub count: usize,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// Streams that are open.
    open: AtomicUsize,
    /// Blocks that have arrived after the openings.
    blocks: AtomicU64,
    /// When each event had arrived at all subscribers, where events are sent one after the other.
    arrivals: Mutex<Vec<Instant>>,
    last: Mutex<Option<Instant>>,
    fault: Mutex<Option<String>>,
    is_over: AtomicBool,
}

impl Streams {
    /// Returns when all streams are open.
    pub fn open(config: StreamsConfig) -> Self {
        let shared = Arc::new(Shared::default());
        let (server, count) = (config.server, config.count);
        let readers = Readers::new(config, Arc::clone(&shared));
        let streams = Self {
            shared,
            server,
            count,
            thread: Some(thread::spawn(move || readers.run())),
        };
        streams.wait_until("all streams are open", || {
            streams.shared.open.load(Ordering::SeqCst) == count
        });
        streams
    }

    /// Blocks that have arrived at all subscribers together.
    pub fn blocks(&self) -> u64 {
        self.shared.blocks.load(Ordering::SeqCst)
    }

    /// Waits until this number of blocks has arrived; returns when the last of them did.
    pub fn wait_for(&self, blocks: u64) -> Instant {
        self.wait_until("all events have arrived", || self.blocks() >= blocks);
        let arrived = self.blocks();
        assert_eq!(
            arrived, blocks,
            "{}: more has arrived than was sent",
            self.server
        );
        self.last().expect("something has arrived")
    }

    /// Waits until this number of blocks has arrived or, where some may be lost, none has for a second.
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

    /// When each event had arrived at all subscribers, for events that are sent one after the other.
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
                "{}: waited in vain until {what}: {open} of {} are open, {blocks} blocks have arrived",
                self.server,
                self.count
            );
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            thread::panicking() || matches!(ended, None | Some(Ok(()))),
            "the subscribers' thread panicked"
        );
    }
}
