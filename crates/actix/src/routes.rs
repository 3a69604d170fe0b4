//! The routes, to mount in an application.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Payload, ServiceConfig},
};
use sse_broadcaster_http::{self as http, AppState, Route};

use crate::{head::Head, response::respond};

/// `/events`, `/signals` and what is under them, and `/topics`, to mount in an application: for reading only,
/// until [`Access`](crate::Access) admits publishers.
///
/// ```
/// use actix_web::{App, http::StatusCode, test};
/// use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
/// use sse_broadcaster_actix::{Access, AppState, Publishers, Routes};
///
/// # actix_web::rt::System::new().block_on(async {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// let access = Access::default().publishers(Publishers::Local);
/// let routes = Routes::new(AppState::new(&broadcaster).access(access));
/// let app = test::init_service(App::new().configure(|config| routes.configure(config))).await;
/// let publish = test::TestRequest::post()
///     .uri("/events?topic=news")
///     .insert_header(("host", "localhost"))
///     .set_payload("hello");
/// let response = test::call_service(&app, publish.to_request()).await;
/// assert_eq!(response.status(), StatusCode::OK);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Routes(Arc<AppState>);

impl Routes {
    /// The routes of this state. A `&Broadcaster` is enough for reading only; [`AppState`] sets who may publish.
    pub fn new(state: impl Into<AppState>) -> Self {
        Self(Arc::new(state.into()))
    }

    /// What the routes share, for further routes of the application.
    #[must_use]
    pub fn state(&self) -> &Arc<AppState> {
        &self.0
    }

    /// For `App::configure` or `Scope::configure`, once per worker.
    pub fn configure(&self, config: &mut ServiceConfig) {
        actix_web::rt::spawn(self.0.broadcaster.attend());
        for route in Route::ALL {
            let state = web::Data::from(Arc::clone(&self.0));
            let scope = web::scope(route.path()).app_data(state);
            let serve = move |request: HttpRequest, body: Payload, state: web::Data<AppState>| {
                serve(route, request, body, state)
            };
            config.service(scope.default_service(web::to(serve)));
        }
    }
}

async fn serve(
    route: Route,
    request: HttpRequest,
    body: Payload,
    state: web::Data<AppState>,
) -> HttpResponse {
    let head = Head::from(&request);
    let response = http::respond(&state, route, below(&request), &head, body).await;
    respond(&request, response)
}

/// What follows the route's name and its slash in the path, as it was sent: what it is decides how it is
/// decoded.
fn below(request: &HttpRequest) -> &str {
    let matched = request.match_info();
    let processed = matched.as_str().len() - matched.unprocessed().len();
    let is_slash = |byte: &&u8| **byte == b'/';
    // The router decodes no slash, so that segments can be counted in what it has decoded.
    let matched = &matched.as_str().as_bytes()[..processed];
    let segments = matched.iter().filter(is_slash).count();
    let path = request.uri().path();
    let slashes = path.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
    let rest = slashes.map(|(at, _)| at).nth(segments);
    rest.map_or("", |at| &path[at + 1..])
}
