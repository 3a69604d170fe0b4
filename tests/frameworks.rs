//! The same requests to the routes of actix-web and of axum get the same responses, over real sockets.

mod compressed;
mod grants;
mod hub;
mod presence;
mod proxies;
mod response;
pub(crate) mod server;

use sse_broadcaster_actix::{Access, AppState, KeyRing, Publishers};

use self::{
    response::{Response, Sent},
    server::Server,
};

const ORIGIN: &str = "https://app.example.com";

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

/// Sends each request to both servers, in order, checks that the responses are equal, and returns them.
fn compare(access: &Access, requests: &[Request<'_>]) -> Vec<Response> {
    let access = access.clone();
    compare_with(move |state| state.access(access), requests)
}

/// A method, a path, headers and a body.
type Request<'a> = (&'a str, &'a str, &'a [&'a str], &'a str);

/// The same for servers that are set up by `configure`.
fn compare_with(
    configure: impl FnOnce(AppState) -> AppState + Clone + Send + 'static,
    requests: &[Request<'_>],
) -> Vec<Response> {
    let servers = [Server::actix(configure.clone()), Server::axum(configure)];
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
            ("DELETE", "/topics/news", &[], ""),
            ("POST", "/topics", &[], ""),
            ("OPTIONS", "/topics", &[], ""),
        ],
    );
    let expected = [
        404, 201, 412, 200, 409, 415, 415, 200, 200, 400, 304, 200, 400, 405, 405, 204, 422, 200,
        200, 405, 200, 405, 204,
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
    let configure = move |state: AppState| state.access(access);
    let servers = [Server::actix(configure.clone()), Server::axum(configure)];
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
