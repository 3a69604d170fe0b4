//! Routes an accepted connection: to the worker's loop in `http/direct` if it asks for a stream, to `http/publishing` if
//! it begins by publishing, to `http/http2` if it speaks HTTP/2, else to actix.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    rc::Rc,
};

use actix_http::Protocol;
use actix_service::Service;

use super::{
    connection::{
        accepted::Accepted, async_socket::AsyncSocket, client_socket::ClientSocket,
        settings::Settings, socket,
    },
    direct::{Direct, WorkerContext},
    dispatcher::Connection,
    http2::{self, Http2, Preface},
    publishing::{Publishing, may_publish},
};

/// How much of a connection is read before it is routed.
const FIRST_READ_BYTES: usize = 4 << 10;

/// A connection as actix serves it.
pub(crate) type HttpConnection = (Connection, Protocol, Option<SocketAddr>);

/// Routes the accepted connections of one worker and listener.
pub(crate) struct ConnectionRouter<S> {
    requests: Rc<Requests<S>>,
    settings: Settings,
    direct: Option<Rc<Direct>>,
}

/// Serves the connections whose first request is not for a stream.
struct Requests<S> {
    http: S,
    settings: Settings,
    publishing: Option<Rc<Publishing>>,
    /// `None` where every request is redirected.
    http2: Option<Rc<Http2>>,
}

impl<S: Service<HttpConnection, Response = ()> + 'static> ConnectionRouter<S> {
    /// With a `context`, starts a loop that serves the streams, and serves publishers beside actix.
    pub(crate) fn open(
        http: S,
        settings: Settings,
        context: Option<WorkerContext>,
        http2: Option<Rc<Http2>>,
    ) -> io::Result<Self> {
        let publishing = context.as_ref().and_then(Publishing::of);
        let requests = Rc::new(Requests {
            http,
            settings: settings.clone(),
            publishing: publishing.map(Rc::new),
            http2,
        });
        let direct = context.map(|context| {
            let requests = Rc::clone(&requests);
            Direct::start(context, move |accepted| requests.serve(accepted))
        });
        Ok(Self {
            requests,
            settings,
            direct: direct.transpose()?,
        })
    }

    /// Counts and configures a new connection. `None` if there are too many: then it is closed.
    pub(crate) fn admit(&self, socket: TcpStream, peer: Option<SocketAddr>) -> Option<Accepted> {
        let counted = self.settings.capacity.count()?;
        let Settings {
            socket_buffer_bytes,
            stall_timeout,
            ..
        } = self.settings;
        socket::configure_accepted(&socket, socket_buffer_bytes, stall_timeout);
        Some(Accepted {
            socket: ClientSocket::new(socket, None),
            received: Vec::new(),
            peer,
            counted,
        })
    }

    /// Routes a connection by what it has sent so far.
    pub(crate) fn route(&self, mut accepted: Accepted) {
        if let Some(direct) = &self.direct {
            if accepted.received.is_empty() {
                match read_first(&mut accepted.socket) {
                    Some(received) => accepted.received = received,
                    None => return,
                }
            }
            match direct.try_serve(accepted) {
                Ok(()) => return,
                Err(returned) => accepted = returned,
            }
        }
        self.requests.serve(accepted);
    }
}

impl<S: Service<HttpConnection, Response = ()> + 'static> Requests<S> {
    fn serve(self: &Rc<Self>, accepted: Accepted) {
        let http2 = self.http2.as_ref();
        let http2 = http2.filter(|http2| http2.is_spoken_by(&accepted.socket));
        let Some(http2) = http2.map(Rc::clone) else {
            return self.serve_http1(accepted);
        };
        match Preface::of(&accepted.received) {
            Preface::Whole => serve_http2(http2, accepted),
            Preface::Incomplete => {
                let this = Rc::clone(self);
                actix_web::rt::spawn(async move {
                    match http2::complete(accepted).await {
                        Some((Preface::Whole, accepted)) => serve_http2(http2, accepted),
                        Some((_, accepted)) => this.serve_http1(accepted),
                        None => {}
                    }
                });
            }
            Preface::Other => self.serve_http1(accepted),
        }
    }

    fn serve_http1(self: &Rc<Self>, accepted: Accepted) {
        match &self.publishing {
            Some(publishing) if may_publish(&accepted.received, &self.settings.paths) => {
                let this = Rc::clone(self);
                let serving =
                    Rc::clone(publishing).serve(accepted, move |rest| this.serve_http(rest));
                actix_web::rt::spawn(serving);
            }
            _ => self.serve_http(accepted),
        }
    }

    fn serve_http(&self, accepted: Accepted) {
        // A connection that the runtime cannot poll is closed; its client reconnects.
        if let Ok(io) = AsyncSocket::from_socket(accepted.socket) {
            let received = accepted.received.into();
            let of_client = (accepted.peer, accepted.counted);
            let connection = Connection::new(io, received, &self.settings, of_client);
            let connection = (connection, Protocol::Http1, accepted.peer);
            let served = self.http.call(connection);
            // An error has been logged, or is the client's.
            actix_web::rt::spawn(async move { drop(served.await) });
        }
    }
}

fn serve_http2(http2: Rc<Http2>, accepted: Accepted) {
    // A connection that the runtime cannot poll is closed; its client reconnects.
    if let Ok(io) = AsyncSocket::from_socket(accepted.socket) {
        let Accepted {
            received,
            peer,
            counted,
            ..
        } = accepted;
        actix_web::rt::spawn(http2.serve(io, received, peer, counted));
    }
}

/// The bytes that have arrived already; `None` if the client has disconnected.
fn read_first(socket: &mut ClientSocket) -> Option<Vec<u8>> {
    let mut space = [0; FIRST_READ_BYTES];
    match socket.read(&mut space) {
        Ok(0) => None,
        Ok(read) => Some(space[..read].to_vec()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Some(Vec::new()),
        Err(_) => None,
    }
}
