//! What each worker serves on each listener.

use std::{
    io,
    net::TcpListener,
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use actix_http::{HttpService, KeepAlive, ServiceConfigBuilder};
use actix_server::{Server, ServerBuilder};
use actix_service::{Service, ServiceFactory, fn_factory, map_config};
use actix_web::{
    App, HttpResponse, ResponseError as _,
    dev::{AppConfig, ServiceRequest},
    http::StatusCode,
    web::{self, ServiceConfig},
};
use actix_web_lab::middleware::CatchPanic;

use super::{
    Problem, Routes,
    connection::{Connection, Settings},
    descriptors,
    direct::House,
    door::{Accepted, Door},
    link::Link,
    listeners::{Listeners, ServeError},
    status::{self, Status},
};
use crate::config::Config;

/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept for a further request.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a refused body is read on, so that the client sees the answer.
const LINGER: Duration = Duration::from_secs(2);
/// Seconds that ordinary requests have to finish after the drain.
const STOP_SECONDS: u64 = 1;

pub(super) fn count(config: &Config) -> usize {
    let cores = || std::thread::available_parallelism().map_or(2, Into::into);
    config.workers.map_or_else(cores, usize::from)
}

pub(super) fn build(
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
        .workers(count(config))
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
            direct: (!config.no_direct).then(|| Arc::clone(&status.direct)),
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
    /// Counts the streams on sockets of ours, if there are to be any.
    direct: Option<Arc<AtomicUsize>>,
}

impl Routing {
    fn configure(&self, config: &mut ServiceConfig) {
        self.routes.configure(config);
        if let Some(status) = &self.status {
            status::configure(config, status, self.page);
        }
        config.default_service(web::to(not_found));
    }

    /// What streams on sockets of our own share on a worker, if there are to be any.
    fn house(&self, settings: &Settings) -> Option<House> {
        self.direct.as_ref().map(|streams| House {
            face: Arc::clone(&self.routes.face),
            settings: settings.clone(),
            config: ServiceConfigBuilder::new()
                .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
                .build(),
            streams: Arc::clone(streams),
        })
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
    server: ServerBuilder,
    listener: TcpListener,
    settings: Settings,
    routing: Routing,
) -> io::Result<ServerBuilder> {
    let name = listener.local_addr()?.to_string();
    server.listen(name, listener, move || {
        let (settings, routing) = (settings.clone(), routing.clone());
        fn_factory(move || {
            let (settings, house) = (settings.clone(), routing.house(&settings));
            let http = http(routing.clone());
            async move {
                // Neither fails once the process has begun to serve.
                let http = http.new_service(()).await.map_err(drop)?;
                Door::open(http, settings, house).map_err(drop)
            }
        })
    })
}

/// Serves connections over actix's dispatcher.
fn http(
    routing: Routing,
) -> impl ServiceFactory<
    Accepted,
    Config = (),
    Response = (),
    Error = impl std::fmt::Debug + 'static,
    InitError = impl std::fmt::Debug,
    Service = impl Service<Accepted, Response = ()> + 'static,
> {
    let app = App::new()
        .wrap(CatchPanic::default())
        .wrap_fn(mark_answering)
        .configure(move |config| routing.configure(config));
    HttpService::build()
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(LINGER)
        .keep_alive(KEEP_ALIVE)
        .h1_allow_half_closed(false)
        .on_connect_ext(|io: &Connection, data| {
            data.insert(io.link());
        })
        .finish(map_config(app, |()| AppConfig::default()))
}
