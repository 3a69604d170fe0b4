//! Starting, or refusing to; which addresses serve what, and how many clients.

mod limits;
mod listeners;
mod metrics;
mod refusals;
mod settings;
mod signals;
mod unix_socket;
