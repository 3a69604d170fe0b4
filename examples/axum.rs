//! A broadcaster inside an axum application: `cargo run --example axum`, then
//! `curl -N '127.0.0.1:8082/signals?name=clock'`, `curl -N 127.0.0.1:8082/rooms/hall` and
//! `curl -d hello 127.0.0.1:8082/rooms/hall`.

use std::{future::IntoFuture as _, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::request::Parts,
    routing::get,
    serve::ListenerExt as _,
};
use sse_broadcaster::{Broadcaster, Event, Memory, Options, Selector, history::Retention};
use sse_broadcaster_axum::{Problem, Routes, StreamResponse, subscribe, subscribe_to_signals};
use sse_broadcaster_signals::{Signal, Signals};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// How long streams may take to end.
const DRAIN: Duration = Duration::from_millis(300);
/// How long other requests may take behind that.
const SHUTDOWN: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Application {
    broadcaster: Broadcaster,
    signals: Signals,
}

/// A stream of one room's topic alone. An application checks here who reads.
async fn read(
    State(application): State<Application>,
    Path(room): Path<String>,
    request: Parts,
) -> Result<StreamResponse, Problem> {
    let selector = Selector::topics(&[format!("room/{room}")])?;
    subscribe(&application.broadcaster, &request, selector)
}

/// A route that publishes. An application checks here who may.
async fn say(
    State(application): State<Application>,
    Path(room): Path<String>,
    text: String,
) -> Result<String, Problem> {
    let event = Event::builder(text).topic(format!("room/{room}")).build()?;
    let appended = application.broadcaster.publish(event).await?;
    Ok(appended.ids[0].to_string())
}

async fn signals(
    State(application): State<Application>,
    request: Parts,
) -> Result<StreamResponse, Problem> {
    subscribe_to_signals(&application.signals, &request)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
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
        .nest("/live", Routes::new(&broadcaster).router())
        .with_state(application);
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8082".into());
    let listener = TcpListener::bind(&address).await.map_err(|error| {
        format!("cannot listen on {address} ({error}); give another address as the argument")
    })?;
    println!(
        "http://{}: /rooms/<name>, /signals?name=clock, /live/events?topic=*",
        listener.local_addr()?
    );
    // Small events do not wait for one another.
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    let (drained, has_drained) = oneshot::channel();
    let end = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Streams first, so that each client comes back at a time of its own, or axum would wait for them.
        broadcaster.drain(DRAIN).await;
        let _ = drained.send(());
    };
    let serving = axum::serve(listener, router).with_graceful_shutdown(end);
    let late = async {
        let _ = has_drained.await;
        tokio::time::sleep(SHUTDOWN).await;
    };
    // axum waits for its clients, however long they take.
    tokio::select! {
        ended = serving.into_future() => ended?,
        () = late => {}
    }
    Ok(())
}
