//! The PROXY protocol (`--proxy-protocol`): the header that a trusted proxy sends before the first byte of a connection,
//! with the address of its client.
//!
//! It comes first on a connection, before TLS too: what follows it is passed on as the first bytes of the client.

use std::{
    cell::Cell,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, time::timeout};

use crate::http::{
    connection::{accepted::Accepted, client_socket::ClientSocket, settings::HEAD_TIMEOUT},
    routes::refusals,
};
use sse_broadcaster_http::{ProxyHeader, RefusalCounts, TrustedProxies};

const READ_BYTES: usize = 4 << 10;
/// How often a connection that was closed is logged at most.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Reads the headers of the connections of one worker and listener.
pub(crate) struct ProxyProtocol {
    proxies: TrustedProxies,
    refusals: Arc<RefusalCounts>,
    logged: Cell<Option<Instant>>,
}

/// Why a connection is closed.
enum Closed {
    /// By the proxy, for example after a check that the port is open.
    ByProxy,
    Refused(String),
}

impl ProxyProtocol {
    pub(crate) fn new(proxies: TrustedProxies, refusals: Arc<RefusalCounts>) -> Rc<Self> {
        Rc::new(Self {
            proxies,
            refusals,
            logged: Cell::default(),
        })
    }

    /// Reads the header of a new connection, and passes the connection on as that of the client. One without a header, or
    /// from a peer that is not trusted, is closed: if it were served, its client would count as the proxy.
    pub(crate) fn receive(
        self: &Rc<Self>,
        mut accepted: Accepted,
        route: impl FnOnce(Accepted) + 'static,
    ) {
        if !self.proxies.trusts(accepted.peer.map(|peer| peer.ip())) {
            let why =
                "it is none of --trusted-proxy, and may not send a header of the PROXY protocol";
            return self.report(accepted.peer, Closed::Refused(why.to_owned()));
        }
        match read_now(&mut accepted) {
            Ok(true) => return route(accepted),
            Ok(false) => {}
            Err(closed) => return self.report(accepted.peer, closed),
        }
        let this = Rc::clone(self);
        actix_web::rt::spawn(async move {
            if let Some(accepted) = this.read_later(accepted).await {
                route(accepted);
            }
        });
    }

    /// Waits for the rest, as long as for the head of a request.
    async fn read_later(&self, accepted: Accepted) -> Option<Accepted> {
        let Accepted {
            socket,
            mut received,
            mut peer,
            counted,
        } = accepted;
        let proxy = peer;
        // A connection that the runtime cannot poll is closed.
        let io = TcpStream::from_std(socket.into_parts().0).ok()?;
        let reading = async {
            loop {
                io.readable().await.map_err(|_| Closed::ByProxy)?;
                let mut space = [0; READ_BYTES];
                match io.try_read(&mut space) {
                    Ok(0) => return Err(Closed::ByProxy),
                    Ok(read) if take(&space[..read], &mut received, &mut peer)? => return Ok(()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return Err(Closed::ByProxy),
                }
            }
        };
        let late = || {
            let seconds = HEAD_TIMEOUT.as_secs();
            Closed::Refused(format!(
                "its header of the PROXY protocol took longer than {seconds} s"
            ))
        };
        let read = timeout(HEAD_TIMEOUT, reading).await;
        match read.unwrap_or_else(|_| Err(late())) {
            Ok(()) => Some(Accepted {
                socket: ClientSocket::new(io.into_std().ok()?, None),
                received,
                peer,
                counted,
            }),
            Err(closed) => {
                self.report(proxy, closed);
                None
            }
        }
    }

    /// Counts and logs a connection that is closed.
    fn report(&self, proxy: Option<SocketAddr>, closed: Closed) {
        let Closed::Refused(why) = closed else {
            return;
        };
        refusals::count_unproxied(&self.refusals);
        if self
            .logged
            .get()
            .is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL)
        {
            log::warn!("closed a connection of {}: {why}", refusals::shown(proxy));
            self.logged.set(Some(Instant::now()));
        }
    }
}

/// Reads what has arrived; true once the header was complete.
fn read_now(accepted: &mut Accepted) -> Result<bool, Closed> {
    let mut space = [0; READ_BYTES];
    loop {
        match accepted.socket.read(&mut space) {
            Ok(0) => return Err(Closed::ByProxy),
            Ok(read) => {
                if take(&space[..read], &mut accepted.received, &mut accepted.peer)? {
                    return Ok(true);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(_) => return Err(Closed::ByProxy),
        }
    }
}

/// Takes the header from what was received with these bytes; true if it was complete. It is bounded, so that no more is
/// kept than the longest header and one read.
fn take(
    bytes: &[u8],
    received: &mut Vec<u8>,
    peer: &mut Option<SocketAddr>,
) -> Result<bool, Closed> {
    received.extend_from_slice(bytes);
    let header = ProxyHeader::read(received);
    let header = header.map_err(|why| Closed::Refused(why.to_string()))?;
    let Some(ProxyHeader { client, length }) = header else {
        return Ok(false);
    };
    *peer = client.peer(*peer);
    received.drain(..length);
    Ok(true)
}
