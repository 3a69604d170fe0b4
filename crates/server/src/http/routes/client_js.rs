//! `/client.js`: the client for browsers. Every address serves it, since pages of applications load it.

use std::sync::{Arc, LazyLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web::{self, ServiceConfig},
};

use super::{
    dictionaries::{addresses, link},
    read_only::read_only,
    tagged::TaggedText,
};
use crate::process::dictionary::Dictionaries;
use sse_broadcaster_actix::{AppState, Problem, internal::Head};

const ANY: HeaderValue = HeaderValue::from_static("*");

const CONTENT_TYPE: &str = "text/javascript; charset=utf-8";
const SCRIPT: &str = include_str!("client.js");

static CLIENT: LazyLock<TaggedText> =
    LazyLock::new(|| TaggedText::new(CONTENT_TYPE, SCRIPT.as_bytes()));

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
    let dictionary = (**dictionaries).as_deref().and_then(Dictionaries::current);
    let addresses = dictionary.map(|dictionary| addresses(&dictionary));
    let mut response = match &addresses {
        Some(addresses) => {
            let script = format!("{SCRIPT}{}", linking(addresses));
            TaggedText::new(CONTENT_TYPE, script).respond(&request)
        }
        None => CLIENT.respond(&request),
    };
    // A module of another origin is loaded with CORS only. It is the same for everybody, and no secret.
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    if let Some(addresses) = &addresses
        && let Ok(link) = HeaderValue::from_str(&link(addresses))
    {
        headers.insert(header::LINK, link);
    }
    Ok(response)
}

/// Has the page that imports the script fetch the dictionary at these addresses: browsers follow the header `Link` of
/// documents only. The script is a `SharedWorker`'s as well, which has no document.
fn linking(addresses: &[String]) -> String {
    format!(
        "for (const address of {addresses:?}) globalThis.document?.head?.append(Object.assign(\
         document.createElement('link'), {{ rel: 'compression-dictionary', crossOrigin: 'anonymous', \
         href: new URL(address, import.meta.url) }}));\n"
    )
}
