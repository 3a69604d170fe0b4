//! Listening and accepting: TCP addresses and Unix sockets.

mod accept;
mod listeners;
mod proxy_protocol;
mod unix_socket;

pub(crate) use self::{
    accept::{Turns, accept},
    listeners::Listeners,
    proxy_protocol::ProxyProtocol,
    unix_socket::{Listener, UnixSocket, Watched},
};
