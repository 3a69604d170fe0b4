//! A publish without a history and a broadcaster: a server built like that of our binary, which reads the same body
//! and sends the same response.

use actix_http::{HttpService, Protocol};
use actix_server::Server;
use actix_service::{ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{
    App, HttpResponse,
    dev::AppConfig,
    http::header,
    web::{self, Bytes},
};
use actix_web_lab::middleware::CatchPanic;
use tokio::net::TcpStream;

use super::{THREADS, listen};

const RESPONSE: &str = r#"{"id":"1763712000000-1234567890"}"#;

async fn respond(_body: Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("event-id", "1763712000000-1234567890"))
        .content_type("application/json")
        .body(RESPONSE)
}

pub fn serve() {
    let listener = listen();
    actix_web::rt::System::new().block_on(async {
        let server = Server::build().workers(THREADS).disable_signals();
        let server = server.listen("response-only", listener, || {
            let app = || {
                App::new()
                    .wrap(CatchPanic::default())
                    .service(web::scope("/events").default_service(web::to(respond)))
            };
            let http = HttpService::build()
                .h1_allow_half_closed(false)
                .finish(map_config(app(), |()| AppConfig::default()))
                .map_err(drop);
            fn_service(|io: TcpStream| async {
                io.set_nodelay(true).map_err(drop)?;
                let peer = io.peer_addr().ok();
                Ok((io, Protocol::Http1, peer))
            })
            .and_then(http)
        });
        server.expect("it listens").run().await.expect("it serves");
    });
}
