//! A broadcaster inside an axum application: `cargo run --example axum --features axum`, then
//! `curl -N '127.0.0.1:8080/signals?name=clock'`, `curl -N 127.0.0.1:8080/rooms/hall` and
//! `curl -d hello 127.0.0.1:8080/rooms/hall`.

use std::time::Duration;

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, request::Parts},
    routing::get,
    serve::ListenerExt as _,
};
use sse_broadcaster::{
    Broadcaster, Event, Memory, Options, Selector, Signal, Subscription,
    axum::{Refused, subscribe, subscribe_to_signals},
    history::Retention,
    signals::Signals,
};
use tokio::net::TcpListener;

#[derive(Clone)]
struct Application {
    broadcaster: Broadcaster,
    signals: Signals,
}

/// An own stream, of one room's topic alone. An application checks here who asks.
async fn read(
    State(application): State<Application>,
    Path(room): Path<String>,
    request: Parts,
) -> Result<Subscription, Refused> {
    let selector = Selector::topics(&[format!("room/{room}")])?;
    subscribe(&application.broadcaster, &request, selector)
}

/// An own route that publishes. An application checks here who may.
async fn say(
    State(application): State<Application>,
    Path(room): Path<String>,
    text: String,
) -> Result<String, (StatusCode, String)> {
    let event = Event::builder(text).topic(format!("room/{room}")).build();
    let event = event.map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    let published = application.broadcaster.publish(event).await;
    let appended =
        published.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    Ok(appended.ids[0].to_string())
}

async fn signals(
    State(application): State<Application>,
    request: Parts,
) -> Result<Subscription, Refused> {
    subscribe_to_signals(&application.signals, &request)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
    let signals = Signals::new(&broadcaster);
    let clock = Signal::of(&signals, "clock", 0_u64).await?;
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if let Err(error) = clock.update(|seconds| *seconds += 1).await {
                eprintln!("the clock stands still: {error}");
            }
        }
    });
    let application = Application {
        broadcaster: broadcaster.clone(),
        signals,
    };
    let router = Router::new()
        .route("/rooms/{room}", get(read).post(say))
        .route("/signals", get(self::signals))
        .with_state(application);
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = TcpListener::bind(address).await?;
    println!(
        "http://{}: /rooms/<name>, /signals?name=clock",
        listener.local_addr()?
    );
    // Small events do not wait for one another.
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    let end = async move {
        let _ = tokio::signal::ctrl_c().await;
        // Streams first, or axum would wait for them.
        broadcaster.drain(Duration::from_millis(300)).await;
    };
    axum::serve(listener, router)
        .with_graceful_shutdown(end)
        .await?;
    Ok(())
}
