//! Connections that speak HTTP/2: each is one task, which polls all of its requests and streams.
//!
//! ```text
//! http2/preface.rs     whether a connection begins to speak HTTP/2
//! http2/limits.rs      what one connection may have, and may have the server do
//! http2/wire.rs        the IO under the crate h2: bounds what is read at once, and notices full sockets
//! http2/frames.rs      counts frames that are of no use, and notices heads that are not completed; allowance.rs: how many
//! http2/held.rs        the memory of requests whose response is not there yet
//! http2/connection.rs  the task; timers.rs: what it waits for; turn.rs: how long before others have their turn
//! http2/exchange.rs    one request and its response, or its stream
//! http2/head.rs        the head of a request, for the routes and for actix
//! http2/body.rs        the body of a request
//! http2/request.rs     a request that actix's routes serve
//! http2/response.rs    the head of a response
//! http2/stream.rs      one open stream
//! http2/outgoing.rs    what is sent, as far as the client's windows allow
//! ```

mod allowance;
mod body;
mod connection;
mod exchange;
mod frames;
mod head;
mod held;
mod limits;
mod outgoing;
mod preface;
mod request;
mod response;
mod stream;
mod timers;
mod turn;
mod wire;

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use actix_http::Request;
use actix_service::Service;
use actix_web::{Error, body::BoxBody, dev::ServiceResponse};
use tokio::time::timeout;

pub(super) use self::preface::{Preface, complete};
use self::{connection::Connection, wire::Wire};
use crate::http::connection::{
    async_socket::AsyncSocket,
    capacity::Counted,
    client_socket::ClientSocket,
    settings::{HEAD_TIMEOUT, Settings},
};
use sse_broadcaster_http::AppState;
use sse_broadcaster_mercure::Hub;

/// The protocol's name in ALPN.
pub(crate) const PROTOCOL: &[u8] = b"h2";

/// A response of the routes, before it is made.
type Responding = Pin<Box<dyn Future<Output = Result<ServiceResponse<BoxBody>, Error>>>>;

/// What all connections of a worker and listener share.
pub(crate) struct Context {
    pub(super) state: Arc<AppState>,
    /// Mercure's protocol, if it is served.
    pub(super) hub: Option<Arc<Hub>>,
    pub(super) settings: Settings,
    /// How long a connection without requests is kept.
    pub(super) keep_alive: Duration,
    /// Whether it is spoken without TLS, by clients that begin with it.
    pub(super) prior_knowledge: bool,
    /// Most requests and streams of one connection at a time.
    pub(super) max_streams: u32,
    pub(super) counts: Arc<Counts>,
}

impl Context {
    fn count_stream(&self) -> Counted {
        Counted::among(&self.counts.streams)
    }
}

/// Counts what is open over HTTP/2, for all workers.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) streams: Arc<AtomicUsize>,
    /// Bytes of requests whose response is not there yet.
    held: AtomicUsize,
}

/// Serves connections over HTTP/2.
pub(super) struct Http2 {
    context: Context,
    /// The routes, which HTTP/1.1 uses as well.
    call: Box<dyn Fn(Request) -> Responding>,
}

impl Http2 {
    pub(super) fn new<S>(context: Context, app: Rc<S>) -> Rc<Self>
    where
        S: Service<Request, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
        S::Future: 'static,
    {
        let call = move |request| Box::pin(app.call(request)) as Responding;
        Rc::new(Self {
            context,
            call: Box::new(call),
        })
    }

    /// Whether the client of this socket may speak HTTP/2: by ALPN, or with prior knowledge.
    pub(super) fn is_spoken_by(&self, socket: &ClientSocket) -> bool {
        if socket.is_encrypted() {
            socket.protocol() == Some(PROTOCOL)
        } else {
            self.context.prior_knowledge
        }
    }

    /// Serves a connection, of which `received` has been read already, from its preface to its end.
    pub(super) async fn serve(
        self: Rc<Self>,
        io: AsyncSocket,
        received: Vec<u8>,
        peer: Option<SocketAddr>,
        counted: Counted,
    ) {
        let counted = [counted, Counted::among(&self.context.counts.connections)];
        let (wire, watch) = Wire::new(io, received.into(), self.context.max_streams);
        let handshake = limits::builder(self.context.max_streams).handshake(wire);
        // A client that speaks something else, or nothing, is closed.
        if let Ok(Ok(h2)) = timeout(HEAD_TIMEOUT, handshake).await {
            Connection::new(self, h2, watch, peer).await;
        }
        drop(counted);
    }
}
