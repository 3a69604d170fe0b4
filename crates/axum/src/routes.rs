//! The routes, to nest into a router.

use std::sync::Arc;

use axum::{Router, extract::Request, response::Response, routing::any};
use sse_broadcaster_http::{self as http, AppState, Route};

use crate::{head::Head, response::respond};

/// `/events`, `/signals` and what is under them, and `/topics`, to merge or nest into a router: for reading only,
/// until [`Access`](crate::Access) admits publishers. Requests and responses are those of the service.
///
/// [`Access::max_per_address`](crate::Access::max_per_address) needs the address of the client: serve by
/// `into_make_service_with_connect_info::<SocketAddr>()`, or streams are not counted.
///
/// ```
/// use axum::Router;
/// use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
/// use sse_broadcaster_axum::{Access, AppState, Publishers, Routes};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// let access = Access::default().publishers(Publishers::Local);
/// let routes = Routes::new(AppState::new(&broadcaster).access(access));
/// let router: Router = Router::new().nest("/live", routes.router());
/// # let _ = router;
/// # Ok(())
/// # }
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

    /// For [`Router::merge`] or [`Router::nest`].
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        Route::ALL.into_iter().fold(Router::new(), |router, route| {
            let path = route.path();
            let state = &self.0;
            let serve = || {
                let state = Arc::clone(state);
                any(move |request: Request| serve(state, route, request))
            };
            router
                .route(path, serve())
                .route(&format!("{path}/"), serve())
                .route(&format!("{path}/{{*below}}"), serve())
        })
    }
}

async fn serve(state: Arc<AppState>, route: Route, request: Request) -> Response {
    let (head, body) = request.into_parts();
    // As it was sent: what it is decides how it is decoded.
    let below = head.uri.path().strip_prefix(route.path());
    let below = below.map_or("", |below| below.strip_prefix('/').unwrap_or(below));
    let body = body.into_data_stream();
    respond(http::respond(&state, route, below, &Head(&head), body).await)
}
