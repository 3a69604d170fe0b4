//! The publish policy, checked in order for every publish. `crates/http/src/access/publish_policy_tests.rs` has more
//! cases; these show that every route checks it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    access::sockets,
    support::{Response, Server},
};

const CHROME: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0";
const KEY: &str = "Authorization: Bearer s3cret-of-sixteen";

/// A publish with a `Host` and further lines of its head, and the code of its refusal.
pub struct Case {
    pub what: &'static str,
    pub host: &'static str,
    pub lines: &'static [&'static str],
    refused: Option<&'static str>,
}

fn case(
    what: &'static str,
    host: &'static str,
    lines: &'static [&'static str],
    refused: Option<&'static str>,
) -> Case {
    Case {
        what,
        host,
        lines,
        refused,
    }
}

/// A route that writes, and the stream on which it shows.
struct Way {
    write: fn(&Server, &Case) -> Response,
    stream: &'static str,
}

const POST: Way = Way {
    write: post,
    stream: "/events",
};
const GET: Way = Way {
    write: get,
    stream: "/events",
};
const PUT: Way = Way {
    write: put,
    stream: "/signals?name=s",
};
const SOCKET: Way = Way {
    write: sockets::publish,
    stream: "/events",
};

fn post(server: &Server, case: &Case) -> Response {
    let lines = case.lines.join("\n");
    let head = format!("POST /events HTTP/1.1\nContent-Type: text/plain\n{lines}");
    server.raw(&head, case.host, b"posted")
}

fn get(server: &Server, case: &Case) -> Response {
    let lines = case.lines.join("\n");
    server.raw(
        &format!("GET /events/got HTTP/1.1\n{lines}"),
        case.host,
        b"",
    )
}

fn put(server: &Server, case: &Case) -> Response {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let document = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
    signal(server, case, "PUT", "application/json", &document)
}

fn signal(server: &Server, case: &Case, method: &str, kind: &str, body: &str) -> Response {
    let lines = case.lines.join("\n");
    let head = format!("{method} /signals/s HTTP/1.1\nContent-Type: {kind}\n{lines}");
    server.raw(&head, case.host, body.as_bytes())
}

/// Each is admitted or refused as it says, and only what was admitted arrives.
fn check(server: &Server, way: &Way, cases: &[Case]) {
    let mut stream = server.subscribe(way.stream);
    stream.until("connected");
    let mut arrived = || stream.event().expect("what was written").id;
    for case in cases {
        let response = (way.write)(server, case);
        match case.refused {
            None => {
                let admitted = matches!(response.status, 200 | 201);
                assert!(admitted, "{}: {response:?}", case.what);
                let id = response.header("event-id").map(str::to_owned);
                assert_eq!(id, Some(arrived()), "{}", case.what);
            }
            Some(code) => {
                check_refused(&response, case.what, code);
                if way.stream == PUT.stream {
                    let patched =
                        signal(server, case, "PATCH", "application/merge-patch+json", "1");
                    check_refused(&patched, case.what, code);
                    let deleted = signal(server, case, "DELETE", "text/plain", "");
                    check_refused(&deleted, case.what, code);
                }
            }
        }
    }
    let sentinel = case("a sentinel", "localhost", &[KEY], None);
    let response = (way.write)(server, &sentinel);
    if response.status < 300 {
        assert_eq!(response.header("event-id"), Some(arrived().as_str()));
    }
}

fn check_refused(response: &Response, what: &str, code: &str) {
    let status = if matches!(code, "wrong_key" | "key_missing") {
        401
    } else {
        403
    };
    assert_eq!(response.status, status, "{what}: {response:?}");
    assert_eq!(response.code(), code, "{what}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

#[test]
fn without_settings_local_programs_and_the_servers_own_page_may_publish_and_nobody_else() {
    #[rustfmt::skip]
    let cases = [
        case("curl on localhost", "localhost:8000", &["User-Agent: curl/8"], None),
        case("curl by address", "127.0.0.1", &[], None),
        case("curl by the other address", "[::1]:8000", &[], None),
        case("the own page", "localhost:8000", &[CHROME, "Origin: http://localhost:8000", "Sec-Fetch-Site: same-origin"], None),
        case("the own page, old browser", "127.0.0.1:8000", &["Origin: http://127.0.0.1:8000"], None),
        case("another port of localhost", "localhost:8000", &[CHROME, "Origin: http://localhost:3000", "Sec-Fetch-Site: same-site"], Some("foreign_page")),
        case("another site", "localhost:8000", &[CHROME, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"], Some("foreign_page")),
        case("another site, old browser", "localhost", &["Origin: https://evil.example"], Some("foreign_page")),
        case("a sandboxed page", "localhost", &["Origin: null"], Some("foreign_page")),
        case("a rebound name", "evil.example:8000", &["Origin: http://evil.example:8000", "Sec-Fetch-Site: same-origin"], Some("foreign_host")),
        case("a name that is not local", "host.docker.internal:8000", &[], Some("not_local")),
        case("an address that is not local", "10.0.0.7:8000", &[], Some("not_local")),
        case("a proxy", "localhost", &["X-Forwarded-For: 192.0.2.1"], Some("not_local")),
        case("a proxy by its host", "localhost", &["X-Forwarded-Host: a.example"], Some("not_local")),
        case("a proxy by the standard", "localhost", &["Forwarded: for=192.0.2.1"], Some("not_local")),
        case("nginx's other header", "localhost", &["X-Real-IP: 192.0.2.1"], Some("not_local")),
        case("a proxy that says so", "localhost", &["Via: 1.1 caddy"], Some("not_local")),
        case("Cloudflare", "localhost", &["CF-Connecting-IP: 192.0.2.1"], Some("not_local")),
        case("a prefetch", "localhost", &["Sec-Purpose: prefetch"], Some("prefetch")),
    ];
    let server = Server::start(&[]);
    for way in [&POST, &GET, &PUT] {
        check(&server, way, &cases);
    }
    check(&sockets::start(&[]), &SOCKET, &cases);
}

#[test]
fn a_get_that_a_foreign_page_makes_the_browser_send_publishes_nothing() {
    #[rustfmt::skip]
    let cases = [
        case("the address bar", "localhost", &[CHROME, "Sec-Fetch-Site: none"], None),
        case("an img of another site", "localhost", &[CHROME, "Sec-Fetch-Site: cross-site"], Some("foreign_page")),
        case("an img without a sign", "localhost", &[CHROME], Some("foreign_page")),
        case("a prefetch from the address bar", "localhost", &[CHROME, "Sec-Fetch-Site: none", "Sec-Purpose: prefetch;prerender"], Some("prefetch")),
        case("an old prefetch", "localhost", &[CHROME, "Sec-Fetch-Site: none", "Purpose: prefetch"], Some("prefetch")),
        case("Firefox's old prefetch", "localhost", &[CHROME, "Sec-Fetch-Site: none", "X-moz: prefetch"], Some("prefetch")),
    ];
    check(&Server::start(&[]), &GET, &cases);
    #[rustfmt::skip]
    let cases = [
        case("an img without a sign", "10.0.0.7:8000", &[CHROME], Some("foreign_page")),
        case("curl", "10.0.0.7:8000", &["User-Agent: curl/8"], None),
    ];
    check(&Server::start(&["--allow-anonymous-publish"]), &GET, &cases);
}

#[test]
fn http_1_0_and_a_request_without_a_host_are_not_local() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    for request in [
        "GET /events/x HTTP/1.0\r\nHost: localhost\r\n\r\n",
        "POST /events HTTP/1.0\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx",
        "POST /events HTTP/1.0\r\nContent-Length: 1\r\n\r\nx",
        "GET /events/x HTTP/1.0\r\n\r\n",
    ] {
        let response = server.send(request.as_bytes());
        assert_eq!(
            (response.status, response.code().as_str()),
            (403, "not_local"),
            "{request}"
        );
    }
    // The parser itself insists on it there.
    assert_eq!(server.send(b"GET /events/x HTTP/1.1\r\n\r\n").status, 400);
    server.publish("default", "sentinel");
    assert_eq!(stream.event().unwrap().data, "sentinel");
}

#[test]
fn anonymous_publishing_is_open_to_all_except_pages_of_other_sites() {
    #[rustfmt::skip]
    let cases = [
        case("a service name", "broadcaster:8000", &["User-Agent: python-httpx/0.28"], None),
        case("a proxy", "events.example.com", &["X-Forwarded-For: 192.0.2.1"], None),
        case("the own page by address", "10.0.0.7:8000", &["Origin: http://10.0.0.7:8000", CHROME], None),
        case("another site", "10.0.0.7:8000", &["Origin: https://evil.example"], Some("foreign_page")),
        case("a rebound name", "evil.example", &["Origin: http://evil.example", "Sec-Fetch-Site: same-origin"], Some("foreign_host")),
        case("a prefetch", "localhost", &["Sec-Purpose: prefetch"], Some("prefetch")),
    ];
    let server = Server::start(&["--allow-anonymous-publish"]);
    for way in [&POST, &GET, &PUT] {
        check(&server, way, &cases);
    }
    let open = sockets::start(&["--allow-anonymous-publish"]);
    check(&open, &SOCKET, &cases);
    let response = server.send(b"GET /events/x HTTP/1.0\r\n\r\n");
    assert_eq!(response.status, 200, "{response:?}");
}

#[test]
fn a_server_with_anonymous_publishing_may_listen_on_every_address() {
    let server = Server::start(&["--listen", "0.0.0.0:0", "--allow-anonymous-publish"]);
    assert_eq!(server.get("/events/hello").status, 200);
}

#[test]
fn pages_of_a_listed_origin_may_publish() {
    #[rustfmt::skip]
    let cases = [
        case("the page", "localhost:8000", &["Origin: https://app.example.com", "Sec-Fetch-Site: cross-site"], None),
        case("in capitals", "localhost:8000", &["Origin: https://APP.example.com"], None),
        case("over plain HTTP", "localhost", &["Origin: http://app.example.com"], Some("foreign_page")),
        case("a longer name", "localhost", &["Origin: https://app.example.com.evil.example"], Some("foreign_page")),
        case("another port", "localhost", &["Origin: https://app.example.com:8443"], Some("foreign_page")),
        case("through a proxy", "localhost", &["Origin: https://app.example.com", "Via: 1.1 x"], Some("not_local")),
    ];
    let settings = ["--publish-origin", "https://app.example.com/"];
    let server = Server::start(&settings);
    check(&server, &POST, &cases);
    check(&server, &PUT, &cases);
    check(&sockets::start(&settings), &SOCKET, &cases);

    #[rustfmt::skip]
    let cases = [
        case("the page", "events.example.com", &["Origin: https://app.example.com"], None),
        case("its own name", "app.example.com", &["Origin: http://app.example.com", CHROME], None),
        case("another name", "evil.example", &["Origin: http://evil.example"], Some("foreign_host")),
    ];
    let listed = [
        "--allow-anonymous-publish",
        "--publish-origin",
        "https://app.example.com",
    ];
    check(&Server::start(&listed), &POST, &cases);
    check(&sockets::start(&listed), &SOCKET, &cases);
}

#[test]
fn with_a_publish_key_the_key_alone_decides() {
    #[rustfmt::skip]
    let cases = [
        case("the key", "localhost", &[KEY], None),
        case("the other key", "localhost", &["authorization: bearer  the-older-of-both "], None),
        case("through a proxy", "events.example.com", &[KEY, "X-Forwarded-For: 192.0.2.1", "Via: 1.1 x"], None),
        case("from another site", "a.example", &[KEY, CHROME, "Origin: https://b.example", "Sec-Fetch-Site: cross-site"], None),
        case("none, on localhost", "localhost", &[], Some("key_missing")),
        case("a wrong one", "localhost", &["Authorization: Bearer s3cre"], Some("wrong_key")),
        case("a longer one", "localhost", &["Authorization: Bearer s3cret-of-sixteen0"], Some("wrong_key")),
        case("an empty one", "localhost", &["Authorization: Bearer"], Some("key_missing")),
        case("another scheme", "localhost", &["Authorization: Basic s3cret-of-sixteen"], Some("key_missing")),
        case("no scheme", "localhost", &["Authorization: s3cret-of-sixteen"], Some("key_missing")),
        case("both in one", "localhost", &["Authorization: Bearer s3cret-of-sixteen,the-older-of-both"], Some("wrong_key")),
        case("in capitals", "localhost", &["Authorization: Bearer S3CRET-OF-SIXTEEN"], Some("wrong_key")),
        case("a listed page without it", "localhost", &["Origin: https://app.example.com"], Some("key_missing")),
    ];
    let settings = [
        "--publish-key",
        "s3cret-of-sixteen",
        "--publish-key",
        "the-older-of-both",
        "--publish-origin",
        "https://app.example.com",
        "--allow-anonymous-publish",
    ];
    let server = Server::start(&settings);
    for way in [&POST, &GET, &PUT] {
        check(&server, way, &cases);
    }
    check(&sockets::start(&settings), &SOCKET, &cases);
    let refused = server.get("/events/x");
    assert_eq!(
        (refused.status, refused.header("www-authenticate")),
        (401, Some("Bearer"))
    );
}

#[test]
fn nobody_may_publish_where_publishing_is_off() {
    #[rustfmt::skip]
    let cases = [
        case("a local program", "localhost", &[], Some("publishing_disabled")),
        case("with a key", "localhost", &[KEY], Some("publishing_disabled")),
    ];
    for more in [
        &["--no-publish"][..],
        &["--no-publish", "--publish-key", "s3cret-of-sixteen"],
    ] {
        let server = Server::start(more);
        for way in [&POST, &GET, &PUT] {
            check(&server, way, &cases);
        }
        check(&sockets::start(more), &SOCKET, &cases);
        server.subscribe("/events").until("connected");
    }
}

#[test]
fn publishing_by_get_can_be_switched_off_alone() {
    let server = Server::start(&["--no-get-publish"]);
    check(
        &server,
        &GET,
        &[case("curl", "localhost", &[], Some("get_publish_disabled"))],
    );
    check(&server, &POST, &[case("curl", "localhost", &[], None)]);
}

#[test]
fn a_rejected_publish_names_the_setting_that_would_allow_it() {
    let server = Server::start(&[]);
    #[rustfmt::skip]
    let cases = [
        (case("", "localhost", &["Origin: https://evil.example"], None), "--publish-origin"),
        (case("", "a.example", &["Origin: http://a.example"], None), "--publish-origin"),
        (case("", "host.docker.internal", &[], None), "--allow-anonymous-publish"),
        (case("", "localhost", &["Via: 1.1 x"], None), "--publish-key"),
    ];
    for (case, flag) in cases {
        let response = post(&server, &case);
        assert!(
            response.json()["detail"].as_str().unwrap().contains(flag),
            "{response:?}"
        );
    }
}
