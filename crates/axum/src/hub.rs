//! The routes of a Mercure hub, to merge into a router.

use std::sync::Arc;

use axum::{Router, extract::Request, response::Response, routing::any};
use sse_broadcaster_http::AppState;
use sse_broadcaster_mercure::{HUB_PATH, Hub, METADATA_PATH};

use crate::{head::Head, response::respond};

/// `/.well-known/mercure`, what is under it, and its metadata, to merge into the router of an application: Mercure's
/// protocol on the broadcaster of other routes.
///
/// ```
/// use std::sync::Arc;
/// use axum::Router;
/// use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
/// use sse_broadcaster_access::keys::Keys;
/// use sse_broadcaster_axum::{Hub, HubKeys, HubOptions, HubRoutes, Routes, SubscribeAccess};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// let routes = Routes::new(&broadcaster);
/// let key = Keys::parse("HS256 !ChangeThisMercureHubJWTSecretKey!")?;
/// let keys = HubKeys::default().publisher(key.clone()).subscriber(key);
/// let hub = Hub::new(keys, SubscribeAccess::PrivateEvents, HubOptions::default());
/// let hub = HubRoutes::new(Arc::new(hub), routes.state());
/// let router: Router = routes.router().merge(hub.router());
/// # let _ = router;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct HubRoutes {
    hub: Arc<Hub>,
    state: Arc<AppState>,
}

impl HubRoutes {
    /// The routes of this hub. Publishers and pages are checked by the rules of `state`.
    #[must_use]
    pub fn new(hub: Arc<Hub>, state: &Arc<AppState>) -> Self {
        let state = Arc::clone(state);
        Self { hub, state }
    }

    /// The hub.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// For [`Router::merge`].
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let below = format!("{HUB_PATH}/{{*below}}");
        let paths = [HUB_PATH, METADATA_PATH, &below];
        paths.into_iter().fold(Router::new(), |router, path| {
            let routes = self.clone();
            let serve = any(move |request: Request| routes.clone().serve(request));
            router.route(path, serve)
        })
    }

    async fn serve(self, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let (head, body) = (Head(&head), body.into_data_stream());
        let response = sse_broadcaster_mercure::respond(&self.hub, &self.state, &path, &head, body);
        respond(response.await)
    }
}
