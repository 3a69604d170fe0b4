//! Where the log is, and what is kept.

use std::{fmt, time::Duration};

use sse_broadcaster::history::{Retention, TopicRules};

/// What [`PostgresOptions::new`] names the schema.
const SCHEMA: &str = "sse_broadcaster";
/// Longest data that `publish()` accepts, by default.
const MAX_EVENT_BYTES: usize = 1 << 20;
/// How long PostgreSQL may take to respond, by default.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Where the log is, and what is kept. Built by [`PostgresOptions::new`] and the methods that change it.
#[derive(Clone)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// `postgres://user:password@host:5432/database`; `?sslmode=verify-full` for TLS.
    pub url: String,
    /// The schema of the log's tables and functions; `sse_broadcaster` by default.
    pub schema: String,
    /// What the whole log keeps, its bytes by [`Event::cost`](sse_broadcaster::Event::cost); the same on every node.
    pub retention: Retention,
    /// What this node's memory holds of it; its bytes are those of memory.
    pub window: Retention,
    /// Longest data that the SQL function `publish()` accepts; 1 MiB by default.
    pub max_event_bytes: usize,
    /// How long PostgreSQL may take to respond, or to accept a connection, until this node takes it for unreachable; two
    /// seconds by default. A statement may run for three quarters of it.
    pub timeout: Duration,
    /// The rules by topic, as those in the [options](sse_broadcaster::Options::topic_rules) of the broadcaster: by them
    /// events of the outbox become the last events of their topics. None by default.
    pub topic_rules: TopicRules,
}

impl PostgresOptions {
    /// A log at this URL with the defaults. [`Postgres::connect`](crate::Postgres::connect) checks the URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            schema: SCHEMA.to_owned(),
            retention: Retention::default(),
            window: Retention::default(),
            max_event_bytes: MAX_EVENT_BYTES,
            timeout: TIMEOUT,
            topic_rules: TopicRules::default(),
        }
    }

    /// Sets [`schema`](Self::schema).
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
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

    /// Sets [`max_event_bytes`](Self::max_event_bytes).
    #[must_use]
    pub fn max_event_bytes(mut self, max: usize) -> Self {
        self.max_event_bytes = max;
        self
    }

    /// Sets [`timeout`](Self::timeout).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets [`topic_rules`](Self::topic_rules).
    #[must_use]
    pub fn topic_rules(mut self, rules: TopicRules) -> Self {
        self.topic_rules = rules;
        self
    }
}

impl fmt::Debug for PostgresOptions {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("schema", &self.schema)
            .field("retention", &self.retention)
            .field("window", &self.window)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
