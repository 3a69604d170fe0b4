//! The server that the binary runs: from settings to listeners, workers, and an orderly end.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_http::HttpService;
use actix_server::Server;
use actix_service::{Service, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{
    App, HttpResponse, ResponseError as _,
    dev::{AppConfig, ServiceRequest},
    http::StatusCode,
    web::{self, ServiceConfig},
};
use actix_web_lab::middleware::CatchPanic;
use tokio::{
    net::TcpStream,
    signal::unix::{Signal, SignalKind, signal},
};

use super::{
    Access, Problem, Publishers, Routes,
    connection::{Connection, Settings},
    descriptors, history,
    link::Link,
    listeners::{Listeners, ServeError},
    logging,
    status::{self, Status},
};
use crate::{
    broadcaster::{Broadcaster, Options},
    config::Config,
    history::History,
    metrics::Metrics,
};

/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept for a further request.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a refused body is read on, so that the client sees the answer.
const LINGER: Duration = Duration::from_secs(2);
/// Seconds that ordinary requests have to finish after the drain.
const STOP_SECONDS: u64 = 1;

/// How the server is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Go on for the drain delay, then drain.
    Delayed,
    /// Drain at once.
    Now,
}

/// Sets up logging, serves until SIGTERM or SIGINT, and drains. Blocks.
///
/// # Errors
/// When a setting cannot be, an address cannot be bound, or the server fails.
pub fn serve(config: &Config) -> Result<(), ServeError> {
    logging::start(config).map_err(ServeError::Setting)?;
    actix_web::rt::System::new().block_on(async {
        let listeners = Listeners::bind(config)?;
        run(listeners, config, shutdown_signal()).await
    })
}

/// Serves on these listeners until `shutdown` says how to end; a second signal stops at once.
///
/// # Errors
/// When a setting cannot be, or the server fails.
pub async fn run(
    listeners: Listeners,
    config: &Config,
    shutdown: impl Future<Output = Shutdown>,
) -> Result<(), ServeError> {
    let limit = descriptors::raise_limit();
    let addresses = listeners.addresses();
    let keys = config.publish_keys().map_err(ServeError::Setting)?;
    config
        .check_publishing(&addresses, &keys)
        .map_err(ServeError::Setting)?;
    let access = access(config, &keys);
    let opened = history::open(config).await?;
    let announcement = announcement(&opened.description, &addresses, &access);
    let broadcaster = start_broadcaster(config, opened.history, limit)?;
    let ready = Arc::new(AtomicBool::new(true));
    let status = Arc::new(Status {
        ready: Arc::clone(&ready),
        metrics: Metrics::new(&broadcaster),
        broadcaster: broadcaster.clone(),
    });
    let routes = Routes::with(&broadcaster, access);
    let server = build(listeners, config, limit, &routes, &status)?;
    let handle = server.handle();
    let mut running = actix_web::rt::spawn(server);
    log::info!("{announcement}");

    tokio::pin!(shutdown);
    let how = tokio::select! {
        how = &mut shutdown => how,
        ended = &mut running => return joined(ended),
    };
    ready.store(false, Ordering::SeqCst);
    tokio::select! {
        () = end(config, how, &broadcaster) => {}
        _ = shutdown_signal() => log::warn!("stopping at once"),
    }
    // Not graceful: what is left has had its time.
    handle.stop(false).await;
    joined(running.await)
}

fn joined(ended: Result<io::Result<()>, tokio::task::JoinError>) -> Result<(), ServeError> {
    ended
        .map_err(io::Error::other)
        .and_then(|result| result)
        .map_err(ServeError::Run)
}

async fn end(config: &Config, how: Shutdown, broadcaster: &Broadcaster) {
    if how == Shutdown::Delayed && !config.drain_delay.is_zero() {
        log::info!("not ready any more; draining in {:?}", config.drain_delay);
        tokio::time::sleep(config.drain_delay).await;
    }
    log::info!("draining {} streams", broadcaster.stats().subscribers.get());
    broadcaster.drain(config.drain_time).await;
}

/// Listens from here on: none is missed that comes before this is awaited.
fn shutdown_signal() -> impl Future<Output = Shutdown> {
    let terminate = signal(SignalKind::terminate());
    let interrupt = signal(SignalKind::interrupt());
    async {
        tokio::select! {
            () = received(terminate) => Shutdown::Delayed,
            () = received(interrupt) => Shutdown::Now,
        }
    }
}

async fn received(signal: io::Result<Signal>) {
    match signal {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

fn start_broadcaster(
    config: &Config,
    history: Arc<dyn History>,
    limit: usize,
) -> Result<Broadcaster, ServeError> {
    let options = Options {
        shards: workers(config),
        ping_interval: config.ping_interval,
        publish_wait: config.publish_wait,
        max_event_bytes: config.max_event_bytes,
        max_subscribers: config
            .max_subscribers
            .unwrap_or_else(|| descriptors::max_streams(limit)),
        replay_bytes_per_second: config.history.replay_bytes_per_second,
    };
    Broadcaster::on(history, options).map_err(ServeError::Start)
}

fn workers(config: &Config) -> usize {
    let cores = || std::thread::available_parallelism().map_or(2, Into::into);
    config.workers.map_or_else(cores, usize::from)
}

fn access(config: &Config, keys: &[crate::config::Secret]) -> Access {
    let publishers = if config.no_publish {
        Publishers::Nobody
    } else if !keys.is_empty() {
        Publishers::Keys(keys.iter().map(|key| key.expose().to_owned()).collect())
    } else if config.allow_anonymous_publish {
        Publishers::Anyone
    } else {
        Publishers::Local
    };
    let origins = |texts: &[String]| {
        let bare = texts
            .iter()
            .map(|text| text.trim().trim_end_matches('/').to_owned());
        bare.filter(|text| !text.is_empty()).collect()
    };
    Access {
        publishers,
        publish_origins: origins(&config.publish_origin),
        read_origins: origins(&config.cors_origin),
        get_publishes: !config.no_get_publish,
        max_per_address: config.max_subscribers_per_address,
    }
}

fn announcement(history: &str, addresses: &[SocketAddr], access: &Access) -> String {
    let addresses: Vec<_> = addresses
        .iter()
        .map(|address| format!("http://{address}"))
        .collect();
    let who = match access.publishers {
        Publishers::Nobody => "nobody",
        Publishers::Local => "programs on this machine and this server's own page",
        Publishers::Anyone => "anybody who reaches this address",
        Publishers::Keys(_) => "whoever has a key",
    };
    format!(
        "listening on {}, history {history}, who may publish: {who}",
        addresses.join(" "),
    )
}

fn build(
    listeners: Listeners,
    config: &Config,
    limit: usize,
    routes: &Routes,
    status: &Arc<Status>,
) -> Result<Server, ServeError> {
    let settings = Settings {
        stall_timeout: config.stall_timeout,
        next_head_timeout: KEEP_ALIVE + HEAD_TIMEOUT,
        socket_buffer_bytes: config.socket_buffer_bytes,
        max_connections: descriptors::max_connections(limit),
        open: Arc::new(AtomicUsize::new(0)),
    };
    let shared = listeners.admin.is_empty();
    let page = !config.no_page;
    let mut server = Server::build()
        .workers(workers(config))
        .max_concurrent_connections(settings.max_connections)
        .shutdown_timeout(STOP_SECONDS)
        .disable_signals();
    let public = listeners
        .public
        .into_iter()
        .map(|listener| (listener, shared));
    let admin = listeners.admin.into_iter().map(|listener| (listener, true));
    for (listener, every_route) in public.chain(admin) {
        let app = Routing {
            routes: routes.clone(),
            status: every_route.then(|| Arc::clone(status)),
            page,
        };
        server = listen(server, listener, settings.clone(), app).map_err(ServeError::Run)?;
    }
    Ok(server.run())
}

/// What one listener serves.
#[derive(Clone)]
struct Routing {
    routes: Routes,
    status: Option<Arc<Status>>,
    page: bool,
}

impl Routing {
    fn configure(&self, config: &mut ServiceConfig) {
        self.routes.configure(config);
        if let Some(status) = &self.status {
            status::configure(config, status, self.page);
        }
        config.default_service(web::to(not_found));
    }
}

async fn not_found() -> HttpResponse {
    let detail = "there is nothing here; events are at /events";
    Problem::new(StatusCode::NOT_FOUND, "not_found", detail).error_response()
}

/// Tells the connection when it waits for a request and when for its answer.
fn mark_answering<S: Service<ServiceRequest>>(
    request: ServiceRequest,
    next: &S,
) -> impl Future<Output = Result<S::Response, S::Error>> + use<S> {
    let link = request.conn_data::<Rc<Link>>().cloned();
    let set = move |answering| {
        if let Some(link) = &link {
            link.set_answering(answering);
        }
    };
    set(true);
    let answer = next.call(request);
    async move {
        let answer = answer.await;
        set(false);
        answer
    }
}

fn listen(
    server: actix_server::ServerBuilder,
    listener: TcpListener,
    settings: Settings,
    routing: Routing,
) -> io::Result<actix_server::ServerBuilder> {
    let name = listener.local_addr()?.to_string();
    server.listen(name, listener, move || {
        let (settings, routing) = (settings.clone(), routing.clone());
        let app = move || {
            App::new()
                .wrap(CatchPanic::default())
                .wrap_fn(mark_answering)
                .configure(|config| routing.configure(config))
        };
        let http = HttpService::build()
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(LINGER)
            .keep_alive(KEEP_ALIVE)
            .h1_allow_half_closed(false)
            .on_connect_ext(|io: &Connection, data| {
                data.insert(io.link());
            })
            .finish(map_config(app(), |()| AppConfig::default()))
            .map_err(drop);
        fn_service(move |io: TcpStream| {
            let peer = io.peer_addr().ok();
            let connection = Connection::new(io, &settings);
            async move {
                let io = connection.ok_or(())?;
                Ok((io, actix_http::Protocol::Http1, peer))
            }
        })
        .and_then(http)
    })
}
