//! A listener, and what every worker serves on it.

use std::{io, rc::Rc, sync::Arc};

use actix_service::ServiceFactory as _;

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
        http2::Http2,
        listen::{Listener, Listeners, Turns, UnixSocket, accept},
        router::ConnectionRouter,
        routes::{
            self, Http2Settings, Routing,
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
    routing: Routing,
    /// Where its connections are encrypted.
    tls: Option<Tls>,
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
        listener.set_nonblocking()?;
        socket::configure_listener(
            &listener,
            settings.socket_buffer_bytes,
            settings.stall_timeout,
        );
        // Pages cannot reach a Unix socket, so that names are not checked there.
        let address = listener.address()?;
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
                http2: Http2Settings {
                    prior_knowledge: config.http2.http2_prior_knowledge,
                    max_streams: config.http2.http2_max_streams,
                    counts: Arc::clone(&status.http2),
                },
            },
            tls: tls.cloned(),
        })
    }

    pub(super) async fn serve(self, worker: usize) -> io::Result<()> {
        let listener = self.listener.try_clone()?;
        let context = self.routing.context(&self.settings);
        let http2 = self.routing.http2_context(&self.settings);
        let keep_alive = self.routing.keep_alive;
        let failed = || io::Error::other("the routes cannot be set up");
        let app = routes::app(self.routing).new_service(()).await;
        let app = Rc::new(app.map_err(|()| failed())?);
        let http2 = Http2::new(http2, Rc::clone(&app));
        let http = routes::http(app, keep_alive).new_service(()).await;
        let http = http.map_err(|_| failed())?;
        let encryption = self.tls.map(Encryption::new);
        let router = ConnectionRouter::open(http, self.settings, context, http2, encryption)?;
        let accepting = accept(listener, self.turns, worker, move |io, peer| {
            router.route(io, peer);
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
    let ports = public.chain(admin).map(open).collect::<io::Result<_>>()?;
    let sockets = listeners.public_sockets.into_iter();
    Ok((ports, sockets.chain(listeners.admin_sockets).collect()))
}
