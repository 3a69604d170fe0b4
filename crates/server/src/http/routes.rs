//! The routes of a listener, and their middleware.
//!
//! ```text
//! routes/base_path.rs     removes the base path
//! routes/response.rs      marks the connection as busy; adds Keep-Alive and nosniff
//! routes/refusals.rs      counts and logs refusals
//! routes/status.rs        /health and /metrics; exposition.rs has the formats of the latter
//! routes/admin.rs         the routes of administration
//! routes/page.rs          the page at /
//! routes/client_js.rs     the client for browsers
//! routes/dictionaries.rs  what compressed streams refer to
//! routes/api.rs           the documents of the interface: /openapi.json and /asyncapi.json
//! routes/tagged.rs        texts that clients keep and revalidate
//! ```
//!
//! The routes of streams, publishing, signals and Mercure's protocol are those of `sse-broadcaster-actix`; `/ws` is in
//! `http/ws`.

pub(crate) mod admin;
pub(crate) mod api;
mod base_path;
mod client_js;
mod dictionaries;
mod exposition;
mod page;
mod read_only;
pub(crate) mod refusals;
pub(crate) mod response;
pub(crate) mod status;
mod tagged;

use std::{
    future::ready,
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use actix_http::{HttpService, Request, ServiceConfigBuilder};
use actix_service::{Service, ServiceFactory, fn_factory, map_config};
use actix_web::{
    App, Error, HttpRequest,
    body::BoxBody,
    dev::{AppConfig, ServiceResponse},
    web::{self, ServiceConfig},
};
use actix_web_lab::middleware::CatchPanic;

use self::{api::Documents, status::Status};
use crate::http::{
    connection::settings::{HEAD_TIMEOUT, Settings},
    direct::WorkerContext,
    dispatcher::Connection,
    http2,
    router::HttpConnection,
    ws,
};
use crate::process::dictionary::Dictionaries;
use sse_broadcaster_actix::{HubRoutes, Refusal, Routes, internal::refused};
use sse_broadcaster_mercure::{HUB_PATH, Hub};

/// How long the rest of a refused body is read, so that the client gets the response.
const LINGER: Duration = Duration::from_secs(2);

/// How HTTP/2 is spoken.
#[derive(Debug, Clone)]
pub(crate) struct Http2Settings {
    /// Whether it is spoken without TLS, by clients that know that it is.
    pub(crate) prior_knowledge: bool,
    /// Most requests and streams of one connection at a time.
    pub(crate) max_streams: u32,
    pub(crate) counts: Arc<http2::Counts>,
}

/// The routes of one listener.
#[derive(Clone)]
pub(crate) struct Routing {
    pub(crate) routes: Routes,
    /// Mercure's protocol, if it is served.
    pub(crate) hub: Option<Arc<Hub>>,
    pub(crate) status: Option<Arc<Status>>,
    /// What compressed streams refer to; `None` if none is compressed.
    pub(crate) dictionaries: Option<Arc<Dictionaries>>,
    /// The documents of the interface, beside the page; `None` without a page.
    pub(crate) page: Option<Arc<Documents>>,
    /// How long an idle connection is kept for a further request.
    pub(crate) keep_alive: Duration,
    /// Counts the streams on the direct path; `None` without one.
    pub(crate) direct: Option<Arc<AtomicUsize>>,
    pub(crate) http2: Http2Settings,
}

impl Routing {
    fn configure(&self, config: &mut ServiceConfig) {
        self.routes.configure(config);
        ws::configure(config, self.routes.state());
        client_js::configure(config, self.routes.state(), self.dictionaries.clone());
        if let Some(dictionaries) = &self.dictionaries {
            dictionaries::configure(config, self.routes.state(), dictionaries);
        }
        if let Some(hub) = &self.hub {
            HubRoutes::new(Arc::clone(hub), self.routes.state()).configure(config);
        }
        if let Some(status) = &self.status {
            status::configure(config, status, self.routes.state());
            if let Some(admin) = &status.admin {
                admin::configure(config, admin);
            }
            if let Some(documents) = &self.page {
                page::configure(config, self.routes.state(), self.dictionaries.clone());
                api::configure(config, self.routes.state(), documents);
            }
        }
        config.default_service(web::to(|request: HttpRequest| async move {
            refused(not_found(request.path()))
        }));
    }

    /// What the streams of a worker share on the direct path; `None` without one.
    pub(crate) fn context(&self, settings: &Settings) -> Option<WorkerContext> {
        self.direct.as_ref().map(|streams| WorkerContext {
            state: Arc::clone(self.routes.state()),
            hub: self.hub.clone(),
            settings: settings.clone(),
            config: ServiceConfigBuilder::new()
                .keep_alive(self.keep_alive.into())
                .build(),
            keep_alive: self.keep_alive,
            streams: Arc::clone(streams),
        })
    }

    /// What the connections of a worker that speak HTTP/2 share.
    pub(crate) fn http2_context(&self, settings: &Settings) -> http2::Context {
        http2::Context {
            state: Arc::clone(self.routes.state()),
            hub: self.hub.clone(),
            settings: settings.clone(),
            keep_alive: self.keep_alive,
            prior_knowledge: self.http2.prior_knowledge,
            max_streams: self.http2.max_streams,
            counts: Arc::clone(&self.http2.counts),
        }
    }
}

/// 404; of what a setting would switch on, with that setting.
fn not_found(path: &str) -> Refusal {
    let detail = match path {
        "/admin/revoke" | "/admin/revocations" => {
            "grants are revoked with the rights of an operator, where clients can get grants; start the server with \
             --admin-key-file, and use the address of --admin-listen if it is set"
        }
        path if path.starts_with("/admin/") => {
            "no such route of administration is served here: they need the rights of an operator (start the server \
             with --admin-key-file, and use the address of --admin-listen if it is set), and their paths have no slash \
             at the end"
        }
        HUB_PATH => "Mercure's protocol is not served here; start the server with --mercure",
        _ => return Refusal::not_found(),
    };
    Refusal::not_served(detail)
}

/// Serves requests, whatever connection they come over.
pub(crate) fn app(
    routing: Routing,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = ServiceResponse<BoxBody>,
    Error = Error,
    InitError = (),
    Service = impl Service<
        Request,
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        Future = impl Future + 'static,
    > + 'static,
> {
    let keep_alive = routing.keep_alive;
    let header = response::keep_alive_header(keep_alive);
    let state = Arc::clone(routing.routes.state());
    let base = state.base_path.clone();
    let app = App::new()
        .wrap_fn(move |request, next| base_path::strip(request, next, &base))
        .wrap(CatchPanic::default())
        .wrap_fn(move |request, next| refusals::observe(request, next, Arc::clone(&state)))
        .wrap_fn(move |request, next| response::wrap(request, next, header.clone()))
        .configure(move |config| routing.configure(config));
    map_config(app, |()| AppConfig::default())
}

/// Serves connections over actix's dispatcher, by these routes.
pub(crate) fn http<S>(
    app: Rc<S>,
    keep_alive: Duration,
) -> impl ServiceFactory<
    HttpConnection,
    Config = (),
    Response = (),
    Error = impl std::fmt::Debug + 'static,
    InitError = impl std::fmt::Debug,
    Service = impl Service<HttpConnection, Response = ()> + 'static,
>
where
    S: Service<Request, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: 'static,
{
    HttpService::build()
        .client_request_timeout(HEAD_TIMEOUT)
        .client_disconnect_timeout(LINGER)
        .keep_alive(keep_alive)
        .h1_allow_half_closed(false)
        .on_connect_ext(|io: &Connection, data| {
            data.insert(io.link());
        })
        .finish(fn_factory(move || ready(Ok::<_, ()>(Rc::clone(&app)))))
}
