//! Redirects every request to HTTPS (`--redirect-http`).

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header, uri::Authority},
    web::{self, ServiceConfig},
};
use sse_broadcaster_actix::{Refusal, internal::refused};

/// The port that an address with `https` has without one.
pub(crate) const HTTPS_PORT: u16 = 443;

/// Redirects every request to this port.
pub(crate) fn configure(config: &mut ServiceConfig, port: u16) {
    config.default_service(web::to(move |request: HttpRequest| async move {
        match target(&request, port) {
            Some(target) => HttpResponse::build(StatusCode::PERMANENT_REDIRECT)
                .insert_header((header::LOCATION, target))
                .force_close()
                .finish(),
            None => refused(Refusal::forbidden(
                "foreign_host",
                "the header Host is missing or not valid: it is the name in the address that this request is \
                 redirected to",
            )),
        }
    }));
}

/// The same address with `https`.
fn target(request: &HttpRequest, port: u16) -> Option<String> {
    let host = request.headers().get(header::HOST)?.to_str().ok()?;
    let host: Authority = host.parse().ok()?;
    if host.as_str().contains('@') {
        return None;
    }
    let path = request.uri().path_and_query()?;
    let host = host.host();
    Some(match port {
        HTTPS_PORT => format!("https://{host}{path}"),
        port => format!("https://{host}:{port}{path}"),
    })
}
