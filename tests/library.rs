//! The library as a host uses it: without a server of ours, and inside of an actix-web application.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use actix_web::{App, http::StatusCode, test as web};
use futures_util::StreamExt;
use sse_broadcaster::{
    Broadcaster, Event, Form, Memory, Options, Selector, Start, Subscription,
    actix::{self, Access, Publishers, Routes},
    broadcaster::{PublishError, StartError},
    history::Retention,
};

mod support;

use support::Server;

fn start(options: Options) -> Broadcaster {
    Broadcaster::start(Memory::new(Retention::default()), options).unwrap()
}

fn event(data: &str) -> Event {
    Event::builder(data).build().unwrap()
}

fn subscribe(broadcaster: &Broadcaster) -> Subscription {
    let selector = Selector::topics::<&str>(&[]).unwrap();
    broadcaster
        .subscribe(selector, Form::Sse, Start::Fresh)
        .unwrap()
}

async fn next(stream: &mut Subscription) -> String {
    let item = tokio::time::timeout(support::PATIENCE, stream.next());
    let bytes = item.await.expect("something is due").unwrap().unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn starting_outside_of_a_runtime_is_an_error_that_says_so() {
    let started = Broadcaster::start(Memory::new(Retention::default()), Options::default());
    let error = started.unwrap_err();
    assert_eq!(error, StartError::NoRuntime);
    assert!(error.to_string().contains("Tokio runtime"), "{error}");
}

#[tokio::test]
async fn a_window_too_small_for_the_largest_event_is_refused_at_the_start() {
    let retention = Retention {
        events: 15,
        ..Retention::default()
    };
    let started = Broadcaster::start(Memory::new(retention), Options::default());
    assert!(matches!(
        started.unwrap_err(),
        StartError::WindowTooSmall { .. }
    ));
}

#[tokio::test]
async fn a_thread_that_is_not_async_publishes_and_an_async_one_is_told_not_to_wait() {
    let broadcaster = start(Options::default());
    let mut stream = subscribe(&broadcaster);
    assert!(next(&mut stream).await.contains("event: connected"));
    let publisher = broadcaster.clone();
    std::thread::spawn(move || publisher.publish_blocking(event("from a thread")).unwrap());
    assert!(next(&mut stream).await.contains("data: from a thread"));
    let refused = broadcaster.publish_blocking(event("x")).unwrap_err();
    assert_eq!(refused, PublishError::WouldBlock);
}

#[tokio::test]
async fn a_drained_stream_is_told_when_to_come_back_and_is_cut() {
    let broadcaster = start(Options::default());
    let mut stream = subscribe(&broadcaster);
    next(&mut stream).await;
    broadcaster.publish(event("last")).await.unwrap();
    let draining = broadcaster.clone();
    let drained = tokio::spawn(async move { draining.drain(support::PATIENCE).await });
    assert!(next(&mut stream).await.contains("data: last"));
    assert!(next(&mut stream).await.starts_with("retry: "));
    assert!(stream.next().await.unwrap().is_err());
    drop(stream);
    drained.await.unwrap();
    let refused = broadcaster.publish(event("late")).await.unwrap_err();
    assert_eq!(refused, PublishError::Draining);
}

#[tokio::test]
async fn everything_ends_with_the_last_handle() {
    let broadcaster = start(Options::default());
    let walks = broadcaster.attend();
    let walking = tokio::spawn(walks);
    drop(broadcaster);
    tokio::time::timeout(support::PATIENCE, walking)
        .await
        .expect("the walks end")
        .unwrap();
}

#[actix_web::test]
async fn mounted_routes_read_only_until_told_who_may_publish() {
    let broadcaster = start(Options::default());
    let post = || {
        let host = ("host", "localhost");
        web::TestRequest::post()
            .uri("/api/events")
            .insert_header(host)
    };
    for (routes, status) in [
        (actix::routes(&broadcaster), StatusCode::FORBIDDEN),
        (
            Routes::with(
                &broadcaster,
                Access {
                    publishers: Publishers::Local,
                    ..Access::default()
                },
            ),
            StatusCode::OK,
        ),
    ] {
        let scope = actix_web::web::scope("/api").configure(|config| routes.configure(config));
        let app = web::init_service(App::new().service(scope)).await;
        let answer = web::call_service(&app, post().set_payload("hello").to_request()).await;
        assert_eq!(answer.status(), status);
        let get = web::TestRequest::get().uri("/api/events").to_request();
        let stream = web::call_service(&app, get).await;
        assert_eq!(stream.status(), StatusCode::OK);
        assert_eq!(
            stream.headers().get("content-encoding").unwrap(),
            "identity"
        );
    }
}

#[test]
fn the_embedding_example_serves_its_own_routes_and_checks_who_reads() {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_sse-broadcaster"))
        .with_file_name("examples/embed");
    if !program.exists() {
        // Only a run of all tests builds the examples by itself.
        let build = Command::new(env!("CARGO"))
            .args(["build", "--example", "embed"])
            .status();
        assert!(build.unwrap().success());
    }
    let mut command = Command::new(program);
    command.arg("127.0.0.1:0").stdout(Stdio::piped());
    let mut example = command.spawn().expect("the example starts");
    let mut line = String::new();
    let stdout = example.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let address = line.trim_start_matches("http://").split(": ").next();
    let server = Server::adopt(example, address.unwrap().parse().unwrap());
    assert_eq!(server.get("/live/events").status, 401);
    let mut stream = server.subscribe_with("/live/events", "X-Token: reader");
    stream.until("connected");
    let mut clock = server.subscribe_with("/rooms/clock", "");
    assert_eq!(clock.data(1), ["tick"]);
    assert_eq!(server.post("/say", "text/plain", "hello").status, 200);
    let said = stream.event().unwrap();
    assert_eq!((said.name.as_str(), said.data.as_str()), ("said", "hello"));
}
