//! The library as a program uses it: without the server, and in an actix-web application.

use std::sync::Arc;

use actix_web::{App, HttpRequest, http::StatusCode, test as web};
use futures_util::StreamExt;
use sse_broadcaster::{
    Broadcaster, Event, Memory, Options, Selector, Start, Subscription,
    broadcaster::{EncodedStream, Item, PublishError, StartError},
    encoding::Sse,
    history::{History, Retention},
    sse::Notice,
};
use sse_broadcaster_actix as actix;
use sse_broadcaster_actix::{Access, AppState, Problem, Publishers, Routes};
use sse_broadcaster_signals::{Signal, SignalError, SignalName, Signals};

use crate::support::{self, Server};

fn start(options: Options) -> Broadcaster {
    Broadcaster::start(Memory::new(Retention::default()), options).unwrap()
}

fn event(data: &str) -> Event {
    Event::builder(data).build().unwrap()
}

fn subscribe(broadcaster: &Broadcaster) -> EncodedStream {
    let selector = Selector::topics::<&str>(&[]).unwrap();
    broadcaster
        .subscribe(selector, Start::Live)
        .unwrap()
        .encoded(&Sse)
}

async fn next(stream: &mut EncodedStream) -> String {
    let item = tokio::time::timeout(support::PATIENCE, stream.next());
    let bytes = item.await.expect("something is due").unwrap().unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn starting_outside_of_a_runtime_is_an_error() {
    let started = Broadcaster::start(Memory::new(Retention::default()), Options::default());
    let error = started.unwrap_err();
    assert_eq!(error, StartError::NoRuntime);
    assert!(error.to_string().contains("Tokio runtime"), "{error}");
}

#[tokio::test]
async fn a_window_too_small_for_the_largest_event_is_rejected_at_the_start() {
    let retention = Retention::new().events(15);
    let started = Broadcaster::start(Memory::new(retention), Options::default());
    assert!(matches!(
        started.unwrap_err(),
        StartError::WindowTooSmall { .. }
    ));
}

#[tokio::test]
async fn publish_blocking_works_on_plain_threads_and_is_an_error_in_an_async_task() {
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
async fn a_drained_stream_is_sent_a_retry_and_is_cut() {
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
async fn all_tasks_end_with_the_last_handle() {
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
async fn mounted_routes_are_read_only_until_publishing_is_allowed() {
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
            Routes::new(
                AppState::new(&broadcaster).access(Access::default().publishers(Publishers::Local)),
            ),
            StatusCode::OK,
        ),
    ] {
        let scope = actix_web::web::scope("/api").configure(|config| routes.configure(config));
        let app = web::init_service(App::new().service(scope)).await;
        let response = web::call_service(&app, post().set_payload("hello").to_request()).await;
        assert_eq!(response.status(), status);
        let get = web::TestRequest::get().uri("/api/events").to_request();
        let stream = web::call_service(&app, get).await;
        assert_eq!(stream.status(), StatusCode::OK);
        assert_eq!(
            stream.headers().get("content-encoding").unwrap(),
            "identity"
        );
    }
}

/// The first bytes of a stream, up to this text.
async fn beginning<B>(response: actix_web::dev::ServiceResponse<B>, until: &str) -> String
where
    B: actix_web::body::MessageBody + Unpin,
{
    let (mut body, mut text) = (response.into_body(), String::new());
    while !text.contains(until) {
        let piece = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_next(cx));
        let piece = tokio::time::timeout(support::PATIENCE, piece).await;
        let piece = piece.expect("something is due").unwrap().ok().unwrap();
        text.push_str(std::str::from_utf8(&piece).unwrap());
    }
    text
}

#[actix_web::test]
async fn signals_are_mounted_with_the_routes_and_are_the_response_of_a_handler() {
    let broadcaster = start(Options::default());
    let signals = Signals::new(&broadcaster);
    let counter = Signal::of(&signals, "counter", 1).await.unwrap();
    let routes = actix::routes(&broadcaster);
    let own = move |request: HttpRequest| {
        let stream = actix::subscribe_to_signals(&signals, &request);
        async move { stream }
    };
    let app = App::new()
        .route("/own", actix_web::web::get().to(own))
        .configure(|config| routes.configure(config));
    let app = web::init_service(app).await;
    let call = |uri: &str| web::TestRequest::get().uri(uri).to_request();
    for uri in ["/own?name=counter", "/signals?name=counter"] {
        let response = web::call_service(&app, call(uri)).await;
        assert_eq!(
            response.headers().get("content-type").unwrap(),
            "text/event-stream"
        );
        let text = beginning(response, "event: connected").await;
        assert!(text.contains(r#""path":"","value":1"#), "{text}");
    }
    counter.set(&2).await.unwrap();
    let read = web::call_and_read_body(&app, call("/signals/counter")).await;
    assert_eq!(read, "2");
    let refused = web::call_service(&app, call("/own")).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let list = web::call_and_read_body(&app, call("/signals")).await;
    assert!(list.starts_with(br#"{"more":false,"signals":[{"name":"counter""#));
    let topics = web::call_and_read_body(&app, call("/topics")).await;
    assert_eq!(topics, "{\"more\":false,\"topics\":[]}\n");
    let put = web::TestRequest::put()
        .uri("/signals/counter")
        .insert_header(("host", "localhost"))
        .set_json(3);
    let refused = web::call_service(&app, put.to_request()).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
}

#[actix_web::test]
async fn a_route_of_the_application_checks_who_may_publish_by_the_same_rules() {
    let access = Access::default().publishers(Publishers::Local);
    let request = |lines: &[(&'static str, &'static str)]| {
        let mut request = web::TestRequest::post();
        for line in lines {
            request = request.insert_header(*line);
        }
        request.to_http_request()
    };
    let local = ("host", "localhost:8080");
    assert!(actix::may_publish(&access, &request(&[local])).is_ok());
    let foreign = request(&[local, ("origin", "https://evil.example")]);
    let foreign = actix::may_publish(&access, &foreign);
    assert_eq!(foreign.unwrap_err().code(), "foreign_page");
    let nobody = actix::may_publish(&Access::default(), &request(&[local]));
    assert_eq!(nobody.unwrap_err().code(), "publishing_disabled");
}

#[test]
fn the_embedding_example_serves_its_own_routes_and_checks_who_reads() {
    let server = Server::example("embed");
    assert_eq!(server.get("/live/events").status, 401);
    let mut stream = server.subscribe_with("/live/events", "X-Token: reader");
    stream.until("connected");
    let mut clock = server.subscribe_with("/rooms/clock", "");
    assert_eq!(clock.data(1), ["tick"]);
    assert_eq!(server.post("/say", "text/plain", "hello").status, 200);
    let said = stream.event().unwrap();
    assert_eq!((said.name.as_str(), said.data.as_str()), ("said", "hello"));
}

/// A handler of a host's, without a word for any error.
async fn say(
    broadcaster: actix_web::web::Data<Broadcaster>,
    signals: actix_web::web::Data<Signals>,
    (topic, text): (actix_web::web::Path<String>, String),
) -> Result<String, Problem> {
    if text == "read" {
        let name: SignalName = topic.parse()?;
        let found = signals.get(&name).await?;
        return Ok(found.ok_or(SignalError::Missing)?.version.to_string());
    }
    let event = Event::builder(text).topic(topic.into_inner()).build()?;
    Ok(broadcaster.publish(event).await?.ids[0].to_string())
}

#[actix_web::test]
async fn an_error_of_the_library_in_an_actix_handler_is_a_problem_with_its_stable_code() {
    let broadcaster = start(Options::default().max_event_bytes(1_000));
    let signals = Signals::new(&broadcaster);
    let app = App::new()
        .app_data(actix_web::web::Data::new(broadcaster.clone()))
        .app_data(actix_web::web::Data::new(signals))
        .route("/{topic}", actix_web::web::post().to(say));
    let app = web::init_service(app).await;
    let post = async |topic: &str, text: &str| {
        let request = web::TestRequest::post()
            .uri(&format!("/{topic}"))
            .set_payload(text.to_owned());
        let response = web::call_service(&app, request.to_request()).await;
        let status = response.status();
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let (kind, retry) = (header("content-type"), header("retry-after"));
        let body = web::read_body(response).await;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let code = body["code"].as_str().map(str::to_owned);
        assert!(code.is_none() || kind.as_deref() == Some("application/problem+json"));
        (status.as_u16(), code, retry)
    };
    let problem = |status, code: &str| (status, Some(code.to_owned()), None);
    assert_eq!(post("news", "hello").await.0, 200);
    assert_eq!(post("a*", "hello").await, problem(422, "invalid_topic"));
    let long = "x".repeat(1_001);
    assert_eq!(post("news", &long).await, problem(413, "too_large"));
    assert_eq!(post("none", "read").await, problem(404, "no_such_signal"));
    assert_eq!(post("a*", "read").await, problem(422, "invalid_signal"));
    broadcaster.drain(std::time::Duration::ZERO).await;
    let refused = (503, Some("draining".to_owned()), Some("1".to_owned()));
    assert_eq!(post("news", "hello").await, refused);
}

#[tokio::test]
async fn publish_blocking_works_on_a_blocking_thread_of_the_runtime_and_not_in_a_task() {
    let broadcaster = start(Options::default());
    let signal = Signal::new(&broadcaster, "n", 0).await.unwrap();
    let (publisher, setter) = (broadcaster.clone(), signal.clone());
    let blocking = tokio::task::spawn_blocking(move || {
        setter.set_blocking(&1).unwrap();
        publisher.publish_blocking(event("hello"))
    });
    assert!(blocking.await.unwrap().is_ok());
    assert_eq!(signal.get().await.unwrap(), 1);
    let in_a_task = broadcaster.publish_blocking(event("hello"));
    assert_eq!(in_a_task.unwrap_err(), PublishError::WouldBlock);
    assert_eq!(
        signal.set_blocking(&2).unwrap_err(),
        SignalError::WouldBlock
    );
    let spawned = tokio::spawn(async move { broadcaster.publish_blocking(event("hello")) });
    assert_eq!(
        spawned.await.unwrap().unwrap_err(),
        PublishError::WouldBlock
    );
}

#[actix_web::test]
async fn publish_blocking_works_in_web_block() {
    let broadcaster = start(Options::default());
    let publisher = broadcaster.clone();
    let published = actix_web::web::block(move || publisher.publish_blocking(event("hello")));
    assert!(published.await.unwrap().is_ok());
    let in_a_handler = broadcaster.publish_blocking(event("hello"));
    assert_eq!(in_a_handler.unwrap_err(), PublishError::WouldBlock);
}

#[tokio::test]
async fn a_second_broadcaster_on_one_history_is_an_error() {
    let history: Arc<dyn History> = Arc::new(Memory::new(Retention::default()));
    let first = Broadcaster::on(Arc::clone(&history), Options::default());
    let second = Broadcaster::on(history, Options::default());
    assert!(first.is_ok());
    assert_eq!(second.unwrap_err(), StartError::HistoryInUse);
}

/// The next item of a stream.
async fn item(stream: &mut Subscription) -> Option<Item> {
    let item = tokio::time::timeout(support::PATIENCE, stream.next());
    item.await.expect("something is due")
}

#[tokio::test]
async fn a_subscription_yields_events_with_their_ids_and_notices() {
    let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default());
    let broadcaster = broadcaster.unwrap();
    let before = broadcaster.publish_one(event("before")).await.unwrap();
    let selector = || Selector::topics::<&str>(&[]).unwrap();
    let mut stream = broadcaster.subscribe(selector(), Start::Earliest).unwrap();
    let Some(Item::Notice(Notice::Retry(_))) = item(&mut stream).await else {
        panic!("no reconnection time");
    };
    let Some(Item::Notice(Notice::Connected(_))) = item(&mut stream).await else {
        panic!("not connected");
    };
    let after = broadcaster.publish_one(event("after")).await.unwrap();
    let mut found = Vec::new();
    while found.len() < 2 {
        if let Some(Item::Events(events)) = item(&mut stream).await {
            found.extend(
                events
                    .iter()
                    .map(|found| (found.id(), found.event().data().to_owned())),
            );
        }
    }
    assert_eq!(
        found,
        [(before, "before".to_owned()), (after, "after".to_owned())]
    );

    let unknown = Start::After("1-1".to_owned());
    let mut stream = broadcaster.subscribe(selector(), unknown).unwrap();
    item(&mut stream).await;
    let Some(Item::Notice(Notice::Gap(gap))) = item(&mut stream).await else {
        panic!("no gap");
    };
    assert_eq!(
        (gap.requested.as_str(), gap.oldest),
        ("1-1", Some(before.into()))
    );

    let draining = broadcaster.clone();
    let drain = tokio::spawn(async move { draining.drain(support::PATIENCE).await });
    let mut last = None;
    while let Some(item) = item(&mut stream).await {
        last = Some(item);
    }
    let Some(Item::Notice(Notice::Reconnect { position, .. })) = last else {
        panic!("the last item is {last:?}");
    };
    assert_eq!(position, Some(after.into()));
    drain.abort();
}
