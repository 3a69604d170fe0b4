//! The HTTP face: the table of routes, over actix-web. The server that the binary runs is in
//! `http/server.rs`; an application of one's own mounts [`Routes`].

mod access;
mod body;
mod cors;
mod error;
mod fields;
mod form;
mod lines;
mod link;
mod publish;
mod subscribe;
mod wish;

#[cfg(feature = "server")]
mod accept;
#[cfg(feature = "server")]
mod connection;
#[cfg(feature = "server")]
mod descriptors;
#[cfg(feature = "server")]
mod direct;
#[cfg(feature = "server")]
mod door;
#[cfg(feature = "server")]
mod history;
#[cfg(feature = "server")]
mod listeners;
#[cfg(feature = "server")]
mod logging;
#[cfg(feature = "server")]
mod patience;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "server")]
mod socket;
#[cfg(feature = "server")]
mod status;
#[cfg(feature = "server")]
mod workers;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::{Method, StatusCode, header},
    web::{self, Payload, ServiceConfig},
};

use crate::broadcaster::Broadcaster;

use access::Gate;
pub use access::{Access, Publishers};
pub use error::Problem;
#[cfg(feature = "server")]
pub use listeners::{Listeners, ServeError};
#[cfg(feature = "server")]
pub use server::{Shutdown, run, serve};
pub(crate) use subscribe::{stream_head, subscribe_as};

/// What the routes of `/events` share.
#[derive(Debug)]
pub(crate) struct Face {
    pub(crate) broadcaster: Broadcaster,
    pub(crate) gate: Gate,
}

/// `/events` and what is under it, to mount in an application: reading alone, until it is said who
/// may publish.
#[derive(Debug, Clone)]
pub struct Routes {
    face: Arc<Face>,
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
        let broadcaster = broadcaster.clone();
        let gate = Gate::new(access);
        Self {
            face: Arc::new(Face { broadcaster, gate }),
        }
    }

    /// For `App::configure` or `Scope::configure`, once per worker.
    pub fn configure(&self, config: &mut ServiceConfig) {
        actix_web::rt::spawn(self.face.broadcaster.attend());
        let scope = web::scope("/events")
            .app_data(web::Data::from(Arc::clone(&self.face)))
            .default_service(web::to(events));
        config.service(scope);
    }
}

/// Everything under `/events`: the table of the methods and what follows the name.
async fn events(request: HttpRequest, body: Payload, face: web::Data<Face>) -> HttpResponse {
    let message = message(&request);
    match (request.method(), message) {
        (&Method::GET | &Method::HEAD, "") => subscribe::answer(&request, &face),
        (&Method::GET, message) => publish::get(&request, message, &face).await,
        (&Method::HEAD, _) => HttpResponse::Ok()
            .insert_header(error::no_store())
            .content_type("text/plain; charset=utf-8")
            .finish(),
        (&Method::POST, "") => publish::post(&request, body, &face).await,
        (&Method::OPTIONS, _) => cors::options(&face.gate, request.head()),
        _ => method_not_allowed(cors::METHODS),
    }
}

/// What follows `/events/` in the path, as it was sent: decoding is left to who knows what it is.
fn message(request: &HttpRequest) -> &str {
    let matched = request.match_info();
    let processed = matched.as_str().len() - matched.unprocessed().len();
    // The router decodes no slash, so that segments can be counted in what it has decoded.
    let segments = matched.as_str()[..processed].matches('/').count();
    let path = request.uri().path();
    let message = path.match_indices('/').nth(segments);
    message.map_or("", |(at, _)| &path[at + 1..])
}

fn method_not_allowed(allowed: &'static str) -> HttpResponse {
    let detail = format!("this method is not for this address; it takes {allowed}");
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
    let mut answer = problem.error_response();
    let allowed = header::HeaderValue::from_static(allowed);
    answer.headers_mut().insert(header::ALLOW, allowed);
    answer
}
