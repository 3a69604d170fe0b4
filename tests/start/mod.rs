//! Starting, or refusing to; what it then serves where, and how many it serves.

mod limits;
mod listeners;
mod metrics;
mod refusals;
mod settings;
mod signals;
mod unix_socket;
