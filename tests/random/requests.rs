//! Random requests from a seed: of every kind that the server knows, of many that it does not, and damaged ones.

use std::fmt::Write as _;

use fastrand::Rng;

/// A key of operators, which some requests have.
pub const ADMIN_KEY: &str = "0123456789abcdef0123456789abcdef";

const METHODS: [&str; 19] = [
    "GET", "GET", "GET", "GET", "GET", "GET", "POST", "POST", "POST", "POST", "POST", "POST",
    "HEAD", "OPTIONS", "PUT", "DELETE", "BREW", "CONNECT", "PATCH",
];
const PATHS: [&str; 44] = [
    "/events",
    "/events",
    "/events",
    "/events/",
    "/events/hello",
    "/events/a%2Fb%0Ac",
    "/events/%FF",
    "/events/../..",
    "/events//",
    "/%65vents/x",
    "/eventsx",
    "/",
    "/page.js",
    "/metrics",
    "/health/live",
    "/health/ready",
    "/none",
    "*",
    "http://localhost/events/x",
    "//",
    "/%",
    "/events/{}\"|",
    "/signals",
    "/signals",
    "/signals/counter",
    "/signals/%24presence/a",
    "/topics",
    "/presence",
    "/ws",
    "/client.js",
    "/.well-known/mercure",
    "/.well-known/mercure",
    "/.well-known/mercure/subscriptions",
    "/.well-known/mercure/subscriptions/exact/a",
    "/.well-known/mercure/subscriptions/%FF/b",
    "/admin/status",
    "/admin/topics",
    "/admin/connections",
    "/admin/connections/9-9-9",
    "/admin/connections/%FF",
    "/admin/explain",
    "/admin/explain",
    "/admin/revoke",
    "/admin/revocations",
];
const FIELDS: [&str; 30] = [
    "topic",
    "topic",
    "topics",
    "event",
    "id",
    "retry",
    "data",
    "last",
    "since",
    "format",
    "until",
    "last_event_id",
    "datastar",
    "",
    "%FF",
    "match",
    "match_urlpattern",
    "lastEventID",
    "name",
    "limit",
    "after",
    "prefix",
    "sort",
    "offset",
    "samples",
    "connection",
    "user",
    "address",
    "list",
    "private",
];
const VALUES: [&str; 31] = [
    "a",
    "b",
    "*",
    "$x",
    "{a}",
    "",
    "0",
    "5",
    "-1",
    "99999999999999999999",
    "earliest",
    "10m",
    "json",
    "head",
    "gap",
    "1-1",
    "0-0",
    "%00",
    "%0D%0A",
    "%FF%FE",
    "%",
    "grüße",
    "a+b%20c",
    "1732176000000-42",
    "1000",
    "rate",
    "9-9-9",
    "true",
    "192.0.2.7",
    "https://*/:x",
    "18446744073709551615",
];
const HEADERS: [&str; 22] = [
    "Accept: text/event-stream",
    "Accept: */*",
    "Last-Event-ID: 1-1",
    "Last-Event-ID: garbage",
    "Last-Event-ID: \u{fc}\u{80}",
    "Origin: http://localhost",
    "Origin: https://evil.example",
    "Origin: null",
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Site: none",
    "Sec-Purpose: prefetch",
    "Via: 1.1 x",
    "Authorization: Bearer x",
    "Authorization: Bearer",
    "User-Agent: Mozilla/5.0",
    "Cookie: a=b; c",
    "Access-Control-Request-Method: POST",
    "Precondition: 100-continue",
    "Content-Encoding: gzip",
    "X-Forwarded-For: 192.0.2.1",
    "Range: bytes=0-1",
    "If-None-Match: *",
];
const TYPES: [&str; 11] = [
    "application/json",
    "application/json",
    "application/x-ndjson",
    "application/x-www-form-urlencoded",
    "text/plain",
    "text/plain; charset=utf-16",
    "multipart/form-data; boundary=x",
    "image/png",
    "/",
    ";",
    "application/problem+json",
];
const BODIES: [&str; 26] = [
    "",
    "hello",
    "data=x",
    "topic=a&data=x&id=own",
    "{\"data\":\"x\"}",
    "{\"data\":null,\"topics\":[\"a\",\"b\"]}",
    "[{\"data\":1},{\"data\":2}]",
    "[]",
    "{",
    "nonsense",
    "{\"data\":\"x\",\"id\":\"own\"}",
    "{\"data\":\"\\ud800\"}",
    "{\"data\":\"x\",\"retry\":1e400}",
    "{\"data\":\"a\\r\\nb\",\"event\":\"e\"}",
    "{\"data\":\"x\",\"event\":\"\\n\"}",
    "{\"data\":1}\n{\"data\":2}\n",
    "{\"data\":1}\nnonsense\n",
    "[[[[[[[[",
    "null",
    "\u{0}",
    "a\rb\nid: 1\n\n",
    "{\"data\":{\"data\":{\"data\":{}}}}",
    "topic=a&data=x&private=on",
    "{\"counter\":1}",
    "[{\"op\":\"add\",\"path\":\"/x\",\"value\":1}]",
    "{\"issued_at\":7}",
];

/// The bytes of a request, and whether a response is owed as soon as they are read.
pub struct Request {
    pub bytes: Vec<u8>,
    pub complete: bool,
}

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}

fn target(rng: &mut Rng) -> String {
    let mut target = pick(rng, &PATHS).to_owned();
    for index in 0..rng.usize(..4) {
        let between = if index == 0 { '?' } else { '&' };
        write!(
            target,
            "{between}{}={}",
            pick(rng, &FIELDS),
            pick(rng, &VALUES)
        )
        .unwrap();
    }
    target
}

/// One request, or several that come at once on one connection.
pub fn requests(rng: &mut Rng) -> Request {
    let mut requests = request(rng);
    while rng.usize(..5) == 0 {
        requests.bytes.extend(request(rng).bytes);
    }
    requests
}

fn request(rng: &mut Rng) -> Request {
    let version = if rng.usize(..10) == 0 { "1.0" } else { "1.1" };
    let mut text = format!(
        "{} {} HTTP/{version}\r\nHost: localhost\r\n",
        pick(rng, &METHODS),
        target(rng)
    );
    for _ in 0..rng.usize(..4) {
        write!(text, "{}\r\n", pick(rng, &HEADERS)).unwrap();
    }
    if rng.usize(..4) == 0 {
        write!(text, "Authorization: Bearer {ADMIN_KEY}\r\n").unwrap();
    }
    if rng.bool() {
        write!(text, "Content-Type: {}\r\n", pick(rng, &TYPES)).unwrap();
    }
    let mut body: Vec<u8> = pick(rng, &BODIES).into();
    if rng.usize(..8) == 0 {
        body = (0..rng.usize(..3_000)).map(|_| rng.u8(..)).collect();
    }
    if rng.usize(..4) == 0 {
        text += "Transfer-Encoding: chunked\r\n\r\n";
        body = chunked(rng, &body);
    } else {
        write!(text, "Content-Length: {}\r\n\r\n", body.len()).unwrap();
    }
    let request = Request {
        bytes: [text.as_bytes(), &body].concat(),
        complete: true,
    };
    if rng.usize(..5) == 0 {
        broken(rng, request)
    } else {
        request
    }
}

fn chunked(rng: &mut Rng, body: &[u8]) -> Vec<u8> {
    let mut chunks = Vec::new();
    for chunk in body.chunks(rng.usize(1..100)) {
        chunks.extend(format!("{:x}\r\n", chunk.len()).bytes());
        chunks.extend(chunk);
        chunks.extend(b"\r\n");
    }
    chunks.extend(b"0\r\n\r\n");
    chunks
}

/// The request, damaged somewhere.
fn broken(rng: &mut Rng, mut request: Request) -> Request {
    let length = request.bytes.len();
    match rng.usize(..5) {
        0 => request.bytes.truncate(rng.usize(..length)),
        1 => {
            for _ in 0..rng.usize(1..5) {
                request.bytes[rng.usize(..length)] = rng.u8(..);
            }
        }
        2 => {
            let at = rng.usize(..length);
            let noise = (0..rng.usize(1..20))
                .map(|_| rng.u8(..))
                .collect::<Vec<_>>();
            request.bytes.splice(at..at, noise);
        }
        3 => {
            let (from, to) = (rng.usize(..length), rng.usize(..length));
            request.bytes.drain(from.min(to)..from.max(to));
        }
        _ => request.bytes = (0..rng.usize(1..500)).map(|_| rng.u8(..)).collect(),
    }
    request.complete = false;
    request
}
