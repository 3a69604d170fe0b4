//! `/client.js`: the client for browsers. Every address serves it, since pages of applications load it.

use std::sync::{Arc, LazyLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web::{self, ServiceConfig},
};

use super::{dictionaries::link, read_only::read_only, tagged::TaggedText};
use crate::process::dictionary::Dictionaries;
use sse_broadcaster_actix::{AppState, Problem, internal::Head};

const ANY: HeaderValue = HeaderValue::from_static("*");

static CLIENT: LazyLock<TaggedText> = LazyLock::new(|| {
    TaggedText::new(
        "text/javascript; charset=utf-8",
        include_str!("client.js").as_bytes(),
    )
});

pub(super) fn configure(
    config: &mut ServiceConfig,
    state: &Arc<AppState>,
    dictionaries: Option<Arc<Dictionaries>>,
) {
    let shared = web::Data::from(Arc::clone(state));
    config.service(
        read_only("/client.js", respond)
            .app_data(shared)
            .app_data(web::Data::new(dictionaries)),
    );
}

async fn respond(
    request: HttpRequest,
    state: web::Data<AppState>,
    dictionaries: web::Data<Option<Arc<Dictionaries>>>,
) -> Result<HttpResponse, Problem> {
    state.gate.admit_host(&Head::from(&request))?;
    let mut response = CLIENT.respond(&request);
    // A module of another origin is loaded with CORS only. It is the same for everybody, and no secret.
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    if let Some(link) = link((**dictionaries).as_deref())
        && let Ok(link) = HeaderValue::from_str(&link)
    {
        headers.insert(header::LINK, link);
    }
    Ok(response)
}
