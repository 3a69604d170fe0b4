//! Where an accepted connection goes: to a loop of ours if it asks for a stream, else to actix.

use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    task::{Context, Poll},
};

use actix_http::Protocol;
use actix_service::Service;
use bytes::Bytes;
use futures_util::future::{Either, Ready, ready};
use rustix::net::{RecvFlags, recv};
use tokio::net::TcpStream;

use super::{
    connection::{Connection, Settings},
    direct::{Direct, House, Other, may_be_a_streams},
    socket,
};

/// What is read of a connection before it is decided where it goes.
const FIRST_LOOK_BYTES: usize = 4 << 10;

/// What actix serves.
pub(super) type Accepted = (Connection, Protocol, Option<SocketAddr>);

/// The door of one worker.
pub(super) struct Door<S> {
    http: Rc<S>,
    settings: Settings,
    direct: Option<Rc<Direct>>,
}

impl<S: Service<Accepted, Response = ()> + 'static> Door<S> {
    /// With a `house`, streams are served by its loop, which is started here.
    pub(super) fn open(http: S, settings: Settings, house: Option<House>) -> io::Result<Self> {
        let http = Rc::new(http);
        let others = (Rc::clone(&http), settings.clone());
        let direct = house.map(|house| {
            Direct::start(house, move |other| {
                let (http, settings) = &others;
                if let Some(accepted) = accepted(other, settings) {
                    let served = http.call(accepted);
                    actix_web::rt::spawn(async move { drop(served.await) });
                }
            })
        });
        Ok(Self {
            http,
            settings,
            direct: direct.transpose()?,
        })
    }

    /// `None`: it is seen to, or was closed.
    fn sort(&self, io: TcpStream) -> Option<Accepted> {
        let counted = self.settings.count()?;
        socket::configure(
            &io,
            self.settings.socket_buffer_bytes,
            self.settings.stall_timeout,
        );
        let peer = io.peer_addr().ok();
        let Some(direct) = &self.direct else {
            let connection = Connection::new(io, Bytes::new(), &self.settings, counted);
            return Some((connection, Protocol::Http1, peer));
        };
        let begun = first_look(&io)?;
        if !may_be_a_streams(&begun) {
            let connection = Connection::new(io, begun.into(), &self.settings, counted);
            return Some((connection, Protocol::Http1, peer));
        }
        let other = Other {
            socket: io.into_std().ok()?,
            begun,
            peer,
            counted,
        };
        let other = direct.take(other).err()?;
        accepted(other, &self.settings)
    }
}

impl<S: Service<Accepted, Response = ()> + 'static> Service<TcpStream> for Door<S> {
    type Response = ();
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<(), S::Error>>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.http.poll_ready(cx)
    }

    fn call(&self, io: TcpStream) -> Self::Future {
        match self.sort(io) {
            Some(accepted) => Either::Left(self.http.call(accepted)),
            None => Either::Right(ready(Ok(()))),
        }
    }
}

fn accepted(other: Other, settings: &Settings) -> Option<Accepted> {
    let io = TcpStream::from_std(other.socket).ok()?;
    let connection = Connection::new(io, other.begun.into(), settings, other.counted);
    Some((connection, Protocol::Http1, other.peer))
}

/// What has come already, behind the runtime's back: to ask it would take a turn of its poll. `None`
/// when the client is gone.
fn first_look(io: &TcpStream) -> Option<Vec<u8>> {
    let mut space = [0; FIRST_LOOK_BYTES];
    match recv(io, &mut space, RecvFlags::DONTWAIT) {
        Ok((0, _)) => None,
        Ok((read, _)) => Some(space[..read].to_vec()),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Some(Vec::new()),
        Err(_) => None,
    }
}
