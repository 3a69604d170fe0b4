//! The socket of a client, as tasks of the runtime use it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::client_socket::ClientSocket;

/// A socket that the runtime polls.
///
/// After a write that is pending the next one must begin with the same bytes.
pub(crate) type AsyncSocket = ClientSocket<TcpStream>;

impl AsyncSocket {
    /// # Errors
    /// The runtime cannot poll the socket.
    pub(crate) fn from_socket(socket: ClientSocket) -> io::Result<Self> {
        let (io, tls) = socket.into_parts();
        Ok(Self::new(TcpStream::from_std(io)?, tls))
    }

    /// # Errors
    /// The runtime cannot give it back.
    pub(crate) fn into_socket(self) -> io::Result<ClientSocket> {
        Ok(ClientSocket::new(self.io.into_std()?, self.tls))
    }

    /// Announces the end to the client of an encrypted connection, as far as there is room.
    pub(crate) fn announce_end(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close(&self.io);
        }
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_write_ready(cx)
    }
}

/// Tries again whenever the socket has room, or could have.
fn poll_with_room<T>(
    io: &TcpStream,
    cx: &mut Context<'_>,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                ready!(io.poll_write_ready(cx))?;
            }
            result => return Poll::Ready(result),
        }
    }
}

impl AsyncRead for AsyncSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(tls) = &mut this.tls else {
            return Pin::new(&mut this.io).poll_read(cx, buffer);
        };
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            match tls.read(&this.io, buffer.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(this.io.poll_read_ready(cx))?;
                }
                result => {
                    buffer.advance(result?);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for AsyncSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match &mut this.tls {
            None => Pin::new(&mut this.io).poll_write(cx, bytes),
            Some(tls) => poll_with_room(&this.io, cx, || tls.write(&this.io, bytes)),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match &mut this.tls {
            None => Pin::new(&mut this.io).poll_write_vectored(cx, pieces),
            Some(tls) => poll_with_room(&this.io, cx, || tls.write_vectored(&this.io, pieces)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(tls) = &mut this.tls else {
            return Poll::Ready(Ok(()));
        };
        let flushed = poll_with_room(&this.io, cx, || match tls.send_waiting(&this.io) {
            Ok(false) => Err(io::ErrorKind::WouldBlock.into()),
            result => result,
        });
        flushed.map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.announce_end();
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}
