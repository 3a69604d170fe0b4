//! A broadcaster inside an application of one's own: `cargo run --example embed`, then
//! `curl -N -H 'X-Token: reader' 127.0.0.1:8081/live/events` and `curl -d hello 127.0.0.1:8081/say`.

use std::time::Duration;

use actix_web::{
    App, Error, HttpRequest, HttpServer, Responder,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error, get, middleware, post, web,
};
use sse_broadcaster::{Broadcaster, Event, Memory, Options, Selector, history::Retention};
use sse_broadcaster_actix::{self as actix, Problem};
use tokio::signal::unix::{SignalKind, signal};

/// How long streams may take to end.
const DRAIN: Duration = Duration::from_millis(300);
/// How long other requests may take behind that.
const SHUTDOWN_SECONDS: u64 = 1;

/// The application's own check of who may read.
async fn readers_only(
    request: ServiceRequest,
    next: middleware::Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    match request.headers().get("x-token") {
        Some(token) if token == "reader" => next.call(request).await,
        _ => Err(error::ErrorUnauthorized("send the header X-Token: reader")),
    }
}

/// A route that publishes.
#[post("/say")]
async fn say(text: String, broadcaster: web::Data<Broadcaster>) -> Result<impl Responder, Problem> {
    // Errors of the library become responses: 422 for an event that cannot be, 503 while nothing can be kept.
    let event = Event::builder(text).name("said").build()?;
    let appended = broadcaster.publish(event).await?;
    Ok(appended.ids[0].to_string())
}

/// A stream of one room's topic alone.
#[get("/rooms/{room}")]
async fn room(
    request: HttpRequest,
    room: web::Path<String>,
    broadcaster: web::Data<Broadcaster>,
) -> Result<impl Responder, Problem> {
    let selector = Selector::topics(&[format!("room/{room}")])?;
    actix::subscribe(&broadcaster, &request, selector)
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
    let (routes, state) = (
        actix::routes(&broadcaster),
        web::Data::new(broadcaster.clone()),
    );
    let server = HttpServer::new(move || {
        let routes = routes.clone();
        let live = web::scope("/live")
            .wrap(middleware::from_fn(readers_only))
            .configure(move |config| routes.configure(config));
        App::new()
            .app_data(state.clone())
            .service(live)
            .service(say)
            .service(room)
    });
    // A thread that is not async publishes, too.
    let clock = broadcaster.clone();
    std::thread::spawn(move || {
        while let Ok(tick) = Event::builder("tick").topic("room/clock").build() {
            let _ = clock.publish_blocking(tick);
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8081".into());
    let server = server
        .h1_allow_half_closed(false)
        .tcp_nodelay(true)
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .bind(&address)
        .map_err(|error| {
            format!("cannot listen on {address} ({error}); give another address as the argument")
        })?;
    println!(
        "http://{}: /live/events, /rooms/clock, POST /say",
        server.addrs()[0]
    );
    let mut serving = server.run();
    tokio::select! {
        ended = &mut serving => return Ok(ended?),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let stop = serving.handle();
    let end = async {
        // Streams first, so that each client comes back at a time of its own, or actix would wait for them.
        broadcaster.drain(DRAIN).await;
        stop.stop(true).await;
    };
    let (ended, ()) = tokio::join!(serving, end);
    Ok(ended?)
}
