//! A listener, and what every worker serves on it.

use std::{io, sync::Arc};

use actix_service::{Service, ServiceFactory as _};

use crate::{
    config::Config,
    http::{
        connection::{
            capacity::Capacity,
            limits::Connections,
            settings::{HEAD_TIMEOUT, Settings},
            socket,
        },
        direct::Direct,
        listen::{Listener, Listeners, Turns, UnixSocket, accept},
        redirect::{self, HTTPS_PORT},
        router::{ConnectionRouter, HttpConnection},
        routes::{
            self, Routing,
            api::{Documents, Served},
            status::Status,
        },
        tls::{Encryption, Tls},
    },
};
use sse_broadcaster_actix::{AppState, Routes};
use sse_broadcaster_cli::is_loopback;
use sse_broadcaster_mercure::Hub;

/// What every worker serves on one listener.
#[derive(Clone)]
pub(super) struct Port {
    listener: Arc<Listener>,
    turns: Arc<Turns>,
    settings: Settings,
    serves: Serves,
}

/// What requests to a port get.
#[derive(Clone)]
enum Serves {
    /// The routes, over TLS if there is that.
    Routes(Box<Routing>, Option<Tls>),
    /// A redirect to this port.
    Redirect(u16),
}

impl Port {
    /// With `every_route`, the page, the documents of the interface, health and metrics are served as well.
    fn open(
        listener: Listener,
        settings: &Settings,
        every_route: bool,
        config: &Config,
        (state, hub): (&AppState, Option<Arc<Hub>>),
        status: &Arc<Status>,
        tls: Option<&Tls>,
    ) -> io::Result<Self> {
        // Pages cannot reach a Unix socket, so that names are not checked there.
        let address = listener.address()?;
        let loopback = address.filter(|address| is_loopback(address.ip()));
        let loopback_port = loopback.map(|address| address.port());
        let has_page = every_route && !config.no_page;
        let documents = has_page.then(|| Documents::of(Served::new(hub.is_some(), status)));
        let routing = Routing {
            routes: Routes::new(state.with_loopback_port(loopback_port)),
            hub,
            status: every_route.then(|| Arc::clone(status)),
            dictionaries: status.dictionaries.clone(),
            page: documents.transpose()?.map(Arc::new),
            keep_alive: config.keep_alive,
            direct: (!config.no_direct).then(|| Arc::clone(&status.direct)),
        };
        let serves = Serves::Routes(Box::new(routing), tls.cloned());
        Self::serving(listener, settings, config, serves)
    }

    fn serving(
        listener: Listener,
        settings: &Settings,
        config: &Config,
        serves: Serves,
    ) -> io::Result<Self> {
        listener.set_nonblocking()?;
        socket::configure_listener(
            &listener,
            settings.socket_buffer_bytes,
            settings.stall_timeout,
        );
        Ok(Self {
            listener: Arc::new(listener),
            turns: Turns::new(super::count(config)),
            settings: settings.clone(),
            serves,
        })
    }

    pub(super) async fn serve(self, worker: usize) -> io::Result<()> {
        let listener = self.listener.try_clone()?;
        let settings = self.settings;
        let failed = || io::Error::other("the routes cannot be set up");
        match self.serves {
            Serves::Routes(routing, tls) => {
                let context = routing.context(&settings);
                let http = routes::http(*routing).new_service(()).await;
                let encryption = tls.map(Encryption::new);
                let http = http.map_err(|_| failed())?;
                let router = ConnectionRouter::open(http, settings, context, encryption)?;
                start(listener, self.turns, worker, router);
            }
            Serves::Redirect(port) => {
                let http = redirect::http(port).new_service(()).await;
                let http = http.map_err(|_| failed())?;
                let router = ConnectionRouter::open(http, settings, None, None)?;
                start(listener, self.turns, worker, router);
            }
        }
        Ok(())
    }
}

fn start<S: Service<HttpConnection, Response = ()> + 'static>(
    listener: Listener,
    turns: Arc<Turns>,
    worker: usize,
    router: ConnectionRouter<S>,
) {
    let accepting = accept(listener, turns, worker, move |io, peer| {
        router.route(io, peer);
    });
    actix_web::rt::spawn(accepting);
}

/// Opens the ports of these listeners.
pub(super) fn open(
    listeners: Listeners,
    config: &Config,
    connections: Connections,
    (state, hub): (&AppState, Option<Arc<Hub>>),
    status: &Arc<Status>,
    tls: Option<&Tls>,
) -> io::Result<(Vec<Port>, Vec<UnixSocket>)> {
    let io_uring = config.io_uring && !config.no_direct && Direct::can_batch();
    // Each kind of listener has its own limit, so that health checks on admin listeners do not depend on the others.
    let [public_settings, admin_settings] =
        [connections.public, connections.admin].map(|max| Settings {
            stall_timeout: config.stall_timeout,
            head_timeout: HEAD_TIMEOUT,
            socket_buffer_bytes: config.socket_buffer_bytes,
            io_uring,
            capacity: Capacity::new(max),
            replay_buffers: Arc::clone(state.broadcaster.replay_buffers()),
            refusals: Arc::clone(&state.refusals),
        });
    let shared = listeners.admin.is_empty() && listeners.admin_sockets.is_empty();
    let own_port = (listeners.public.first()).and_then(|listener| listener.local_addr().ok());
    let own_port = own_port.map_or(HTTPS_PORT, |address| address.port());
    let https_port = config.tls.redirect_port.unwrap_or(own_port);
    let public = listeners.public.into_iter().map(Listener::Tcp);
    let public = public.map(|listener| (listener, tls));
    let admin = listeners.admin.into_iter().map(Listener::Tcp);
    let of_sockets = |sockets: &[UnixSocket]| {
        let listeners = sockets.iter().map(UnixSocket::listener);
        listeners.collect::<io::Result<Vec<_>>>()
    };
    let of_public_sockets = of_sockets(&listeners.public_sockets)?.into_iter();
    let public = public.chain(of_public_sockets.map(|listener| (listener, None)));
    let public = public.map(|(listener, tls)| (listener, &public_settings, shared, tls));
    let admin = admin.chain(of_sockets(&listeners.admin_sockets)?);
    let admin = admin.map(|listener| (listener, &admin_settings, true, None));
    let open = |(listener, settings, every_route, tls)| {
        let served = (state, hub.clone());
        Port::open(listener, settings, every_route, config, served, status, tls)
    };
    let redirects = listeners.redirect.into_iter().map(|listener| {
        let serves = Serves::Redirect(https_port);
        Port::serving(Listener::Tcp(listener), &public_settings, config, serves)
    });
    let ports = public.chain(admin).map(open).chain(redirects);
    let ports = ports.collect::<io::Result<_>>()?;
    let sockets = listeners.public_sockets.into_iter();
    Ok((ports, sockets.chain(listeners.admin_sockets).collect()))
}
