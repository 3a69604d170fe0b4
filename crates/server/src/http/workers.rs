//! The worker threads, and what each serves on each listener.

use std::{
    io,
    sync::{Arc, atomic::AtomicUsize},
    thread::{self, JoinHandle},
    time::Duration,
};

use actix_http::{HttpService, ServiceConfigBuilder};
use actix_service::{Service, ServiceFactory, map_config};
use actix_web::{
    App,
    dev::AppConfig,
    web::{self, ServiceConfig},
};
use actix_web_lab::middleware::CatchPanic;
use tokio::{
    sync::{oneshot, watch},
    task::LocalSet,
};

use super::{
    accept::{Turns, accept},
    answering,
    capacity::Capacity,
    connection::{Connection, Settings},
    connection_router::{ConnectionRouter, HttpConnection},
    descriptors::Connections,
    direct::WorkerContext,
    listeners::Listeners,
    page, refusals, socket,
    status::{self, Status},
    unix_socket::{Listener, UnixSocket},
    ws,
};
use crate::config::Config;
use sse_broadcaster_actix::Routes;
use sse_broadcaster_actix::internal::not_found;
use sse_broadcaster_cli::is_loopback;

/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a refused body is read on, so that the client sees the answer.
const LINGER: Duration = Duration::from_secs(2);

pub(super) fn count(config: &Config) -> usize {
    let cores = || std::thread::available_parallelism().map_or(2, Into::into);
    config.workers.map_or_else(cores, usize::from)
}

/// The threads that serve.
pub(super) struct Workers {
    threads: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    /// Their files are removed with these.
    _sockets: Vec<UnixSocket>,
}

/// What every worker serves on one listener.
#[derive(Clone)]
struct Port {
    listener: Arc<Listener>,
    turns: Arc<Turns>,
    settings: Settings,
    routing: Routing,
}

impl Workers {
    /// Serves on these listeners from now on.
    pub(super) async fn start(
        listeners: Listeners,
        config: &Config,
        connections: Connections,
        routes: &Routes,
        status: &Arc<Status>,
    ) -> io::Result<Self> {
        let (ports, sockets) = ports(listeners, config, connections, routes, status)?;
        let (stop, stopped) = watch::channel(false);
        let (mut threads, mut starting) = (Vec::new(), Vec::new());
        for index in 0..count(config) {
            let (started, start) = oneshot::channel();
            let (ports, stopped) = (ports.clone(), stopped.clone());
            let work = move || work(index, ports, started, stopped);
            let name = format!("worker-{index}");
            threads.push(thread::Builder::new().name(name).spawn(work)?);
            starting.push(start);
        }
        let workers = Self {
            threads,
            stop,
            _sockets: sockets,
        };
        for start in starting {
            start.await.map_err(io::Error::other)??;
        }
        Ok(workers)
    }

    /// Ends them, and every connection with them.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // What a worker panicked of has been printed.
                let _ = thread.join();
            }
        });
        drop(joined.await);
    }
}

fn ports(
    listeners: Listeners,
    config: &Config,
    connections: Connections,
    routes: &Routes,
    status: &Arc<Status>,
) -> io::Result<(Vec<Port>, Vec<UnixSocket>)> {
    // Whatever comes by the public listeners, health checks on the others find a place.
    let [public_settings, admin_settings] =
        [connections.public, connections.admin].map(|max| Settings {
            stall_timeout: config.stall_timeout,
            head_timeout: HEAD_TIMEOUT,
            socket_buffer_bytes: config.socket_buffer_bytes,
            capacity: Capacity::new(max),
            replay_buffers: Arc::clone(routes.state.broadcaster.replay_buffers()),
            refusals: Arc::clone(&routes.state.refusals),
        });
    let shared = listeners.admin.is_empty() && listeners.admin_sockets.is_empty();
    let public = listeners.public.into_iter().map(Listener::Tcp);
    let admin = listeners.admin.into_iter().map(Listener::Tcp);
    let of_sockets = |sockets: &[UnixSocket]| {
        let listeners = sockets.iter().map(UnixSocket::listener);
        listeners.collect::<io::Result<Vec<_>>>()
    };
    let public = public.chain(of_sockets(&listeners.public_sockets)?);
    let public = public.map(|listener| (listener, &public_settings, shared));
    let admin = admin.chain(of_sockets(&listeners.admin_sockets)?);
    let admin = admin.map(|listener| (listener, &admin_settings, true));
    let port = |(listener, settings, every_route): (Listener, &Settings, bool)| {
        listener.set_nonblocking()?;
        socket::configure_listener(
            &listener,
            settings.socket_buffer_bytes,
            settings.stall_timeout,
        );
        // No page reaches a Unix socket, whatever its name.
        let address = listener.address()?;
        let loopback = address.filter(|address| is_loopback(address.ip()));
        let routes = routes.before(loopback.map(|address| address.port()));
        Ok(Port {
            listener: Arc::new(listener),
            turns: Turns::new(count(config)),
            settings: settings.clone(),
            routing: Routing {
                routes,
                status: every_route.then(|| Arc::clone(status)),
                page: !config.no_page,
                keep_alive: config.keep_alive,
                direct: (!config.no_direct).then(|| Arc::clone(&status.direct)),
            },
        })
    };
    let ports = public.chain(admin).map(port).collect::<io::Result<_>>()?;
    let sockets = listeners.public_sockets.into_iter();
    Ok((ports, sockets.chain(listeners.admin_sockets).collect()))
}

/// One worker, from its start to its end.
fn work(
    index: usize,
    ports: Vec<Port>,
    started: oneshot::Sender<io::Result<()>>,
    mut stopped: watch::Receiver<bool>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(error))),
    };
    LocalSet::new().block_on(&runtime, async move {
        for port in ports {
            if let Err(error) = port.serve(index).await {
                return drop(started.send(Err(error)));
            }
        }
        let _ = started.send(Ok(()));
        // An error is the end, too: whoever would have said so is gone.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    });
}

impl Port {
    async fn serve(self, worker: usize) -> io::Result<()> {
        let listener = self.listener.try_clone()?;
        let context = self.routing.context(&self.settings);
        let http = http(self.routing).new_service(()).await;
        let http = http.map_err(|_| io::Error::other("the routes cannot be set up"))?;
        let router = ConnectionRouter::open(http, self.settings, context)?;
        let accepting = accept(listener, self.turns, worker, move |io, peer| {
            router.route(io, peer);
        });
        actix_web::rt::spawn(accepting);
        Ok(())
    }
}

/// What one listener serves.
#[derive(Clone)]
struct Routing {
    routes: Routes,
    status: Option<Arc<Status>>,
    page: bool,
    /// How long an idle connection is kept for a further request.
    keep_alive: Duration,
    /// Counts the streams on sockets of ours, if there are to be any.
    direct: Option<Arc<AtomicUsize>>,
}

impl Routing {
    fn configure(&self, config: &mut ServiceConfig) {
        self.routes.configure(config);
        ws::configure(config, &self.routes.state);
        if let Some(status) = &self.status {
            status::configure(config, status, &self.routes.state);
            if self.page {
                page::configure(config, &self.routes.state);
            }
        }
        config.default_service(web::to(|| async { not_found() }));
    }

    /// What streams on sockets of our own share on a worker, if there are to be any.
    fn context(&self, settings: &Settings) -> Option<WorkerContext> {
        self.direct.as_ref().map(|streams| WorkerContext {
            state: Arc::clone(&self.routes.state),
            settings: settings.clone(),
            config: ServiceConfigBuilder::new()
                .keep_alive(self.keep_alive.into())
                .build(),
            streams: Arc::clone(streams),
        })
    }
}

/// Serves connections over actix's dispatcher.
fn http(
    routing: Routing,
) -> impl ServiceFactory<
    HttpConnection,
    Config = (),
    Response = (),
    Error = impl std::fmt::Debug + 'static,
    InitError = impl std::fmt::Debug,
    Service = impl Service<HttpConnection, Response = ()> + 'static,
> {
    let keep_alive = routing.keep_alive;
    let header = answering::keep_alive_header(keep_alive);
    let state = Arc::clone(&routing.routes.state);
    let app = App::new()
        .wrap(CatchPanic::default())
        .wrap_fn(move |request, next| refusals::observe(request, next, Arc::clone(&state)))
        .wrap_fn(move |request, next| answering::answer(request, next, header.clone()))
        .configure(move |config| routing.configure(config));
    HttpService::build()
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(LINGER)
        .keep_alive(keep_alive)
        .h1_allow_half_closed(false)
        .on_connect_ext(|io: &Connection, data| {
            data.insert(io.link());
        })
        .finish(map_config(app, |()| AppConfig::default()))
}
