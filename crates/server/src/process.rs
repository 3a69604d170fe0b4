//! The process of the server: how it starts from its settings, and how it ends.
//!
//! ```text
//! process/serve.rs      starts the server, and drains it at the end
//! process/history.rs    opens the history that the settings choose
//! process/key_file.rs   reads the publish keys again when their file changes
//! process/logging.rs    the filter and the format of the log
//! process/signals.rs    SIGTERM, SIGHUP and all others
//! process/error.rs      why a server does not start, or stops
//! ```

pub(crate) mod error;
mod history;
mod key_file;
mod logging;
mod serve;
mod signals;

pub(crate) use self::serve::serve;
