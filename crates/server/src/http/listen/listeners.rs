//! The sockets to serve on.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use socket2::{Domain, Socket, Type};

use super::unix_socket::UnixSocket;
use crate::{
    config::{BadSetting, Config},
    process::{error::ServeError, systemd::PassedSockets},
};

/// How many connections may wait to be accepted. After a restart all clients connect at once, and one that does
/// not fit tries again only after a second.
const BACKLOG: i32 = 4_096;

/// The sockets to serve on.
#[derive(Debug, Default)]
pub struct Listeners {
    /// For all clients. Without an admin listener they serve every route.
    pub public: Vec<TcpListener>,
    pub admin: Vec<TcpListener>,
    /// Their requests are redirected to HTTPS.
    pub redirect: Vec<TcpListener>,
    pub public_sockets: Vec<UnixSocket>,
    pub admin_sockets: Vec<UnixSocket>,
}

impl Listeners {
    /// Binds the addresses of the settings, except where systemd passes sockets in their place.
    ///
    /// # Errors
    /// When an address cannot be resolved or bound.
    pub fn bind(config: &Config, passed: PassedSockets) -> Result<Self, ServeError> {
        let (mut public, mut admin) = config.addresses()?;
        let mut redirect = config.redirect_addresses()?;
        let (mut public_paths, mut admin_paths) = config.sockets();
        if !passed.public.is_empty() {
            public.clear();
            public_paths.clear();
            log::info!("serving on the sockets that systemd passes, and not on those of --listen");
        }
        if !passed.admin.is_empty() {
            admin.clear();
            admin_paths.clear();
        }
        if !passed.redirect.is_empty() {
            if redirect.is_empty() {
                let why = "systemd passes a socket of the name redirect, which is used in place of --redirect-http: set that";
                return Err(BadSetting(why.to_owned()).into());
            }
            redirect.clear();
        }
        let v4_ports: Vec<u16> = public
            .iter()
            .chain(&admin)
            .chain(&redirect)
            .filter(|address| address.is_ipv4() && address.port() != 0)
            .map(SocketAddr::port)
            .collect();
        let bind = |addresses: Vec<SocketAddr>| {
            let listeners = addresses
                .into_iter()
                .map(|address| bind(address, v4_ports.contains(&address.port())));
            listeners.collect::<Result<Vec<_>, _>>()
        };
        let mut listeners = Self {
            public: bind(public)?,
            admin: bind(admin)?,
            redirect: bind(redirect)?,
            public_sockets: bind_sockets(public_paths)?,
            admin_sockets: bind_sockets(admin_paths)?,
        };
        listeners.redirect.extend(passed.redirect);
        for socket in passed.public {
            socket.add_to(&mut listeners.public, &mut listeners.public_sockets);
        }
        for socket in passed.admin {
            socket.add_to(&mut listeners.admin, &mut listeners.admin_sockets);
        }
        Ok(listeners)
    }

    pub(crate) fn paths(&self) -> Vec<&Path> {
        let all = self.public_sockets.iter().chain(&self.admin_sockets);
        all.map(UnixSocket::path).collect()
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        [self.public_addresses(), self.admin_addresses()].concat()
    }

    pub(crate) fn public_addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.public)
    }

    pub(crate) fn admin_addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.admin)
    }

    /// The addresses whose requests are redirected.
    pub(crate) fn redirects(&self) -> Vec<SocketAddr> {
        addresses(&self.redirect)
    }
}

fn addresses<'a>(listeners: impl IntoIterator<Item = &'a TcpListener>) -> Vec<SocketAddr> {
    let addresses = listeners.into_iter().map(TcpListener::local_addr);
    addresses.filter_map(Result::ok).collect()
}

fn bind_sockets(paths: Vec<PathBuf>) -> Result<Vec<UnixSocket>, ServeError> {
    let sockets = paths.into_iter().map(|path| {
        let bound = UnixSocket::bind(&path);
        bound.map_err(|error| ServeError::listen_unix(path, error))
    });
    sockets.collect()
}

/// A listener on `[::]` accepts IPv4 as well, unless there is a listener for IPv4 at the same port.
fn bind(address: SocketAddr, has_v4_at_port: bool) -> Result<TcpListener, ServeError> {
    let listen = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // After a restart the address may still be in use by connections that are closing.
        socket.set_reuse_address(cfg!(unix))?;
        if address.is_ipv6() && has_v4_at_port {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    listen().map_err(|error| ServeError::listen(address, error))
}
