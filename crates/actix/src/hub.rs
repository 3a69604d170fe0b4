//! The routes of a Mercure hub, to mount in an application.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Payload, ServiceConfig},
};
use sse_broadcaster_http::AppState;
use sse_broadcaster_mercure::{HUB_PATH, Hub, METADATA_PATH};

use crate::{head::Head, response::respond};

/// `/.well-known/mercure`, what is under it, and its metadata, to mount at the root of an application: Mercure's
/// protocol on the broadcaster of other routes.
///
/// ```
/// use std::sync::Arc;
/// use actix_web::{App, http::StatusCode, test};
/// use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
/// use sse_broadcaster_access::keys::Keys;
/// use sse_broadcaster_actix::{Hub, HubKeys, HubOptions, HubRoutes, Routes, SubscribeAccess};
///
/// # actix_web::rt::System::new().block_on(async {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// let routes = Routes::new(&broadcaster);
/// let key = Keys::parse("HS256 !ChangeThisMercureHubJWTSecretKey!")?;
/// let keys = HubKeys::default().publisher(key.clone()).subscriber(key);
/// let hub = Hub::new(keys, SubscribeAccess::PrivateEvents, HubOptions::default());
/// let hub = HubRoutes::new(Arc::new(hub), routes.state());
/// let app = App::new().configure(|config| routes.configure(config));
/// let app = test::init_service(app.configure(|config| hub.configure(config))).await;
/// let subscribe = test::TestRequest::get().uri("/.well-known/mercure?topic=a");
/// let response = test::call_service(&app, subscribe.to_request()).await;
/// assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
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

    /// For `App::configure`, once per worker.
    pub fn configure(&self, config: &mut ServiceConfig) {
        actix_web::rt::spawn(self.state.broadcaster.attend());
        let below = format!("{HUB_PATH}/{{below:.*}}");
        for path in [HUB_PATH, METADATA_PATH, &below] {
            let resource = web::resource(path)
                .app_data(web::Data::from(Arc::clone(&self.hub)))
                .app_data(web::Data::from(Arc::clone(&self.state)));
            config.service(resource.default_service(web::to(serve)));
        }
    }
}

async fn serve(
    request: HttpRequest,
    body: Payload,
    hub: web::Data<Hub>,
    state: web::Data<AppState>,
) -> HttpResponse {
    let head = Head::from(&request);
    let path = request.uri().path();
    let response = sse_broadcaster_mercure::respond(&hub, &state, path, &head, body).await;
    respond(&request, response)
}
