//! The page at `/`: its files, and whether it may publish.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, ServiceConfig},
};
use serde::Serialize;

use super::status::read_only;
use sse_broadcaster_actix::{
    AppState, Problem, Publishers, Refusal,
    internal::{Head, no_store, refused},
};

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
/// Path, type and text of each file.
const FILES: [(&str, &str, &str); 9] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/page.css", STYLE, include_str!("page/page.css")),
    ("/page.js", SCRIPT, include_str!("page/page.js")),
    ("/page/dom.js", SCRIPT, include_str!("page/dom.js")),
    ("/page/list.js", SCRIPT, include_str!("page/list.js")),
    ("/page/publish.js", SCRIPT, include_str!("page/publish.js")),
    ("/page/signals.js", SCRIPT, include_str!("page/signals.js")),
    ("/page/stream.js", SCRIPT, include_str!("page/stream.js")),
    (
        "/page/terminal.js",
        SCRIPT,
        include_str!("page/terminal.js"),
    ),
];
/// The page loads nothing from other servers.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn configure(config: &mut ServiceConfig, state: &Arc<AppState>) {
    let shared = web::Data::from(Arc::clone(state));
    for (path, ..) in FILES {
        config.service(read_only(path, file).app_data(shared.clone()));
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

async fn file(request: HttpRequest, state: web::Data<AppState>) -> Result<HttpResponse, Problem> {
    state.gate.admit_host(&Head::from(&request))?;
    let Some((_, kind, text)) = FILES.iter().find(|(path, ..)| *path == request.path()) else {
        return Err(Refusal::not_found().into());
    };
    Ok(HttpResponse::Ok()
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
        let publishers = &state.gate.access().publishers;
        match state.may_publish(&Head::from(request)).await {
            Ok(_) => Self::Open,
            // The form has a field for either.
            Err(_) if matches!(publishers, Publishers::Keys(_) | Publishers::Granted) => Self::Key,
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
