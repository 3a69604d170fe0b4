//! axum with a broadcast channel of tokio's, in the shape that the documentation of both shows.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::State,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
    routing::get,
    serve::ListenerExt as _,
};
use serde::Serialize;
use tokio::sync::broadcast;
use tokio_stream::{Stream, StreamExt as _, wrappers::BroadcastStream};

use super::{THREADS, listen};

/// How many events a subscriber may be behind before it loses some.
const CAPACITY: usize = 1024;

#[derive(Clone)]
struct Message {
    id: String,
    data: String,
}

#[derive(Serialize)]
struct Published {
    id: String,
}

struct Shared {
    messages: broadcast::Sender<Message>,
    next: AtomicU64,
}

pub fn serve() {
    let listener = listen();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(THREADS).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let shared = Shared {
            messages: broadcast::channel(CAPACITY).0,
            next: AtomicU64::new(1_000_000_000),
        };
        let routes = Router::new()
            .route("/events", get(subscribe).post(publish))
            .with_state(Arc::new(shared));
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let listener = listener.tap_io(|socket| socket.set_nodelay(true).expect("no delay"));
        axum::serve(listener, routes).await.expect("it serves");
    });
}

async fn subscribe(
    State(shared): State<Arc<Shared>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let messages = BroadcastStream::new(shared.messages.subscribe());
    let events = messages.filter_map(|message| {
        let message = message.ok()?;
        Some(Ok(Event::default().id(message.id).data(message.data)))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn publish(State(shared): State<Arc<Shared>>, data: String) -> Json<Published> {
    let number = shared.next.fetch_add(1, Ordering::Relaxed);
    let id = format!("1763712000000-{number}");
    let message = Message {
        id: id.clone(),
        data,
    };
    // Without subscribers it is an error.
    let _ = shared.messages.send(message);
    Json(Published { id })
}
