//! The page at `/`: its files, and whether it may publish.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, ServiceConfig},
};
use serde::Serialize;

use super::{
    dictionaries::{addresses, link},
    read_only::read_only,
};
use crate::process::dictionary::Dictionaries;
use sse_broadcaster_actix::{
    AppState, Problem, Publishers, Refusal,
    internal::{Head, no_store, refused},
};

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file beside the two that `/` names.
macro_rules! part {
    ($kind:expr, $name:literal) => {
        (
            concat!("/page/", $name),
            $kind,
            include_str!(concat!("page/", $name)),
        )
    };
}

/// Path, type and text of each file.
const FILES: [(&str, &str, &str); 35] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/page.css", STYLE, include_str!("page/page.css")),
    ("/page.js", SCRIPT, include_str!("page/page.js")),
    part!(SCRIPT, "chart.js"),
    part!(SCRIPT, "connections.js"),
    part!(SCRIPT, "curl.js"),
    part!(SCRIPT, "details.js"),
    part!(SCRIPT, "diff.js"),
    part!(SCRIPT, "dom.js"),
    part!(SCRIPT, "event-rows.js"),
    part!(SCRIPT, "event-store.js"),
    part!(SCRIPT, "event-view.js"),
    part!(SCRIPT, "explain.js"),
    part!(SCRIPT, "fetch-source.js"),
    part!(SCRIPT, "filter.js"),
    part!(SCRIPT, "format.js"),
    part!(SCRIPT, "history.js"),
    part!(SCRIPT, "json.js"),
    part!(SCRIPT, "live.js"),
    part!(SCRIPT, "long-text.js"),
    part!(SCRIPT, "operator.js"),
    part!(SCRIPT, "overview.js"),
    part!(SCRIPT, "poller.js"),
    part!(SCRIPT, "publish.js"),
    part!(SCRIPT, "session.js"),
    part!(SCRIPT, "signal-editor.js"),
    part!(SCRIPT, "signals.js"),
    part!(SCRIPT, "stream.js"),
    part!(SCRIPT, "table.js"),
    part!(SCRIPT, "tabs.js"),
    part!(SCRIPT, "terminal.js"),
    part!(SCRIPT, "topic.js"),
    part!(SCRIPT, "topics.js"),
    part!(STYLE, "views.css"),
    part!(SCRIPT, "virtual-list.js"),
];
/// The page loads nothing from other servers. Its client, `/client.js`, runs as a worker of all its tabs.
const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn configure(
    config: &mut ServiceConfig,
    state: &Arc<AppState>,
    dictionaries: Option<Arc<Dictionaries>>,
) {
    let shared = web::Data::from(Arc::clone(state));
    let dictionaries = web::Data::new(dictionaries);
    for (path, ..) in FILES {
        let resource = read_only(path, file).app_data(shared.clone());
        config.service(resource.app_data(dictionaries.clone()));
    }
    // By POST, since only then does a browser send the same headers about the page as when the page publishes.
    let about = web::resource("/page.json")
        .app_data(shared)
        .route(web::post().to(about))
        .default_service(web::to(|| async {
            refused(Refusal::method_not_allowed("POST"))
        }));
    config.service(about);
}

async fn file(
    request: HttpRequest,
    state: web::Data<AppState>,
    dictionaries: web::Data<Option<Arc<Dictionaries>>>,
) -> Result<HttpResponse, Problem> {
    state.gate.admit_host(&Head::from(&request))?;
    let Some((_, kind, text)) = FILES.iter().find(|(path, ..)| *path == request.path()) else {
        return Err(Refusal::not_found().into());
    };
    let mut response = HttpResponse::Ok();
    if *kind == HTML
        && let Some(dictionary) = (**dictionaries).as_deref().and_then(Dictionaries::current)
    {
        response.insert_header((header::LINK, link(&addresses(&dictionary))));
    }
    Ok(response
        .insert_header(no_store())
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .content_type(*kind)
        .body(*text))
}

/// Whether the page may publish, so that its form can show that before it is used.
#[derive(Serialize)]
#[serde(tag = "publish", rename_all = "lowercase")]
enum Publishing {
    Open,
    Key,
    Refused { code: &'static str, detail: String },
}

impl Publishing {
    async fn of(state: &AppState, request: &HttpRequest) -> Self {
        let access = state.gate.access();
        match state.may_publish(&Head::from(request)).await {
            Ok(_) => Self::Open,
            // The form has a field for either.
            Err(_) if matches!(access.publishers, Publishers::Keys(_) | Publishers::Granted) => {
                Self::Key
            }
            Err(problem) => Self::Refused {
                code: problem.code(),
                detail: problem.to_string(),
            },
        }
    }
}

async fn about(request: HttpRequest, state: web::Data<AppState>) -> Result<HttpResponse, Problem> {
    state.gate.admit_host(&Head::from(&request))?;
    Ok(HttpResponse::Ok()
        .insert_header(no_store())
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .json(Publishing::of(&state, &request).await))
}
