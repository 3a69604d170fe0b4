//! Requests that are rejected, each with its status and code, and of which nothing is published.

use crate::support::{Response, Server, Stream};

pub const JSON: &str = "application/json";
pub const FORM: &str = "application/x-www-form-urlencoded";
pub const TEXT: &str = "text/plain";

/// A request, and what it is refused with.
pub struct Refused {
    head: String,
    body: Vec<u8>,
    status: u16,
    code: &'static str,
    /// Must be in the problem's detail.
    says: &'static str,
}

impl Refused {
    pub fn post(
        kind: &str,
        query: &str,
        body: impl Into<Vec<u8>>,
        status: u16,
        code: &'static str,
    ) -> Self {
        Self {
            head: format!("POST /events{query} HTTP/1.1\nContent-Type: {kind}"),
            body: body.into(),
            status,
            code,
            says: "",
        }
    }

    pub fn json(body: impl Into<Vec<u8>>, status: u16, code: &'static str) -> Self {
        Self::post(JSON, "", body, status, code)
    }

    pub fn form(body: impl Into<Vec<u8>>, status: u16, code: &'static str) -> Self {
        Self::post(FORM, "", body, status, code)
    }

    /// Text with this query, and the same query on the GET route.
    pub fn query(query: &str, status: u16, code: &'static str) -> [Self; 2] {
        [
            Self::post(TEXT, query, "x", status, code),
            Self::get(&format!("/events/x{query}"), status, code),
        ]
    }

    /// A field with a value that is not valid, as JSON, as a form, and in both queries; the value is the same in
    /// each encoding.
    pub fn field(name: &str, value: &str, code: &'static str) -> Vec<Self> {
        let json = format!(r#"{{"data":"x","{name}":"{value}"}}"#);
        let mut cases = vec![
            Self::json(json, 422, code),
            Self::form(format!("data=x&{name}={value}"), 422, code),
        ];
        cases.extend(Self::query(&format!("?{name}={value}"), 422, code));
        cases
    }

    pub fn get(path: &str, status: u16, code: &'static str) -> Self {
        Self {
            head: format!("GET {path} HTTP/1.1"),
            body: Vec::new(),
            status,
            code,
            says: "",
        }
    }

    pub fn saying(self, says: &'static str) -> Self {
        Self { says, ..self }
    }

    fn check(&self, response: &Response) {
        let request = format!("{}\n{}", self.head, String::from_utf8_lossy(&self.body));
        let request: String = request.chars().take(400).collect();
        assert_eq!(response.status, self.status, "{request}: {response:?}");
        assert_eq!(response.code(), self.code, "{request}: {response:?}");
        assert_is_problem(response, &request);
        let detail = response.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(self.says), "{request}: {detail}");
    }
}

pub fn assert_is_problem(response: &Response, request: &str) {
    let kind = response.header("content-type");
    assert_eq!(
        kind,
        Some("application/problem+json"),
        "{request}: {response:?}"
    );
    assert_eq!(
        response.header("cache-control"),
        Some("no-store"),
        "{request}: {response:?}"
    );
    assert_eq!(
        response.json()["status"],
        response.status,
        "{request}: {response:?}"
    );
}

/// Sees everything that is published from here on.
pub struct Witness(Stream);

impl Witness {
    pub fn of(server: &Server) -> Self {
        let mut stream = server.subscribe("/events?topic=*");
        stream.until("connected");
        Self(stream)
    }

    /// That nothing was published up to now.
    pub fn saw_nothing(&mut self, server: &Server) {
        server.publish("sentinel", "sentinel");
        assert_eq!(self.0.event().expect("the sentinel").data, "sentinel");
    }
}

/// Each is refused as it says, and nothing of any is published.
pub fn check_all(server: &Server, cases: impl IntoIterator<Item = Refused>) {
    let mut witness = Witness::of(server);
    for case in cases {
        case.check(&server.request(&case.head, &case.body));
    }
    witness.saw_nothing(server);
}

#[test]
fn a_subscription_that_is_sent_as_a_post_publishes_nothing() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    let json = "Content-Type: application/json";
    for (lines, body) in [
        ("Accept: text/event-stream", ""),
        ("Accept: text/event-stream, */*", ""),
        ("Accept: Text/Event-Stream;q=0.9,application/json", ""),
        ("Accept: text/event-stream", "hello"),
        (
            &format!("Accept: text/event-stream\n{json}"),
            "{\"data\":1}",
        ),
    ] {
        let response = server.request(&format!("POST /events HTTP/1.1\n{lines}"), body.as_bytes());
        assert_eq!(
            (response.status, response.code()),
            (406, "not_acceptable".into()),
            "{lines}"
        );
    }
    for lines in ["", "Accept: */*", "Accept: text/event-stream;q=0, */*"] {
        let response = server.request(&format!("POST /events HTTP/1.1\n{lines}"), b"");
        assert_eq!(response.status, 200, "{lines}: {response:?}");
        assert_eq!(stream.event().unwrap().data, "");
    }
    let both = "POST /events HTTP/1.1\nAccept: text/event-stream, application/json";
    assert_eq!(server.request(both, b"hello").status, 200);
    assert_eq!(stream.event().unwrap().data, "hello");
}

#[test]
fn events_named_as_those_that_an_event_source_fires_itself_are_rejected() {
    let server = Server::start(&[]);
    for name in ["error", "open"] {
        let json = format!("{{\"data\":1,\"event\":\"{name}\"}}");
        for response in [
            server.post("/events", "application/json", &json),
            server.post("/events", "application/x-ndjson", &json),
            server.post(&format!("/events?event={name}"), "text/plain", "x"),
            server.get(&format!("/events/x?event={name}")),
        ] {
            assert_eq!(
                (response.status, response.code()),
                (422, "reserved_event".into())
            );
        }
    }
    for name in ["Error", "errors", "message"] {
        assert_eq!(
            server.get(&format!("/events/x?event={name}")).status,
            200,
            "{name}"
        );
    }
}
