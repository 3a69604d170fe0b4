//! Health and metrics.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{self, ServiceConfig},
};

use super::{admin::Admin, exposition::Exposition, read_only::read_only};
use crate::{http::http2, metrics::Metrics, process::dictionary::Dictionaries};
use sse_broadcaster::broadcaster::Broadcaster;
use sse_broadcaster_actix::{
    AppState, Problem,
    internal::{Head, no_store},
};
use sse_broadcaster_http::json_line;

/// What these routes share.
pub(crate) struct Status {
    /// False until the first start is complete, and while draining.
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) metrics: Metrics,
    /// What compressed streams refer to; `None` if none is compressed.
    pub(crate) dictionaries: Option<Arc<Dictionaries>>,
    /// How many streams are on the direct path.
    pub(crate) direct: Arc<AtomicUsize>,
    /// What is open over HTTP/2.
    pub(crate) http2: Arc<http2::Counts>,
    pub(crate) broadcaster: Broadcaster,
    /// `None` where no client can have the rights of an operator.
    pub(crate) admin: Option<Arc<Admin>>,
}

pub(crate) fn configure(config: &mut ServiceConfig, status: &Arc<Status>, state: &Arc<AppState>) {
    config
        .app_data(web::Data::from(Arc::clone(status)))
        .app_data(web::Data::from(Arc::clone(state)))
        .service(read_only("/health/live", live))
        .service(read_only("/health/ready", ready))
        .service(read_only("/metrics", metrics));
}

async fn live() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(no_store())
        .content_type("application/json")
        .body(json_line(&serde_json::json!({ "status": "live" })))
}

async fn ready(status: web::Data<Status>) -> HttpResponse {
    let (code, text) = if status.ready.load(Ordering::SeqCst) {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    };
    // Streams go on without history, so that a load balancer should not remove the server.
    let history = match status.broadcaster.history_health() {
        Ok(()) => "ok",
        Err(_) => "unavailable",
    };
    HttpResponse::build(code)
        .insert_header(no_store())
        .content_type("application/json")
        .body(json_line(
            &serde_json::json!({ "status": text, "history": history }),
        ))
}

async fn metrics(
    request: HttpRequest,
    status: web::Data<Status>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    state.gate.admit_host(&Head::from(&request))?;
    let text = status.metrics.encode().map_err(|_| {
        let internal = StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(internal, "internal", "the metrics could not be written")
    })?;
    let exposition = Exposition::of(request.headers());
    Ok(HttpResponse::Ok()
        .insert_header(no_store())
        .insert_header((header::VARY, "Accept"))
        .content_type(exposition.content_type())
        .body(exposition.write(text)))
}
