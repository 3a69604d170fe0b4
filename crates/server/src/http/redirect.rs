//! Redirects every request to HTTPS (`--redirect-http`).

use std::sync::Arc;

use super::tls::Orders;
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header, uri::Authority},
    web::{self, ServiceConfig},
};
use sse_broadcaster_actix::{Refusal, internal::refused};

/// The port that an address with `https` has without one.
pub(crate) const HTTPS_PORT: u16 = 443;

/// Where an authority looks for the proof of a name (RFC 8555, section 8.3).
const PROOF: &str = "/.well-known/acme-challenge/";

/// Redirects every request to this port, but those of an authority for the proofs of pending orders.
pub(crate) fn configure(config: &mut ServiceConfig, port: u16, orders: Option<Arc<Orders>>) {
    config.default_service(web::to(move |request: HttpRequest| {
        let response = response(&request, port, orders.as_deref());
        async move { response }
    }));
}

fn response(request: &HttpRequest, port: u16, orders: Option<&Orders>) -> HttpResponse {
    if let Some(proof) = orders.and_then(|orders| proof(request, orders)) {
        return HttpResponse::Ok()
            .content_type("application/octet-stream")
            .force_close()
            .body(proof);
    }
    match target(request, port) {
        Some(target) => HttpResponse::build(StatusCode::PERMANENT_REDIRECT)
            .insert_header((header::LOCATION, target))
            .force_close()
            .finish(),
        None => refused(Refusal::forbidden(
            "foreign_host",
            "the request names no host, or one that is not valid: it is the name in the address that it is redirected to",
        )),
    }
}

fn proof(request: &HttpRequest, orders: &Orders) -> Option<String> {
    let token = request.path().strip_prefix(PROOF)?;
    let proofs = orders.proofs.read();
    (request.method() == Method::GET).then(|| proofs.get(token).cloned())?
}

/// The same address with `https`.
fn target(request: &HttpRequest, port: u16) -> Option<String> {
    // The target of a request may have it (RFC 9112, section 3.2.2).
    let host = if let Some(host) = request.uri().authority() {
        host.clone()
    } else {
        let host = request.headers().get(header::HOST)?.to_str().ok()?;
        host.parse::<Authority>().ok()?
    };
    if host.as_str().contains('@') || host.host().is_empty() {
        return None;
    }
    let path = request.uri().path_and_query()?.as_str();
    // Of the server as a whole.
    let path = if path == "*" { "/" } else { path };
    let host = host.host();
    Some(match port {
        HTTPS_PORT => format!("https://{host}{path}"),
        port => format!("https://{host}:{port}{path}"),
    })
}
