//! A listener, and what every worker serves on it.

use std::{io, rc::Rc, sync::Arc, time::Duration};

use actix_service::{Service, ServiceFactory as _, map_config};
use actix_web::{App, dev::AppConfig, web::ServiceConfig};

use crate::{
    config::Config,
    http::{
        connection::{settings::Settings, socket},
        http2::Http2,
        listen::{Listener, Turns, accept},
        redirect,
        router::{ConnectionRouter, HttpConnection},
        routes::{
            self, Http2Settings, Routing,
            api::{Documents, Served},
            status::Status,
        },
        setup::{Setup, SetupOptions},
        tls::Orders,
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
    setup: SetupOptions,
    serves: Serves,
}

/// What requests to a port get.
#[derive(Clone)]
enum Serves {
    Routes(Box<Routing>),
    /// A redirect to this port, and the proofs of orders.
    Redirect(u16, Option<Arc<Orders>>),
}

impl Port {
    /// With `every_route`, the page, the documents of the interface, health and metrics are served as well.
    pub(super) fn open(
        listener: Listener,
        (settings, setup): (&Settings, &SetupOptions),
        every_route: bool,
        config: &Config,
        (state, hub): (&AppState, Option<Arc<Hub>>),
        status: &Arc<Status>,
    ) -> io::Result<Self> {
        // Pages cannot reach a Unix socket, and cannot send a header of the PROXY protocol, so that names are not checked
        // there.
        let address = listener.address()?.filter(|_| setup.proxies.is_none());
        let loopback = address.filter(|address| is_loopback(address.ip()));
        let loopback_port = loopback.map(|address| address.port());
        let has_page = every_route && !config.no_page;
        let own_scheme = if setup.tls.is_some() { "https" } else { "http" };
        let state = state.with_loopback_port(loopback_port);
        let state = state.own_scheme(own_scheme);
        let areas = Served::new(hub.is_some(), status);
        let documents = has_page.then(|| Documents::of(areas, &state.base_path));
        let routing = Routing {
            routes: Routes::new(state),
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
        };
        let serves = Serves::Routes(Box::new(routing));
        Self::new(listener, (settings, setup), config, serves)
    }

    /// Redirects every request to this port.
    pub(super) fn redirecting(
        listener: Listener,
        (settings, setup): (&Settings, &SetupOptions),
        config: &Config,
        (port, orders): (u16, Option<Arc<Orders>>),
    ) -> io::Result<Self> {
        let serves = Serves::Redirect(port, orders);
        Self::new(listener, (settings, setup), config, serves)
    }

    fn new(
        listener: Listener,
        (settings, setup): (&Settings, &SetupOptions),
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
            setup: setup.clone(),
            serves,
        })
    }

    pub(super) async fn serve(self, worker: usize) -> io::Result<()> {
        let failed = || io::Error::other("the routes cannot be set up");
        match self.serves {
            Serves::Routes(ref routing) => {
                let context = routing.context(&self.settings);
                let http2 = routing.http2_context(&self.settings);
                let keep_alive = routing.keep_alive;
                let app = routes::app((**routing).clone()).new_service(()).await;
                let app = Rc::new(app.map_err(|()| failed())?);
                let http2 = Some(Http2::new(http2, Rc::clone(&app)));
                let http = routes::http(app, keep_alive).new_service(()).await;
                let http = http.map_err(|_| failed())?;
                let router = ConnectionRouter::open(http, self.settings.clone(), context, http2)?;
                self.start(worker, router)
            }
            Serves::Redirect(port, ref orders) => {
                let orders = orders.clone();
                let configure =
                    move |config: &mut ServiceConfig| redirect::configure(config, port, orders);
                let app = App::new().configure(configure);
                let app = map_config(app, |()| AppConfig::default());
                let app = Rc::new(app.new_service(()).await.map_err(|()| failed())?);
                let http = routes::http(app, Duration::ZERO).new_service(()).await;
                let http = http.map_err(|_| failed())?;
                let router = ConnectionRouter::open(http, self.settings.clone(), None, None)?;
                self.start(worker, router)
            }
        }
    }

    /// Accepts connections on this thread.
    fn start<S>(self, worker: usize, router: ConnectionRouter<S>) -> io::Result<()>
    where
        S: Service<HttpConnection, Response = ()> + 'static,
    {
        let setup = Setup::new(self.setup, &self.settings.refusals);
        let router = Rc::new(router);
        let listener = self.listener.try_clone()?;
        let accepting = accept(listener, self.turns, worker, move |io, peer| {
            if let Some(accepted) = router.admit(io, peer) {
                let router = Rc::clone(&router);
                setup.begin(accepted, move |accepted| router.route(accepted));
            }
        });
        actix_web::rt::spawn(accepting);
        Ok(())
    }
}
