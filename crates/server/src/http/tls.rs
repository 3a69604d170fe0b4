//! Encrypts the connections of a listener.

use std::{
    collections::HashMap,
    io,
    net::TcpStream,
    rc::Rc,
    sync::{Arc, atomic::AtomicU64},
};

use parking_lot::RwLock;
use tokio::{io::AsyncWriteExt as _, time::timeout};

use super::connection::{accepted::Accepted, client_socket::ClientSocket, settings::HEAD_TIMEOUT};
use sse_broadcaster_tls::{
    CHALLENGE_PROTOCOL, Current, HandshakeCounts, HandshakeError, Outcome, ServerConfig, Session,
    Turns, accept,
};

/// The response to a client that does not speak TLS.
const NOT_TLS: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nConnection: close\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"detail\":\"this port serves HTTPS: write \
    https:// in place of http://\",\"code\":\"https_required\"}\n";

/// Most reads of what a client that is refused goes on sending.
const MAX_DISCARDED_PARTS: usize = 64;

/// How connections are encrypted.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) counts: Arc<HandshakeCounts>,
    pub(crate) certificates: Arc<Current>,
    /// Those of certificates by ACME.
    pub(crate) orders: Option<Arc<Orders>>,
}

/// Orders of certificates by ACME.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    pub(crate) issued: AtomicU64,
    pub(crate) failed: AtomicU64,
    /// What an authority gets at the address of redirects, by the token in its path.
    pub(crate) proofs: RwLock<HashMap<String, String>>,
}

/// Encrypts the connections of one worker and listener.
pub(crate) struct Encryption {
    tls: Tls,
    turns: Turns,
}

impl Encryption {
    pub(crate) fn new(tls: Tls) -> Rc<Self> {
        Rc::new(Self {
            tls,
            turns: Turns::default(),
        })
    }

    /// Shakes hands with the client of a new connection, and passes it on. It is closed if that fails or takes too long.
    pub(crate) fn begin(
        self: &Rc<Self>,
        accepted: Accepted,
        route: impl FnOnce(Accepted) + 'static,
    ) {
        let this = Rc::clone(self);
        actix_web::rt::spawn(async move {
            let (socket, _) = accepted.socket.into_parts();
            if let Some(socket) = this.accept(socket, &accepted.received).await {
                route(Accepted {
                    socket,
                    received: Vec::new(),
                    ..accepted
                });
            }
        });
    }

    /// `received` was read from the socket already.
    async fn accept(&self, socket: TcpStream, received: &[u8]) -> Option<ClientSocket> {
        // A connection that the runtime cannot poll is closed; its client reconnects.
        let mut io = tokio::net::TcpStream::from_std(socket).ok()?;
        let accepting = accept(&io, received, Arc::clone(&self.tls.config), &self.turns);
        let accepted = timeout(HEAD_TIMEOUT, accepting).await;
        self.tls.counts.add(outcome(&accepted));
        match accepted {
            Ok(Ok(mut session)) if is_challenge(&session) => {
                session.close(&io);
                None
            }
            Ok(Ok(session)) => Some(ClientSocket::new(io.into_std().ok()?, Some(session.into()))),
            Ok(Err(HandshakeError::NotTls)) => {
                // A client that does not read it is closed as well.
                let _ = timeout(HEAD_TIMEOUT, refuse(&mut io)).await;
                None
            }
            Ok(Err(error)) => {
                log::debug!(
                    "a client was not served: {error}: {:?}",
                    std::error::Error::source(&error)
                );
                None
            }
            Err(_) => None,
        }
    }
}

/// Whether the client is an authority that checks a name: it has what it came for.
fn is_challenge(session: &Session) -> bool {
    session.protocol() == Some(CHALLENGE_PROTOCOL)
}

fn outcome<E>(accepted: &Result<Result<Session, HandshakeError>, E>) -> Outcome {
    match accepted {
        Ok(Ok(session)) if is_challenge(session) => Outcome::Challenge,
        Ok(Ok(session)) if session.is_resumed() => Outcome::Resumed,
        Ok(Ok(_)) => Outcome::Full,
        Ok(Err(HandshakeError::NotTls)) => Outcome::NotTls,
        Ok(Err(_)) => Outcome::Failed,
        Err(_) => Outcome::TimedOut,
    }
}

/// Responds, and reads what the client has sent: with unread bytes the close would be a reset, which overtakes the
/// response.
async fn refuse(io: &mut tokio::net::TcpStream) -> io::Result<()> {
    io.write_all(NOT_TLS.as_bytes()).await?;
    io.shutdown().await?;
    let mut space = [0; 1 << 10];
    for _ in 0..MAX_DISCARDED_PARTS {
        io.readable().await?;
        match io.try_read(&mut space) {
            Ok(0) => break,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => break,
            _ => {}
        }
    }
    Ok(())
}
