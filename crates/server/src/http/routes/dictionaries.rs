//! `/dictionaries/<hash>`: what compressed streams refer to (RFC 9842). Every address serves it, since browsers ask for
//! it where they open streams.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, ServiceConfig},
};

use super::read_only::read_only;
use crate::process::dictionary::Dictionaries;
use sse_broadcaster_actix::{AppState, BasePath, Problem, Refusal, internal::Head};
use sse_broadcaster_compression::Dictionary;

/// The name of the newest dictionary.
const CURRENT: &str = "current";
/// For as long a browser uses it.
const FOR_A_DAY: &str = "public, max-age=86400";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const USE_AS_DICTIONARY: &str = "use-as-dictionary";

pub(super) fn configure(
    config: &mut ServiceConfig,
    state: &Arc<AppState>,
    dictionaries: &Arc<Dictionaries>,
) {
    let resource = read_only("/dictionaries/{name}", respond)
        .app_data(web::Data::from(Arc::clone(state)))
        .app_data(web::Data::from(Arc::clone(dictionaries)));
    config.service(resource);
}

/// The addresses of a dictionary, one for each kind of stream. Relative, so that they hold under a path prefix.
pub(super) fn addresses(dictionary: &Dictionary) -> [String; 2] {
    let name = dictionary.name();
    ["", "?for=signals"].map(|query| format!("dictionaries/{name}{query}"))
}

/// The header `Link` of a page or script that opens streams.
pub(super) fn link(addresses: &[String]) -> String {
    let links = addresses
        .iter()
        .map(|address| format!("<{address}>; rel=\"compression-dictionary\""));
    links.collect::<Vec<_>>().join(", ")
}

async fn respond(
    request: HttpRequest,
    name: web::Path<String>,
    state: web::Data<AppState>,
    dictionaries: web::Data<Dictionaries>,
) -> Result<HttpResponse, Problem> {
    state.gate.admit_host(&Head::from(&request))?;
    let (dictionary, lifetime) = if *name == CURRENT {
        (dictionaries.current(), FOR_A_DAY)
    } else {
        (dictionaries.compression.dictionary_of(&name), FOR_EVER)
    };
    let Some(dictionary) = dictionary else {
        let detail = "no such dictionary is offered; the newest is at /dictionaries/current, once some events were \
                      published";
        return Err(Refusal::not_served(detail).into());
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, lifetime))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // It is public, and a page of another origin gets it with CORS only.
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((
            USE_AS_DICTIONARY,
            usage(&state.base_path, request.query_string()),
        ))
        .content_type("application/octet-stream")
        .body(dictionary.bytes().clone()))
}

/// Which requests a browser may use it for: one pattern for each address of a dictionary.
fn usage(base: &BasePath, query: &str) -> String {
    let route = match query {
        "for=signals" => "/signals",
        _ => "/events",
    };
    format!("match=\"{base}{route}*\"")
}
