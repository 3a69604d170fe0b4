//! The process of the server: how it starts from its settings, and how it ends.
//!
//! ```text
//! process/serve.rs                starts the server; drain.rs ends it
//! process/announcement.rs         what the log says at the start
//! process/check.rs                checks the settings without serving
//! process/admission.rs            who may publish and read, and who operates the server
//! process/broadcaster_options.rs  how the broadcaster behaves
//! process/history.rs              opens the history that the settings choose
//! process/authorization.rs        who may read what: tokens and the application
//! process/token_keys.rs           the keys of tokens, from files and URLs
//! process/key_file.rs             files with keys, which are read again when they change
//! process/certificates.rs         the certificates of TLS, which are read again when their files change
//! process/acme.rs                 orders certificates by ACME, and renews them
//! process/reload.rs               SIGHUP: applies what settings change while the server runs
//! process/revocations.rs          revocations, kept in history
//! process/dictionary.rs           the dictionary of compressed streams, kept in history
//! process/position_cipher.rs      the key of encrypted positions, kept where history is
//! process/mercure.rs              the hub of Mercure's protocol
//! process/presence.rs             starts presence
//! process/nodes.rs                the figures of all nodes of a history
//! process/logging.rs              the filter and the format of the log, and what is dropped of it
//! process/signals.rs              SIGTERM, SIGHUP and all others
//! process/systemd.rs              the sockets that systemd passes, and what is reported to it
//! process/error.rs                why a server does not start, or stops
//! ```

mod acme;
mod admission;
mod announcement;
mod authorization;
mod broadcaster_options;
mod certificates;
pub(crate) mod check;
pub(crate) mod dictionary;
mod drain;
pub(crate) mod error;
mod history;
mod key_file;
pub(crate) mod logging;
mod mercure;
pub(crate) mod nodes;
mod position_cipher;
mod presence;
pub(crate) mod reload;
pub(crate) mod revocations;
mod serve;
mod shared_history;
mod signals;
pub(crate) mod systemd;
pub(crate) mod token_keys;

pub(crate) use self::serve::serve;
