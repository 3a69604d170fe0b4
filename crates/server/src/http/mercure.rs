//! Mercure's protocol: the routes of the hub.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Payload, ServiceConfig},
};
use sse_broadcaster_actix::{
    AppState,
    internal::{Head, respond},
};
use sse_broadcaster_mercure::{HUB_PATH, Hub, METADATA_PATH};

pub(super) fn configure(config: &mut ServiceConfig, hub: &Arc<Hub>, state: &Arc<AppState>) {
    let below = format!("{HUB_PATH}/{{below:.*}}");
    for path in [HUB_PATH, METADATA_PATH, &below] {
        let resource = web::resource(path)
            .app_data(web::Data::from(Arc::clone(hub)))
            .app_data(web::Data::from(Arc::clone(state)));
        config.service(resource.default_service(web::to(serve)));
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
