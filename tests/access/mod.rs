//! Who may publish, whose pages may read, and what answers say to whom, over real sockets.

mod answers;
mod cors;
mod hosts;
mod keys;
mod questions;
mod sockets;
