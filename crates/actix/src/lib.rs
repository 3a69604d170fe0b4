//! A broadcaster inside an actix-web application: [`Routes`] to mount, or a [`StreamResponse`] from a handler.
//!
//! # What the host must know
//! - `HttpServer::h1_allow_half_closed(false)`, or a client that closes is noticed at the next ping only;
//!   `tcp_nodelay(true)`, or small events wait.
//! - A `Compress` middleware leaves streams alone: they have `content-encoding: identity`.
//! - At a shutdown call [`Broadcaster::drain`] first, or actix waits for open streams.
//! - actix's own connections buffer what a client sends behind an open stream, and look at it again and
//!   again: a client that does so costs a core. The server has connections of its own against that.

mod access;
mod body;
mod conditions;
mod cors;
mod error;
mod fields;
mod history_page;
mod host;
#[doc(hidden)]
pub mod internal;
mod keys;
mod lines;
mod link;
mod lists;
mod media;
mod pieces;
mod publish;
mod signals;
mod subscribe;
mod uploads;

mod refused;
mod respond;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::{Method, StatusCode, header},
    middleware::DefaultHeaders,
    web::{self, Payload, ServiceConfig},
};

use sse_broadcaster::broadcaster::Broadcaster;
use sse_broadcaster_http::NO_SNIFF;
use sse_broadcaster_signals::Signals;

use access::Gate;
pub use access::{Access, Publishers};
pub use error::Problem;
use history_page::PageFormat;
pub use keys::{KeyRing, Replaced};
pub use refused::Refusals;
pub use respond::{StreamResponse, routes, subscribe, subscribe_to_signals};
use subscribe::Route;
pub(crate) use subscribe::{stream_head, subscribe_as, subscribe_to};
pub use uploads::UploadLimits;
pub use uploads::Uploads;

/// What the routes of `/events` and `/signals` share.
#[derive(Debug)]
pub struct AppState {
    pub broadcaster: Broadcaster,
    pub signals: Signals,
    pub gate: Gate,
    pub uploads: Arc<Uploads>,
    pub refusals: Arc<crate::Refusals>,
}

/// `/events`, `/signals` and what is under them, and `/topics`, to mount in an application: reading alone, until it is
/// said who may publish.
#[derive(Debug, Clone)]
pub struct Routes {
    pub state: Arc<AppState>,
}

impl Routes {
    /// Reading alone.
    #[must_use]
    pub fn new(broadcaster: &Broadcaster) -> Self {
        Self::with(broadcaster, Access::default())
    }

    /// With these rules for publishing, pages of other origins, and addresses.
    #[must_use]
    pub fn with(broadcaster: &Broadcaster, access: Access) -> Self {
        Self::with_limits(broadcaster, access, UploadLimits::default())
    }

    /// And with these bounds of what request bodies may take in all.
    #[must_use]
    pub fn with_limits(broadcaster: &Broadcaster, access: Access, uploads: UploadLimits) -> Self {
        let broadcaster = broadcaster.clone();
        let gate = Gate::new(access);
        Self {
            state: Arc::new(AppState {
                signals: Signals::new(&broadcaster),
                broadcaster,
                gate,
                uploads: Uploads::new(uploads),
                refusals: Arc::default(),
            }),
        }
    }

    /// The same, before a listener whose address is this machine's alone, or is not.
    #[must_use]
    pub fn before(&self, loopback_port: Option<u16>) -> Self {
        let AppState {
            broadcaster,
            signals,
            gate,
            uploads,
            refusals,
        } = &*self.state;
        Self {
            state: Arc::new(AppState {
                broadcaster: broadcaster.clone(),
                signals: signals.clone(),
                gate: gate.before(loopback_port),
                uploads: Arc::clone(uploads),
                refusals: Arc::clone(refusals),
            }),
        }
    }

    /// For `App::configure` or `Scope::configure`, once per worker.
    pub fn configure(&self, config: &mut ServiceConfig) {
        actix_web::rt::spawn(self.state.broadcaster.attend());
        let state = || web::Data::from(Arc::clone(&self.state));
        let nosniff = || DefaultHeaders::new().add(NO_SNIFF);
        let events = web::scope("/events").wrap(nosniff()).app_data(state());
        let signals = web::scope("/signals").wrap(nosniff()).app_data(state());
        let topics = web::scope("/topics").wrap(nosniff()).app_data(state());
        config
            .service(topics.default_service(web::to(self::topics)))
            .service(events.default_service(web::to(self::events)))
            .service(signals.default_service(web::to(self::signals)));
    }
}

/// Everything under `/events`: the table of the methods and what follows the name.
async fn events(request: HttpRequest, body: Payload, state: web::Data<AppState>) -> HttpResponse {
    let message = rest(&request);
    if message.is_empty()
        && let Some(refusal) = refuse_reader(&request, &state)
    {
        return refusal;
    }
    match (request.method(), message) {
        (&Method::GET | &Method::HEAD, "") => match PageFormat::of(request.head()) {
            Some(format) => history_page::respond(&request, &state, format).await,
            None => subscribe::answer(&request, &state, Route::Events),
        },
        (&Method::GET, message) => publish::get(&request, message, &state).await,
        (&Method::HEAD, _) => HttpResponse::Ok()
            .insert_header(error::no_store())
            .content_type("text/plain; charset=utf-8")
            .finish(),
        (&Method::POST, "") => publish::post(&request, body, &state).await,
        (&Method::OPTIONS, _) => cors::options(&state.gate, request.head(), publish::METHODS),
        _ => method_not_allowed(publish::METHODS),
    }
}

/// Everything under `/signals`, likewise.
async fn signals(request: HttpRequest, body: Payload, state: web::Data<AppState>) -> HttpResponse {
    if let Some(refusal) = refuse_reader(&request, &state) {
        return refusal;
    }
    match (request.method(), rest(&request)) {
        (&Method::GET | &Method::HEAD, "") if lists::wants_list(request.head()) => {
            lists::signals(&request, &state).await
        }
        (&Method::GET | &Method::HEAD, "") => subscribe::answer(&request, &state, Route::Signals),
        (&Method::GET | &Method::HEAD, name) => signals::get(&request, name, &state).await,
        (&Method::OPTIONS, "") => {
            cors::options(&state.gate, request.head(), signals::STREAM_METHODS)
        }
        (&Method::OPTIONS, _) => cors::options(&state.gate, request.head(), signals::METHODS),
        (&Method::PUT | &Method::PATCH | &Method::DELETE, name) if !name.is_empty() => {
            signals::write(&request, body, name, &state).await
        }
        (_, "") => method_not_allowed(signals::STREAM_METHODS),
        _ => method_not_allowed(signals::METHODS),
    }
}

/// `/topics`, which has nothing under it.
async fn topics(request: HttpRequest, state: web::Data<AppState>) -> HttpResponse {
    if let Some(refusal) = refuse_reader(&request, &state) {
        return refusal;
    }
    match (request.method(), rest(&request)) {
        (_, below) if !below.is_empty() => not_found(),
        (&Method::GET | &Method::HEAD, _) => lists::topics(&request, &state).await,
        (&Method::OPTIONS, _) => cors::options(&state.gate, request.head(), lists::METHODS),
        _ => method_not_allowed(lists::METHODS),
    }
}

/// A request that reads under a name that is not the server's.
fn refuse_reader(request: &HttpRequest, state: &AppState) -> Option<HttpResponse> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let refused = state.gate.admit_host(request.head().into()).err()?;
    Some(error::refused(refused))
}

/// What follows the route's name and its slash in the path, as it was sent: decoding is left to who
/// knows what it is.
fn rest(request: &HttpRequest) -> &str {
    let matched = request.match_info();
    let processed = matched.as_str().len() - matched.unprocessed().len();
    // The router decodes no slash, so that segments can be counted in what it has decoded.
    let segments = matched.as_str()[..processed].matches('/').count();
    let path = request.uri().path();
    let rest = path.match_indices('/').nth(segments);
    rest.map_or("", |(at, _)| &path[at + 1..])
}

#[must_use]
pub fn not_found() -> HttpResponse {
    let detail = "there is nothing at this address; events are at /events";
    Problem::new(StatusCode::NOT_FOUND, "not_found", detail).error_response()
}

pub fn method_not_allowed(allowed: &'static str) -> HttpResponse {
    let detail = format!("this method is not for this address; it takes {allowed}");
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
    let mut answer = problem.error_response();
    let allowed = header::HeaderValue::from_static(allowed);
    answer.headers_mut().insert(header::ALLOW, allowed);
    answer
}
