//! The routes, to nest into a router.

use std::sync::Arc;

use axum::{Router, extract::Request, response::Response, routing::any};
use sse_broadcaster::broadcaster::Broadcaster;
use sse_broadcaster_http::{self as http, Access, AppState, Route, UploadLimits};

use crate::{head::Head, response::respond};

/// `/events`, `/signals` and what is under them, and `/topics`, to merge or nest into a router: for reading alone
/// until [`Access`] admits publishers. Requests and responses are those of the service.
///
/// [`Access::max_per_address`] needs the address of the client: serve by
/// `into_make_service_with_connect_info::<SocketAddr>()`, or streams are not counted.
///
/// ```
/// use axum::Router;
/// use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
/// use sse_broadcaster_axum::{Access, Publishers, Routes};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// let access = Access::default().publishers(Publishers::Local);
/// let router: Router = Router::new().nest("/live", Routes::with(&broadcaster, access).router());
/// # let _ = router;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Routes {
    state: Arc<AppState>,
}

impl Routes {
    /// For reading alone.
    #[must_use]
    pub fn new(broadcaster: &Broadcaster) -> Self {
        Self::with(broadcaster, Access::default())
    }

    /// With these rules for publishing, pages of other origins, and addresses.
    #[must_use]
    pub fn with(broadcaster: &Broadcaster, access: Access) -> Self {
        Self::with_limits(broadcaster, access, UploadLimits::default())
    }

    /// With these rules, and these bounds of all request bodies together.
    #[must_use]
    pub fn with_limits(broadcaster: &Broadcaster, access: Access, uploads: UploadLimits) -> Self {
        Self {
            state: Arc::new(AppState::new(broadcaster, access, uploads)),
        }
    }

    /// The same before a listener on loopback of this port, or before another one.
    #[must_use]
    pub fn before(&self, loopback_port: Option<u16>) -> Self {
        Self {
            state: Arc::new(self.state.before(loopback_port)),
        }
    }

    /// What the routes share, for routes of an application beside them.
    #[must_use]
    pub fn state(&self) -> &Arc<AppState> {
        &self.state
    }

    /// For [`Router::merge`] or [`Router::nest`].
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        Route::ALL.into_iter().fold(Router::new(), |router, route| {
            let path = route.path();
            let state = &self.state;
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
