//! The same requests to the routes of actix-web and of axum get the same responses, over real sockets.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use actix_web::{App, HttpServer, web};
use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
use sse_broadcaster_actix::{Access, AppState, KeyRing, Publishers};
use tokio::sync::oneshot;

use crate::support::PATIENCE;

/// Headers that the frameworks' own connections add, or that differ with how a body is framed.
const CONNECTION_HEADERS: [&str; 4] = ["date", "connection", "content-length", "transfer-encoding"];
const ORIGIN: &str = "https://app.example.com";

/// One server until it is dropped.
struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(
        serve: impl FnOnce(mpsc::Sender<SocketAddr>, oneshot::Receiver<()>) + Send + 'static,
    ) -> Self {
        let (bound, address) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || serve(bound, stopped));
        Self {
            address: address.recv_timeout(PATIENCE).expect("it is bound"),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn actix(access: Access) -> Self {
        Self::start(move |bound, stopped| {
            actix_web::rt::System::new().block_on(async move {
                let routes = sse_broadcaster_actix::Routes::new(state(access));
                let app = move || {
                    let routes = routes.clone();
                    App::new()
                        .service(web::scope("/api").configure(|config| routes.configure(config)))
                };
                let server = HttpServer::new(app).workers(1).disable_signals();
                let server = server.bind(("127.0.0.1", 0)).unwrap();
                bound.send(server.addrs()[0]).unwrap();
                let server = server.shutdown_timeout(0).run();
                let handle = server.handle();
                tokio::spawn(async move {
                    let _ = stopped.await;
                    handle.stop(false).await;
                });
                server.await.unwrap();
            });
        })
    }

    fn axum(access: Access) -> Self {
        Self::start(move |bound, stopped| {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async move {
                let routes = sse_broadcaster_axum::Routes::new(state(access));
                let api = axum::Router::new().nest("/api", routes.router());
                let service = api.into_make_service_with_connect_info::<SocketAddr>();
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    served = std::future::IntoFuture::into_future(axum::serve(listener, service)) => served.unwrap(),
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn state(access: Access) -> AppState {
    let memory = Memory::new(Retention::default());
    let broadcaster = Broadcaster::start(memory, Options::default()).unwrap();
    AppState::new(&broadcaster).access(access)
}

/// What is compared of a response.
#[derive(Debug, PartialEq, Eq)]
struct Response {
    status: u16,
    reason: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// A connection to which one request was sent.
struct Sent(TcpStream);

impl Sent {
    fn new(address: SocketAddr, request: &str) -> Self {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        Self(socket)
    }

    /// The whole response, or as much of a stream as has come with its first event.
    fn response(&mut self) -> Response {
        let (mut bytes, mut part) = (Vec::new(), [0; 16 << 10]);
        loop {
            let read = self.0.read(&mut part).expect("the response comes");
            bytes.extend_from_slice(&part[..read]);
            let text = String::from_utf8_lossy(&bytes);
            if read == 0 || text.contains("event: connected") && text.ends_with("\n\n\r\n") {
                return parse(&text);
            }
        }
    }
}

fn parse(text: &str) -> Response {
    let (head, body) = text.split_once("\r\n\r\n").expect("the head is whole");
    let mut lines = head.lines();
    let mut status_line = lines.next().unwrap().splitn(3, ' ').skip(1);
    let status = status_line.next();
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), without_numbers(value.trim())))
        .collect();
    let is_chunked = headers.contains_key("transfer-encoding");
    let body = if is_chunked {
        dechunked(body)
    } else {
        body.to_owned()
    };
    Response {
        status: status.unwrap().parse().unwrap(),
        reason: status_line.next().unwrap().to_owned(),
        headers: headers
            .into_iter()
            .filter(|(name, _)| !CONNECTION_HEADERS.contains(&name.as_str()))
            .collect(),
        body: without_numbers(&without_times(&body)),
    }
}

/// As far as the chunks are whole.
fn dechunked(mut text: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        let Some(chunk) = rest.get(..size).filter(|_| size > 0) else {
            break;
        };
        body.push_str(chunk);
        text = rest[size..].trim_start_matches("\r\n");
    }
    body
}

/// Events without the time at which each server has published them.
fn without_times(json: &str) -> String {
    const TIME: &str = "\"time\":\"";
    let mut parts = json.split(TIME);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(TIME);
        out.push_str(part.trim_start_matches(|c| c != '"'));
    }
    out
}

/// Ids and waits are each server's own: digits in a row, from four on, are one `N`.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        out.push_str(if digits.len() > 3 { "N" } else { &digits });
        digits.clear();
        out.push(c);
    }
    out.pop();
    out
}

fn request(method: &str, path: &str, headers: &[&str], body: &str) -> String {
    let host = headers.iter().any(|line| line.starts_with("host:"));
    let host = if host { "" } else { "host: localhost\r\n" };
    let has_length = headers
        .iter()
        .any(|line| line.starts_with("content-length"));
    let length = match (method, body) {
        ("GET" | "HEAD" | "OPTIONS", "") => String::new(),
        _ if has_length => String::new(),
        (_, body) => format!("content-length: {}\r\n", body.len()),
    };
    let headers: String = headers.iter().flat_map(|line| [line, "\r\n"]).collect();
    format!(
        "{method} /api{path} HTTP/1.1\r\n{host}{headers}{length}connection: close\r\n\r\n{body}"
    )
}

/// Sends each request to both, in order, and compares the responses; what they are is for the caller.
fn compare(access: &Access, requests: &[(&str, &str, &[&str], &str)]) -> Vec<Response> {
    let servers = [Server::actix(access.clone()), Server::axum(access.clone())];
    let compared = requests.iter().map(|(method, path, headers, body)| {
        let text = request(method, path, headers, body);
        let [actix, axum] = [0, 1].map(|i| Sent::new(servers[i].address, &text).response());
        assert_eq!(actix, axum, "{text}");
        actix
    });
    compared.collect()
}

fn statuses(responses: &[Response]) -> Vec<u16> {
    responses.iter().map(|response| response.status).collect()
}

const JSON: &str = "content-type: application/json";
const FORM: &str = "content-type: application/x-www-form-urlencoded";
const LINES: &str = "content-type: application/x-ndjson";

#[test]
fn publishes_of_every_kind_of_body_get_the_same_responses_from_actix_and_axum() {
    let access = Access::default()
        .publishers(Publishers::Local)
        .get_publishes(true);
    let responses = compare(
        &access,
        &[
            ("POST", "/events?topic=news", &[], "text"),
            ("POST", "/events", &[FORM], "topic=a&topic=b&data=form"),
            (
                "POST",
                "/events",
                &[JSON],
                r#"{"topic":"a","data":{"b":1}}"#,
            ),
            ("POST", "/events", &[JSON], r#"[{"data":"a"},{"data":"b"}]"#),
            (
                "POST",
                "/events",
                &[LINES],
                "{\"data\":\"a\"}\n{\"data\":\"b\"}\n",
            ),
            ("GET", "/events/hello%20w%C3%B6rld?topic=news", &[], ""),
            ("HEAD", "/events/hello", &[], ""),
            (
                "POST",
                "/events",
                &[LINES],
                "{\"data\":\"a\"}\n{\"dat\":\"b\"}\n",
            ),
            ("POST", "/events", &[JSON], "{"),
            ("POST", "/events", &[JSON], r#"{"data":"a","topic":"*"}"#),
            ("POST", "/events?id=k", &[JSON], r#"[{"data":"a"}]"#),
            ("POST", "/events?topik=a", &[], "text"),
            ("POST", "/events", &["content-type: image/png"], "text"),
            ("POST", "/events", &["content-encoding: gzip"], "text"),
            ("POST", "/events", &["accept: text/event-stream"], ""),
            ("POST", "/events", &["content-length: 99999999"], ""),
            ("GET", "/events/%FF", &[], ""),
            ("POST", "/events", &["x-forwarded-for: 192.0.2.1"], "text"),
            ("POST", "/events", &["origin: https://evil.example"], "text"),
            (
                "GET",
                "/events/hello",
                &["host: evil.example", "sec-purpose: prefetch"],
                "",
            ),
            ("DELETE", "/events", &[], ""),
            ("PUT", "/events/hello", &[], ""),
            ("OPTIONS", "/events", &[], ""),
        ],
    );
    let expected = [
        200, 200, 200, 200, 200, 200, 200, 422, 400, 422, 422, 422, 415, 415, 406, 413, 400, 403,
        403, 403, 405, 405, 204,
    ];
    assert_eq!(statuses(&responses), expected);
}

#[test]
fn keys_and_origins_are_checked_alike_by_actix_and_axum() {
    let keys: KeyRing = ["s3cret"].into_iter().collect();
    let access = Access::default()
        .publishers(Publishers::Keys(keys))
        .publish_origins([ORIGIN])
        .read_origins(["https://reader.example.com"])
        .hosts(["events.example.com"]);
    let key = "authorization: Bearer s3cret";
    let page = "origin: https://app.example.com";
    let reader = "origin: https://reader.example.com";
    let preflight = "access-control-request-method: POST";
    let responses = compare(
        &access,
        &[
            ("POST", "/events", &[], "text"),
            ("POST", "/events", &["authorization: Bearer wrong"], "text"),
            ("POST", "/events", &[key], "text"),
            ("POST", "/events", &[key, page], "text"),
            ("GET", "/events/hello", &[key], ""),
            ("OPTIONS", "/events", &[page, preflight], ""),
            ("OPTIONS", "/events", &[reader, preflight], ""),
            (
                "OPTIONS",
                "/signals/a",
                &[
                    page,
                    "access-control-request-method: PUT",
                    "access-control-request-headers: x-a, x-b",
                ],
                "",
            ),
            ("GET", "/topics", &[reader], ""),
            ("GET", "/topics", &["host: events.example.com"], ""),
            ("GET", "/topics", &["host: evil.example"], ""),
            ("GET", "/signals/a", &[reader], ""),
        ],
    );
    let expected = [401, 401, 200, 200, 403, 204, 204, 204, 200, 200, 403, 404];
    assert_eq!(statuses(&responses), expected);
    let challenge = &responses[0].headers["www-authenticate"];
    assert_eq!(challenge, "Bearer");
    let allowed = &responses[3].headers["access-control-allow-origin"];
    assert_eq!(allowed, ORIGIN);
}

#[test]
fn signals_and_lists_get_the_same_responses_from_actix_and_axum() {
    let access = Access::default().publishers(Publishers::Anyone);
    let merge = "content-type: application/merge-patch+json";
    let patch = "content-type: application/json-patch+json";
    let responses = compare(
        &access,
        &[
            ("GET", "/signals/counter", &[], ""),
            (
                "PUT",
                "/signals/counter",
                &[JSON, "if-none-match: *"],
                r#"{"n":1}"#,
            ),
            (
                "PUT",
                "/signals/counter",
                &[JSON, "if-none-match: *"],
                r#"{"n":2}"#,
            ),
            ("PATCH", "/signals/counter", &[merge], r#"{"n":3}"#),
            (
                "PATCH",
                "/signals/counter",
                &[patch],
                r#"[{"op":"remove","path":"/x"}]"#,
            ),
            ("PATCH", "/signals/counter", &[JSON], "{}"),
            ("PUT", "/signals/counter", &[], "text"),
            ("GET", "/signals/counter", &[], ""),
            ("HEAD", "/signals/counter", &[], ""),
            ("GET", "/signals/counter", &["if-match: 1"], ""),
            ("GET", "/signals/counter", &["if-none-match: *"], ""),
            ("GET", "/signals", &[], ""),
            ("GET", "/signals?limit=0", &[], ""),
            ("POST", "/signals/counter", &[], ""),
            ("DELETE", "/signals", &[], ""),
            ("DELETE", "/signals/counter", &[], ""),
            ("PUT", "/signals/a%2Ab", &[JSON], "1"),
            ("POST", "/events?topic=news", &[], "text"),
            ("GET", "/topics?prefix=n", &[], ""),
            ("GET", "/topics/news", &[], ""),
            ("POST", "/topics", &[], ""),
            ("OPTIONS", "/topics", &[], ""),
        ],
    );
    let expected = [
        404, 201, 412, 200, 409, 415, 415, 200, 200, 400, 304, 200, 400, 405, 405, 204, 422, 200,
        200, 404, 405, 204,
    ];
    assert_eq!(statuses(&responses), expected);
}

#[test]
fn streams_and_pages_get_the_same_responses_from_actix_and_axum() {
    let access = Access::default().publishers(Publishers::Local);
    let responses = compare(
        &access,
        &[
            ("POST", "/events", &[], "first"),
            ("GET", "/events", &[], ""),
            (
                "GET",
                "/events/?topic=news&since=earliest",
                &["accept: text/event-stream"],
                "",
            ),
            ("HEAD", "/events", &[], ""),
            ("GET", "/events?since=yesterday", &[], ""),
            ("GET", "/events?topics=a", &[], ""),
            ("GET", "/events", &["accept: application/json"], ""),
            (
                "GET",
                "/events?limit=1",
                &["accept: application/x-ndjson"],
                "",
            ),
            ("HEAD", "/events", &["accept: application/json"], ""),
            ("GET", "/events?limit=0", &["accept: application/json"], ""),
            ("PUT", "/signals/counter", &[JSON], "1"),
            ("GET", "/signals?name=counter", &[], ""),
            ("GET", "/signals", &["accept: text/event-stream"], ""),
        ],
    );
    let expected = [
        200, 200, 200, 200, 400, 400, 200, 200, 200, 400, 201, 200, 400,
    ];
    assert_eq!(statuses(&responses), expected);
    for stream in [1, 2, 11] {
        let headers = &responses[stream].headers;
        assert_eq!(headers["content-type"], "text/event-stream");
        assert_eq!(headers["content-encoding"], "identity");
        assert_eq!(headers["x-content-type-options"], "nosniff");
    }
    assert!(responses[6].body.contains(r#""data":"first""#));
    let reasons = [4, 5, 12].map(|refused| &responses[refused].reason[..]);
    assert!(reasons[0].starts_with("since takes 10m"), "{reasons:?}");
    assert!(
        reasons[1].starts_with("a parameter is misspelt"),
        "{reasons:?}"
    );
    assert_eq!(reasons[2], "name a signal, as in ?name=counter");
}

#[test]
fn one_stream_more_than_an_address_may_have_is_rejected_alike_by_actix_and_axum() {
    let access = Access::default().max_per_address(Some(1));
    let servers = [Server::actix(access.clone()), Server::axum(access)];
    let stream = |accept: &str| request("GET", "/events", &[accept], "");
    let [actix, axum] = servers.each_ref().map(|server| {
        let mut first = Sent::new(server.address, &stream("accept: */*"));
        assert_eq!(first.response().status, 200);
        let refused = Sent::new(server.address, &stream("accept: */*")).response();
        assert_eq!(
            (refused.status, refused.headers["retry-after"].as_str()),
            (503, "1")
        );
        refused
    });
    assert_eq!(actix, axum);
}
