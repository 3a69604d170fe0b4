//! The process: from its settings to a running server, and to an orderly end.
//!
//! ```text
//! process/serve.rs      the start, in order, and the end
//! process/history.rs    the history that the settings choose
//! process/key_file.rs   publish keys, read again when their file changes
//! process/logging.rs    what is logged, and how a line looks
//! process/signals.rs    SIGTERM, SIGHUP and all others
//! process/error.rs      why a server does not start
//! ```

pub(crate) mod error;
mod history;
mod key_file;
mod logging;
mod serve;
mod signals;

pub(crate) use self::serve::serve;
