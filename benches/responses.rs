//! What a response of the actix routes costs, without sockets: `cargo bench -p sse-broadcaster-actix`.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use actix_web::{App, dev::Service, http::StatusCode, test};
use criterion::{Criterion, criterion_group, criterion_main};
use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
use sse_broadcaster_actix::{
    Routes,
    internal::{Head, head_of},
};
use sse_broadcaster_http::{Access, AppState, Publishers, StreamKind, open_stream_now};

fn broadcaster() -> Broadcaster {
    Broadcaster::start(Memory::new(Retention::default()), Options::default()).expect("it starts")
}

/// A request as a browser sends it.
fn request(method: &str, uri: &str) -> test::TestRequest {
    let headers = [
        ("host", "localhost:8000"),
        ("connection", "keep-alive"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        ),
        ("accept", "text/event-stream"),
        ("accept-language", "en-US,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br"),
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-site", "same-origin"),
        ("origin", "http://localhost:8000"),
    ];
    let request = test::TestRequest::with_uri(uri).method(method.parse().expect("a method"));
    headers
        .into_iter()
        .fold(request, test::TestRequest::insert_header)
}

/// Calls the routes so many times; requests are made beforehand.
async fn serve(times: u64, request: impl Fn() -> test::TestRequest) -> Duration {
    let access = Access::default().publishers(Publishers::Local);
    let routes = Routes::new(AppState::new(&broadcaster()).access(access));
    let app = test::init_service(App::new().configure(|config| routes.configure(config))).await;
    let mut taken = Duration::ZERO;
    for _ in 0..times {
        let request = request().to_request();
        let begun = Instant::now();
        let response = app.call(request).await.expect("a response");
        taken += begun.elapsed();
        assert_eq!(response.status(), StatusCode::OK);
    }
    taken
}

/// Opens a stream so many times, as the direct path of the server does.
#[allow(clippy::unused_async, reason = "a broadcaster starts in a runtime")]
async fn open(times: u64) -> Duration {
    let state = AppState::new(&broadcaster());
    let request = request("GET", "/events?topic=news").to_request();
    let head = Head::from(request.head());
    let begun = Instant::now();
    for _ in 0..times {
        let opened = open_stream_now(&head, &state, StreamKind::Events);
        let (response, stream) = opened.expect("it opens");
        black_box((head_of(response, &head), stream));
    }
    begun.elapsed()
}

fn responses(c: &mut Criterion) {
    let system = actix_web::rt::System::new();
    c.bench_function("publish by POST", |b| {
        b.iter_custom(|times| {
            system.block_on(serve(times, || {
                let request = request("POST", "/events?topic=news");
                request
                    .insert_header(("accept", "*/*"))
                    .set_payload("hello")
            }))
        });
    });
    c.bench_function("HEAD of a stream", |b| {
        b.iter_custom(|times| system.block_on(serve(times, || request("HEAD", "/events"))));
    });
    c.bench_function("open a stream", |b| {
        b.iter_custom(|times| system.block_on(open(times)));
    });
}

criterion_group!(benches, responses);
criterion_main!(benches);
