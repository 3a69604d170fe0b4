//! Where the log is, and what is kept.

use std::fmt;

use sse_broadcaster::history::Retention;

/// What [`PostgresOptions::new`] names the schema.
const SCHEMA: &str = "sse_broadcaster";
/// Longest data that `publish()` accepts, by default.
const MAX_EVENT_BYTES: usize = 1 << 20;

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
}

impl fmt::Debug for PostgresOptions {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("schema", &self.schema)
            .field("retention", &self.retention)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}
