//! What a worker's loop is started with, and what it is given.

use std::{
    net::{SocketAddr, TcpStream},
    sync::{Arc, atomic::AtomicUsize},
};

use actix_http::ServiceConfig;

use super::super::{capacity::Counted, connection::Settings};
use sse_broadcaster_actix::internal::AppState;

/// What all connections of a worker share.
pub(in crate::http) struct WorkerContext {
    pub(in crate::http) state: Arc<AppState>,
    pub(in crate::http) settings: Settings,
    pub(in crate::http) config: ServiceConfig,
    /// Counts the streams of all workers.
    pub(in crate::http) streams: Arc<AtomicUsize>,
}

/// A connection that was accepted, with the bytes that were read from it so far.
pub(in crate::http) struct Accepted {
    pub(in crate::http) socket: TcpStream,
    pub(in crate::http) received: Vec<u8>,
    /// `None` for a Unix socket.
    pub(in crate::http) peer: Option<SocketAddr>,
    pub(in crate::http) counted: Counted,
}
