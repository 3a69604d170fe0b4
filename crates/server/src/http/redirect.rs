//! Redirects every request to HTTPS (`--redirect-http`).

use actix_http::HttpService;
use actix_service::{Service, ServiceFactory, map_config};
use actix_web::{
    App, HttpRequest, HttpResponse,
    dev::AppConfig,
    http::{StatusCode, header, uri::Authority},
    web,
};
use sse_broadcaster_actix::{Refusal, internal::refused};

use super::{connection::settings::HEAD_TIMEOUT, dispatcher::Connection, router::HttpConnection};

/// The port that an address with `https` has without one.
pub(crate) const HTTPS_PORT: u16 = 443;

/// Serves connections whose requests are all redirected to this port.
pub(crate) fn http(
    port: u16,
) -> impl ServiceFactory<
    HttpConnection,
    Config = (),
    Response = (),
    Error = impl std::fmt::Debug + 'static,
    InitError = impl std::fmt::Debug,
    Service = impl Service<HttpConnection, Response = ()> + 'static,
> {
    let app = App::new().default_service(web::to(move |request: HttpRequest| async move {
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
    HttpService::build()
        .client_request_timeout(HEAD_TIMEOUT)
        .keep_alive(actix_http::KeepAlive::Disabled)
        .h1_allow_half_closed(false)
        .on_connect_ext(|io: &Connection, data| {
            data.insert(io.link());
        })
        .finish(map_config(app, |()| AppConfig::default()))
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
