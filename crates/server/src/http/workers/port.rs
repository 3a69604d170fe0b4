//! A listener, and what every worker serves on it.

use std::{io, rc::Rc, sync::Arc};

use actix_service::ServiceFactory as _;

use crate::{
    config::Config,
    http::{
        connection::{
            capacity::Capacity,
            limits::Connections,
            paths::Paths,
            settings::{HEAD_TIMEOUT, Settings},
            socket,
        },
        direct::Direct,
        listen::{Listener, Listeners, ProxyProtocol, Turns, UnixSocket, accept},
        router::ConnectionRouter,
        routes::{
            self, Routing,
            api::{Documents, Served},
            status::Status,
        },
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
    routing: Routing,
    /// Whether connections begin with a header of the PROXY protocol.
    proxy_protocol: bool,
}

/// Which routes a listener serves, and to whom.
#[derive(Clone, Copy)]
struct Audience {
    /// The page, the documents of the interface, health and metrics are served as well.
    every_route: bool,
    proxy_protocol: bool,
}

impl Port {
    fn open(
        listener: Listener,
        settings: &Settings,
        audience: Audience,
        config: &Config,
        (state, hub): (&AppState, Option<Arc<Hub>>),
        status: &Arc<Status>,
    ) -> io::Result<Self> {
        listener.set_nonblocking()?;
        socket::configure_listener(
            &listener,
            settings.socket_buffer_bytes,
            settings.stall_timeout,
        );
        let Audience {
            every_route,
            proxy_protocol,
        } = audience;
        // Pages cannot reach a Unix socket, and cannot send a header of the PROXY protocol, so that names are not checked
        // there.
        let address = listener.address()?.filter(|_| !proxy_protocol);
        let loopback = address.filter(|address| is_loopback(address.ip()));
        let loopback_port = loopback.map(|address| address.port());
        let has_page = every_route && !config.no_page;
        let documents = has_page.then(|| Documents::of(Served::new(hub.is_some(), status)));
        Ok(Self {
            listener: Arc::new(listener),
            turns: Turns::new(super::count(config)),
            settings: settings.clone(),
            routing: Routing {
                routes: Routes::new(state.with_loopback_port(loopback_port)),
                hub,
                status: every_route.then(|| Arc::clone(status)),
                dictionaries: status.dictionaries.clone(),
                page: documents.transpose()?.map(Arc::new),
                keep_alive: config.keep_alive,
                direct: (!config.no_direct).then(|| Arc::clone(&status.direct)),
            },
            proxy_protocol,
        })
    }

    pub(super) async fn serve(self, worker: usize) -> io::Result<()> {
        let listener = self.listener.try_clone()?;
        let context = self.routing.context(&self.settings);
        let proxies = self.proxy_protocol.then(|| {
            let state = self.routing.routes.state();
            ProxyProtocol::new(state.proxies.clone(), Arc::clone(&state.refusals))
        });
        let http = routes::http(self.routing).new_service(()).await;
        let http = http.map_err(|_| io::Error::other("the routes cannot be set up"))?;
        let router = Rc::new(ConnectionRouter::open(http, self.settings, context)?);
        let accepting = accept(listener, self.turns, worker, move |io, peer| {
            let Some(accepted) = router.admit(io, peer) else {
                return;
            };
            match &proxies {
                Some(proxies) => {
                    let router = Rc::clone(&router);
                    proxies.receive(accepted, move |accepted| router.route(accepted));
                }
                None => router.route(accepted),
            }
        });
        actix_web::rt::spawn(accepting);
        Ok(())
    }
}

/// Opens the ports of these listeners.
pub(super) fn open(
    listeners: Listeners,
    config: &Config,
    connections: Connections,
    (state, hub): (&AppState, Option<Arc<Hub>>),
    status: &Arc<Status>,
) -> io::Result<(Vec<Port>, Vec<UnixSocket>)> {
    let io_uring = config.io_uring && !config.no_direct && Direct::can_batch();
    let paths = Paths::below(&state.base_path);
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
            paths: paths.clone(),
        });
    let shared = listeners.admin.is_empty() && listeners.admin_sockets.is_empty();
    let public = listeners.public.into_iter().map(Listener::Tcp);
    let admin = listeners.admin.into_iter().map(Listener::Tcp);
    let of_sockets = |sockets: &[UnixSocket]| {
        let listeners = sockets.iter().map(UnixSocket::listener);
        listeners.collect::<io::Result<Vec<_>>>()
    };
    let public = public.chain(of_sockets(&listeners.public_sockets)?);
    let for_all = Audience {
        every_route: shared,
        proxy_protocol: config.proxies.proxy_protocol,
    };
    let for_operators = Audience {
        every_route: true,
        proxy_protocol: false,
    };
    let public = public.map(|listener| (listener, &public_settings, for_all));
    let admin = admin.chain(of_sockets(&listeners.admin_sockets)?);
    let admin = admin.map(|listener| (listener, &admin_settings, for_operators));
    let open = |(listener, settings, audience)| {
        let served = (state, hub.clone());
        Port::open(listener, settings, audience, config, served, status)
    };
    let ports = public.chain(admin).map(open).collect::<io::Result<_>>()?;
    let sockets = listeners.public_sockets.into_iter();
    Ok((ports, sockets.chain(listeners.admin_sockets).collect()))
}
