//! Listeners, workers and connections; the routes that only the server has; and streams on sockets of its own.

mod accept;
mod answering;
mod capacity;
mod connection;
mod connection_router;
mod descriptors;
mod direct;
mod exposition;
mod history;
mod intake;
mod key_file;
mod listeners;
mod logging;
mod page;
mod patience;
mod process_signals;
mod refusals;
mod server;
mod socket;
mod status;
mod unix_socket;
mod upgrades;
mod workers;
mod ws;

pub use listeners::{Listeners, ServeError};
pub use process_signals::Shutdown;
pub use server::{run, serve};
pub use unix_socket::UnixSocket;
