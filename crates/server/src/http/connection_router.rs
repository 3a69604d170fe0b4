//! Where an accepted connection goes: to a loop of ours if it asks for a stream, else to actix.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    rc::Rc,
};

use actix_http::Protocol;
use actix_service::Service;
use rustix::net::{RecvFlags, recv};

use super::{
    connection::{Connection, Settings},
    direct::{Direct, Other, WorkerContext},
    socket,
};

/// What is read of a connection before it is decided where it goes.
const FIRST_LOOK_BYTES: usize = 4 << 10;

/// What actix serves.
pub(super) type Accepted = (Connection, Protocol, Option<SocketAddr>);

/// The door of one worker.
pub(super) struct ConnectionRouter<S> {
    http: Rc<S>,
    settings: Settings,
    direct: Option<Rc<Direct>>,
}

impl<S: Service<Accepted, Response = ()> + 'static> ConnectionRouter<S> {
    /// With a `context`, streams are served by its loop, which is started here.
    pub(super) fn open(
        http: S,
        settings: Settings,
        context: Option<WorkerContext>,
    ) -> io::Result<Self> {
        let http = Rc::new(http);
        let others = (Rc::clone(&http), settings.clone());
        let direct = context.map(|context| {
            Direct::start(context, move |other| serve(other, &*others.0, &others.1))
        });
        Ok(Self {
            http,
            settings,
            direct: direct.transpose()?,
        })
    }

    /// Sees to a connection that was accepted just now.
    pub(super) fn let_in(&self, socket: TcpStream, peer: Option<SocketAddr>) {
        let Some(counted) = self.settings.capacity.count() else {
            return;
        };
        let Settings {
            socket_buffer_bytes,
            stall_timeout,
            ..
        } = self.settings;
        socket::configure_accepted(&socket, socket_buffer_bytes, stall_timeout);
        let mut other = Other {
            socket,
            begun: Vec::new(),
            peer,
            counted,
        };
        if let Some(direct) = &self.direct {
            match first_look(&other.socket) {
                Some(begun) => other.begun = begun,
                None => return,
            }
            match direct.take(other) {
                Ok(()) => return,
                Err(theirs) => other = theirs,
            }
        }
        serve(other, &*self.http, &self.settings);
    }
}

fn serve<S>(other: Other, http: &S, settings: &Settings)
where
    S: Service<Accepted, Response = ()> + 'static,
{
    // Without a place in the runtime's poll it cannot be served; its client comes back.
    if let Ok(io) = tokio::net::TcpStream::from_std(other.socket) {
        let connection = Connection::new(io, other.begun.into(), settings, other.counted);
        let served = http.call((connection, Protocol::Http1, other.peer));
        // How a connection ends is its client's matter, or has been logged.
        actix_web::rt::spawn(async move { drop(served.await) });
    }
}

/// What has come already; `None` when the client is gone.
fn first_look(socket: &TcpStream) -> Option<Vec<u8>> {
    let mut space = [0; FIRST_LOOK_BYTES];
    match recv(socket, &mut space, RecvFlags::DONTWAIT) {
        Ok((0, _)) => None,
        Ok((read, _)) => Some(space[..read].to_vec()),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Some(Vec::new()),
        Err(_) => None,
    }
}
