//! Listening and accepting: TCP addresses and Unix sockets.

mod accept;
mod listeners;
mod unix_socket;

pub(crate) use self::{
    accept::{Turns, accept},
    listeners::Listeners,
    unix_socket::{Listener, UnixSocket, Watched},
};
