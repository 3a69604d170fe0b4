//! The handshake of a connection.

use std::{io, sync::Arc};

use rustls::ServerConfig;
use tokio::{
    net::TcpStream,
    sync::{Semaphore, SemaphorePermit},
    task::yield_now,
};

use crate::{Session, session::Step};

/// Lets the handshakes of a thread take turns with everything else on it: the signature of one takes as long as sending to
/// dozens of clients, or longer.
#[derive(Debug)]
pub struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

impl Turns {
    /// Waits until it is its turn among handshakes, and then until everything else has run that can.
    async fn wait(&self) -> Option<SemaphorePermit<'_>> {
        let turn = self.0.acquire().await.ok();
        yield_now().await;
        turn
    }
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// What the client has sent is not TLS.
    #[error("the client does not speak TLS")]
    NotTls,
    /// The client and the server do not agree, or the socket failed.
    #[error("the handshake failed")]
    Failed(#[source] io::Error),
}

/// Shakes hands with the client of this socket, from which `received` was read already. Has no timeout.
///
/// # Errors
/// The client's, since it does not speak TLS, or none of these versions; and those of the socket. If this is dropped, the
/// socket is left in the middle of the handshake.
pub async fn accept(
    socket: &TcpStream,
    received: &[u8],
    config: Arc<ServerConfig>,
    turns: &Turns,
) -> Result<Session, HandshakeError> {
    let failed = |error| HandshakeError::Failed(error);
    let mut session = Session::new(config).map_err(|error| failed(io::Error::other(error)))?;
    session.put_received(received);
    loop {
        let step = {
            let _turn = turns.wait().await;
            session.shake_hands(socket)
        };
        match step {
            Ok(Step::Done) => return Ok(session),
            Ok(Step::WaitsForClient) => socket.readable().await.map_err(failed)?,
            Ok(Step::WaitsForRoom) => socket.writable().await.map_err(failed)?,
            Err(error) => {
                return Err(if session.has_records() {
                    HandshakeError::Failed(error)
                } else {
                    HandshakeError::NotTls
                });
            }
        }
    }
}
