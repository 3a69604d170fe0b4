//! The routes of administration, for clients with the rights of an operator: what the console shows, and what it may
//! change.
//!
//! ```text
//! admin/status.rs       GET /admin/status: figures of now and of the last minutes
//! admin/topics.rs       GET /admin/topics
//! admin/connections.rs  GET /admin/connections, DELETE /admin/connections/<id>
//! admin/explain.rs      GET /admin/explain: why a connection was or was not sent an event
//! admin/revocations.rs  POST /admin/revoke, GET /admin/revocations
//! admin/parameters.rs   the parameters of these
//! ```

mod connections;
mod explain;
mod parameters;
mod revocations;
mod status;
mod topics;

use std::{sync::Arc, time::SystemTime};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, ServiceConfig},
};
use serde::Serialize;
use sse_broadcaster::history::Retention;
use sse_broadcaster_actix::{
    AppState, Refusal,
    internal::{Head, no_store, refused},
};
use sse_broadcaster_http::{check_admin, json_line};

pub(crate) use self::topics::TopicLists;
use super::read_only::read_only;
use crate::{
    metrics::Samples,
    process::{nodes::Nodes, revocations::KeptRevocations},
};

/// What these routes share.
pub(crate) struct Admin {
    /// `None` where no client can get a grant.
    pub(crate) revocations: Option<Arc<KeptRevocations>>,
    pub(crate) samples: Arc<Samples>,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) history: HistorySettings,
    pub(crate) started: SystemTime,
    pub(crate) topics: TopicLists,
}

/// The history that the settings choose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HistorySettings {
    /// `memory`, `disk`, `redis` or `postgres`.
    pub(crate) kind: &'static str,
    pub(crate) retention: Retention,
}

pub(crate) fn configure(config: &mut ServiceConfig, admin: &Arc<Admin>) {
    let connection = web::resource("/admin/connections/{id}")
        .route(web::delete().to(connections::disconnect))
        .default_service(web::to(|| async {
            refused(Refusal::method_not_allowed("DELETE"))
        }));
    config
        .app_data(web::Data::from(Arc::clone(admin)))
        .service(read_only("/admin/status", status::respond))
        .service(read_only("/admin/topics", topics::respond))
        .service(read_only("/admin/connections", connections::list))
        .service(connection)
        .service(read_only("/admin/explain", explain::respond));
    if let Some(kept) = &admin.revocations {
        revocations::configure(config, kept);
    }
}

/// Checks that the client has the rights of an operator.
pub(super) async fn admit(request: &HttpRequest, state: &AppState) -> Result<(), Refusal> {
    let head = Head::from(request);
    state.gate.admit_host(&head)?;
    check_admin(state, &head).await
}

/// The same for what is kept of connections, where that is kept.
async fn admit_to_connections(request: &HttpRequest, state: &AppState) -> Result<(), Refusal> {
    admit(request, state).await?;
    if state.broadcaster.options().connections {
        return Ok(());
    }
    let detail = "this server keeps nothing about its connections; start it with --admin-key-file";
    Err(Refusal::not_served(detail))
}

pub(super) fn json(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(no_store())
        .content_type("application/json")
        .body(json_line(body))
}

/// As RFC 3339 writes it.
fn text_of(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
