//! Where the log is, and what is kept.

use std::{fmt, time::Duration};

use sse_broadcaster::history::Retention;

/// What [`RedisOptions::new`] begins the log's keys with.
const PREFIX: &str = "sse-broadcaster";
/// How long Redis may take to respond, by default.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Where the log is, and what is kept. Built by [`RedisOptions::new`] and the methods that change it.
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisOptions {
    /// `redis://user:password@host:6379/0`, or `rediss://` for TLS.
    pub url: String,
    /// What the log's keys begin with, without braces; `sse-broadcaster` by default.
    pub prefix: String,
    /// What the whole log keeps, its bytes by [`Event::cost`](sse_broadcaster::Event::cost); the same on every node.
    pub retention: Retention,
    /// What this node's memory holds of it; its bytes are those of memory.
    pub window: Retention,
    /// How long Redis may take to respond, or to accept a connection, until this node takes it for unreachable; one
    /// second by default.
    pub timeout: Duration,
}

impl RedisOptions {
    /// A log at this URL with the defaults. [`Redis::connect`](crate::Redis::connect) checks the URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: PREFIX.to_owned(),
            retention: Retention::default(),
            window: Retention::default(),
            timeout: TIMEOUT,
        }
    }

    /// Sets [`prefix`](Self::prefix).
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets [`retention`](Self::retention).
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Sets [`window`](Self::window).
    #[must_use]
    pub fn window(mut self, window: Retention) -> Self {
        self.window = window;
        self
    }

    /// Sets [`timeout`](Self::timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl fmt::Debug for RedisOptions {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("prefix", &self.prefix)
            .field("retention", &self.retention)
            .field("window", &self.window)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
