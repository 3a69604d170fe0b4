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
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use actix_http::{HttpService, ServiceConfigBuilder};
use actix_service::{Service, ServiceFactory, map_config};
use actix_web::{
    App, HttpRequest,
    dev::AppConfig,
    web::{self, ServiceConfig},
};
use actix_web_lab::middleware::CatchPanic;

use self::{api::Documents, status::Status};
use crate::http::{
    connection::settings::{HEAD_TIMEOUT, Settings},
    direct::WorkerContext,
    dispatcher::Connection,
    router::HttpConnection,
    ws,
};
use crate::process::dictionary::Dictionaries;
use sse_broadcaster_actix::{HubRoutes, Refusal, Routes, internal::refused};
use sse_broadcaster_mercure::{HUB_PATH, Hub};

/// How long the rest of a refused body is read, so that the client gets the response.
const LINGER: Duration = Duration::from_secs(2);

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

/// Serves connections over actix's dispatcher.
pub(crate) fn http(
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
    let header = response::keep_alive_header(keep_alive);
    let state = Arc::clone(routing.routes.state());
    let base = state.base_path.clone();
    let app = App::new()
        .wrap_fn(move |request, next| base_path::strip(request, next, &base))
        .wrap(CatchPanic::default())
        .wrap_fn(move |request, next| refusals::observe(request, next, Arc::clone(&state)))
        .wrap_fn(move |request, next| response::wrap(request, next, header.clone()))
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
