//! The server as a service of systemd: the sockets that it passes, and what is reported to it. Without its variables in
//! the environment nothing of this happens.
//!
//! ```text
//! systemd/passed_sockets.rs  sockets to serve on, from a socket unit (LISTEN_FDS)
//! systemd/notify.rs          reports the state of the server (NOTIFY_SOCKET)
//! systemd/supervise.rs       the number of subscribers, and the watchdog (WATCHDOG_USEC)
//! ```

mod notify;
mod passed_sockets;
mod supervise;

pub(crate) use self::{notify::Notifier, passed_sockets::PassedSockets, supervise::Supervision};
