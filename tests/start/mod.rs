//! Starting, or refusing to; which addresses serve what, and how many clients.

mod config_file;
mod limits;
mod listeners;
mod log;
mod metrics;
mod refusals;
mod reload;
mod settings;
mod signals;
mod systemd;
mod unix_socket;
