//! Publishers that send one small `POST /events` after the other on one connection: served on the worker's own socket,
//! since actix's way from the socket to the route and back costs as much again as the publish.
//!
//! ```text
//! publishing/head.rs      the head of such a request
//! publishing/request.rs   finds a whole request to publish, and leaves everything unusual to actix
//! publishing/response.rs  writes the response
//! ```
//!
//! Requests are served by the functions that serve them under actix. A connection that sends anything else, or takes
//! long to send a request, goes to actix's dispatcher with what was read of it, for good: there are larger bodies, and
//! the timeouts of slow clients.

mod head;
mod request;
mod response;

use std::{
    io,
    mem::MaybeUninit,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use actix_web::http::header::HeaderValue;
use bytes::{Bytes, BytesMut};
use futures_util::{
    future::{FutureExt as _, poll_fn, ready as at_once},
    stream,
};
use tokio::{
    io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf},
    task::yield_now,
    time::{Sleep, sleep, timeout},
};

use self::request::{Publish, Received, take};
use super::{
    connection::{
        accepted::Accepted,
        async_socket::AsyncSocket,
        capacity::{Counted, Listed},
        settings::Settings,
    },
    direct::WorkerContext,
    routes::{refusals, response::keep_alive_header},
};
use sse_broadcaster_http::{AppState, RefusalNote, RequestHead as _, Route, respond};

pub(super) use self::request::may_publish;

/// How long the rest of a request is waited for. A connection that sends no further one for so long is idle.
const WAIT: Duration = Duration::from_millis(500);
const READ_BYTES: usize = 4 << 10;
/// Most reads of what follows the last request of a connection.
const MAX_DISCARDED_PARTS: usize = 64;

/// What the publishers of a worker and listener share.
pub(super) struct Publishing {
    state: Arc<AppState>,
    settings: Settings,
    /// How long an idle connection is kept for a further request.
    keep_alive: Duration,
    keep_alive_header: HeaderValue,
}

/// A connection that is served here.
struct Connection {
    io: AsyncSocket,
    peer: Option<SocketAddr>,
    received: BytesMut,
    /// Set while it is idle.
    listed: Option<Listed>,
    counted: Counted,
}

enum Read {
    Bytes,
    /// The client has closed it, or it was idle for too long, or it makes room for others.
    Closed,
    /// The rest of the request has not come in time.
    TooSlow,
}

/// Why a connection is served here no longer.
enum End {
    /// It goes to actix.
    Other,
    Closed,
}

impl Publishing {
    /// `None` where no connection is kept for a further request.
    pub(super) fn of(context: &WorkerContext) -> Option<Self> {
        Some(Self {
            keep_alive_header: keep_alive_header(context.keep_alive)?,
            state: Arc::clone(&context.state),
            settings: context.settings.clone(),
            keep_alive: context.keep_alive,
        })
    }

    /// Serves a connection, and passes it to `serve_http` with what was read and not served. It is closed if the runtime
    /// cannot poll it.
    pub(super) async fn serve(
        self: Rc<Self>,
        accepted: Accepted,
        serve_http: impl FnOnce(Accepted),
    ) {
        let Ok(io) = AsyncSocket::from_socket(accepted.socket) else {
            return;
        };
        let mut connection = Connection {
            io,
            peer: accepted.peer,
            received: BytesMut::from(&accepted.received[..]),
            listed: None,
            counted: accepted.counted,
        };
        match self.serve_publishes(&mut connection).await {
            Ok(End::Other) => {}
            // An error of the socket is its client's.
            Ok(End::Closed) | Err(_) => return,
        }
        if let Ok(socket) = connection.io.into_socket() {
            serve_http(Accepted {
                socket,
                received: connection.received.into(),
                peer: connection.peer,
                counted: connection.counted,
            });
        }
    }

    async fn serve_publishes(&self, connection: &mut Connection) -> io::Result<End> {
        let mut sleep = pin!(sleep(WAIT));
        let mut out = Vec::new();
        loop {
            let waits_since = Instant::now();
            let publish = loop {
                match take(&mut connection.received, &self.settings.paths) {
                    Received::Publish(publish) => break publish,
                    Received::Other => return Ok(End::Other),
                    Received::Incomplete => {}
                }
                match self.read(connection, waits_since, sleep.as_mut()).await? {
                    Read::Bytes => {}
                    Read::Closed => return Ok(End::Closed),
                    Read::TooSlow => return Ok(End::Other),
                }
            };
            out.clear();
            let closes = self.publish(publish, connection.peer, &mut out).await;
            self.write(&mut connection.io, &out).await?;
            if closes {
                connection.discard();
                return Ok(End::Closed);
            }
            if !connection.received.is_empty() {
                // Others have their turn between the requests of a pipeline.
                yield_now().await;
            }
        }
    }

    /// Appends the response to `out`; true if the connection is to be closed behind it.
    async fn publish(
        &self,
        Publish {
            mut head,
            body,
            closes,
        }: Publish,
        peer: Option<SocketAddr>,
        out: &mut Vec<u8>,
    ) -> bool {
        head.peer = peer.map(|peer| peer.ip());
        let body = stream::once(at_once(Ok::<Bytes, io::Error>(body)));
        let responding = respond(&self.state, Route::Events, "", &head, body);
        // A panic ends one request.
        let response = AssertUnwindSafe(responding).catch_unwind().await;
        let mut response = response.unwrap_or_else(|_| response::internal_error());
        if closes {
            response::close(&mut response);
        }
        let request = || refusals::Request {
            method: head.method(),
            path: Route::Events.path(),
            peer,
            client_ip: self.state.client_ip(&head),
        };
        let code = response.extensions().get::<RefusalNote>();
        let (status, code) = (response.status().as_u16(), code.map(|note| note.code));
        refusals::count(&self.state.refusals, request, status, code);
        response::encode(response, self.keep_alive_header.as_bytes(), out)
    }

    async fn write(&self, io: &mut AsyncSocket, bytes: &[u8]) -> io::Result<()> {
        let written = match io.write(bytes) {
            Ok(written) if written == bytes.len() => return Ok(()),
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        // A client that does not read its response is cut, as one that does not read a stream.
        timeout(self.settings.stall_timeout, io.write_all(&bytes[written..])).await?
    }

    /// Reads what has arrived, or arrives in time; `since` is when the connection began to wait for a request.
    async fn read(
        &self,
        connection: &mut Connection,
        since: Instant,
        mut sleep: Pin<&mut Sleep>,
    ) -> io::Result<Read> {
        poll_fn(|cx| {
            if let Poll::Ready(read) = connection.poll_read(cx) {
                return Poll::Ready(read);
            }
            loop {
                if connection.listed.as_ref().is_some_and(Listed::is_displaced) {
                    return Poll::Ready(Ok(Read::Closed));
                }
                ready!(sleep.as_mut().poll(cx));
                let waited = since.elapsed();
                let until = if waited < WAIT {
                    // It was set for a wait that is over.
                    WAIT
                } else if !connection.received.is_empty() {
                    return Poll::Ready(Ok(Read::TooSlow));
                } else if waited < self.keep_alive {
                    let list = || self.settings.capacity.list(cx.waker().clone());
                    connection.listed.get_or_insert_with(list);
                    connection.received = BytesMut::new();
                    self.keep_alive
                } else {
                    return Poll::Ready(Ok(Read::Closed));
                };
                sleep.as_mut().reset((since + until).into());
            }
        })
        .await
    }
}

impl Connection {
    /// With unread bytes the close would be a reset, which overtakes the response.
    fn discard(&mut self) {
        self.io.announce_end();
        let mut space = [0; READ_BYTES];
        let read = || self.io.read(&mut space).unwrap_or(0);
        let parts = std::iter::repeat_with(read).take_while(|read| *read > 0);
        parts.take(MAX_DISCARDED_PARTS).for_each(drop);
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Read>> {
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut space = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut space))?;
        self.listed = None;
        self.received.extend_from_slice(space.filled());
        Poll::Ready(Ok(match space.filled() {
            [] => Read::Closed,
            _ => Read::Bytes,
        }))
    }
}
