//! What is served under which path.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, Resource, Responder, ResponseError, Route,
    guard,
    http::{StatusCode, header},
    web::{self, Data, Query},
};
use serde_json::json;
use sse_broadcaster::Broadcaster;
use sse_broadcaster_actix::StreamResponse;

use support::assets::DATASTAR;

use super::{
    database::Database,
    feed::{self, Feed, View},
    feeds::{Feeds, NoFeed},
    filter::{self, Filter},
    pages,
};

/// Datastar makes functions of a page's expressions, and may come from its CDN.
static PAGE_POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'self'; script-src 'self' 'unsafe-eval' {}; img-src data:; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'",
        DATASTAR.cdn
    )
});

const FILE_POLICY: &str = "default-src 'self'; img-src data:; frame-ancestors 'none'";

/// What is served below `/static/`: name, content type, content.
const FILES: [(&str, &str, &str); 4] = [
    (
        "dashboard.css",
        "text/css; charset=utf-8",
        include_str!("static/dashboard.css"),
    ),
    (
        "test-sse.html",
        "text/html; charset=utf-8",
        include_str!("static/test-sse.html"),
    ),
    (
        "test-sse.css",
        "text/css; charset=utf-8",
        include_str!("static/test-sse.css"),
    ),
    (
        "test-sse.js",
        "text/javascript; charset=utf-8",
        include_str!("static/test-sse.js"),
    ),
];

pub struct State {
    pub feeds: Arc<Feeds>,
    pub database: Database,
    pub broadcaster: Broadcaster,
}

/// All but the scripts below `/lib/`.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", get_or_head().to(dashboard))
        .service(stream("/api/sse/stats").route(web::get().to(numbers)))
        .service(stream("/api/sse/activity").route(web::get().to(activity)))
        .route("/api/health", get_or_head().to(health))
        .route("/static/{file}", get_or_head().to(file));
}

fn get_or_head() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// A stream's route answers `HEAD` as well, which opens none.
fn stream(path: &str) -> Resource {
    web::resource(path).route(web::head().to(async || stream_head().finish()))
}

fn stream_head() -> HttpResponseBuilder {
    let mut head = HttpResponse::Ok();
    head.content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-cache, no-transform"));
    head
}

async fn numbers(request: HttpRequest, state: Data<State>) -> HttpResponse {
    open(&request, &state.feeds.numbers)
}

async fn activity(
    request: HttpRequest,
    query: Query<Vec<(String, String)>>,
    state: Data<State>,
) -> Result<HttpResponse, Refusal> {
    let feed = state.feeds.activity(&Filter::of_query(&query)?)?;
    Ok(open(&request, &feed))
}

fn open<V: View>(request: &HttpRequest, feed: &Feed<V>) -> HttpResponse {
    if let Ok(stream) = feed.subscribe() {
        return StreamResponse(stream).respond_to(request);
    }
    // Draining, or full. An EventSource that is answered 503 stops for good: it is told when to come
    // back.
    let retry = Broadcaster::spread_retry().as_millis();
    stream_head().body(format!("retry: {retry}\n\n"))
}

async fn dashboard(
    query: Query<Vec<(String, String)>>,
    state: Data<State>,
) -> Result<HttpResponse, Refusal> {
    let filter = Filter::of_query(&query)?;
    let feeds = &state.feeds;
    let page = pages::dashboard(&feeds.numbers, &feeds.activity(&filter)?, &filter).await?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, PAGE_POLICY.as_str()))
        .body(page))
}

async fn health(state: Data<State>) -> HttpResponse {
    let why = match state.database.version().await {
        Err(_) => Some("the database cannot be read"),
        Ok(_) if state.broadcaster.is_draining() => Some("the server is ending"),
        Ok(_) => None,
    };
    let (mut answer, status) = match why {
        None => (HttpResponse::Ok(), "ok"),
        Some(_) => (HttpResponse::ServiceUnavailable(), "unavailable"),
    };
    answer
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "status": status, "why": why }))
}

async fn file(name: web::Path<String>) -> HttpResponse {
    let found = FILES.iter().find(|(file, ..)| *file == *name);
    let Some((_, content_type, content)) = found else {
        return HttpResponse::NotFound().body("there is no file of that name");
    };
    HttpResponse::Ok()
        .content_type(*content_type)
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, FILE_POLICY))
        .body(*content)
}

/// Why there is no answer, as a sentence for whoever asked.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.status
    }
}

impl From<filter::Refused> for Refusal {
    fn from(refused: filter::Refused) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            why: refused.to_string(),
        }
    }
}

impl From<NoFeed> for Refusal {
    fn from(error: NoFeed) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            why: error.to_string(),
        }
    }
}

impl From<feed::Error> for Refusal {
    fn from(error: feed::Error) -> Self {
        eprintln!("stats: a page was not made: {error}");
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            why: "the database cannot be read; try again in a moment".into(),
        }
    }
}
