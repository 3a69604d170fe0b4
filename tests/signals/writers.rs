//! Several writers of one document: competing ones, and pages of other origins.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    signals::requests::{JSON, MERGE, ask, put, refused, tag},
    support::Server,
};

#[test]
fn competing_writers_get_412_for_an_outdated_version() {
    let server = Server::start(&[]);
    let first = put(&server, "a", &json!(1));
    let old = format!("If-Match: {first}");
    let second = ask(&server, "PUT", "a", &[JSON, &old], "2");
    assert_eq!(second.status, 200);
    for method in ["PUT", "DELETE"] {
        refused(
            &ask(&server, method, "a", &[JSON, &old], "3"),
            412,
            "changed",
        );
    }
    refused(
        &ask(&server, "PATCH", "a", &[MERGE, &old], "3"),
        412,
        "changed",
    );
    refused(
        &ask(&server, "PUT", "a", &[JSON, "If-None-Match: *"], "3"),
        412,
        "changed",
    );
    refused(
        &ask(&server, "PUT", "b", &[JSON, "If-Match: *"], "3"),
        412,
        "changed",
    );
    refused(
        &ask(&server, "PUT", "a", &[JSON, "If-Match: \"foreign\""], "3"),
        412,
        "changed",
    );
    let weak = format!("If-Match: W/{}", tag(&second));
    refused(
        &ask(&server, "PUT", "a", &[JSON, &weak], "3"),
        412,
        "changed",
    );
    let listed = format!("If-Match: {first}, {}", tag(&second));
    assert_eq!(ask(&server, "PUT", "a", &[JSON, &listed], "3").status, 200);
    assert_eq!(
        ask(&server, "PUT", "b", &[JSON, "If-None-Match: *"], "3").status,
        201
    );
    let now = tag(&ask(&server, "GET", "a", &[], ""));
    let known = format!("If-None-Match: {now}");
    let unchanged = ask(&server, "GET", "a", &[&known], "");
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(
        ask(
            &server,
            "GET",
            "a",
            &[&old.replace("If-Match", "If-None-Match")],
            ""
        )
        .status,
        200
    );
}

#[test]
fn concurrent_writers_lose_no_update_and_all_readers_see_one_order() {
    let server = Server::start(&[]);
    put(&server, "n", &json!(0));
    let mut stream = server.subscribe("/signals?name=n");
    stream.until("connected");
    let taken: Vec<i64> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut taken = Vec::new();
                    while taken.len() < 25 {
                        let read = ask(&server, "GET", "n", &[], "");
                        let next = read.json().as_i64().unwrap() + 1;
                        let condition = format!("If-Match: {}", tag(&read));
                        let written =
                            ask(&server, "PUT", "n", &[JSON, &condition], &next.to_string());
                        match written.status {
                            200 => taken.push(next),
                            _ => refused(&written, 412, "changed"),
                        }
                    }
                    taken
                })
            })
            .collect();
        writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap())
            .collect()
    });
    let distinct: BTreeSet<_> = taken.iter().copied().collect();
    assert_eq!(distinct, (1..=100).collect());
    let told = stream.data(100);
    for (n, told) in told.iter().enumerate() {
        let patch = format!(
            r#""patch":[{{"op":"replace","path":"","value":{}}}]"#,
            n + 1
        );
        assert!(told.contains(&patch), "{told}");
    }
}

#[test]
fn pages_of_listed_origins_may_read_and_write_across_origins() {
    let app = "https://app.example.com";
    let server = Server::start(&["--cors-origin", app, "--publish-origin", app]);
    let origin = format!("Origin: {app}");
    let written = ask(&server, "PUT", "a", &[JSON, &origin], "1");
    assert_eq!(written.status, 201, "{written:?}");
    assert_eq!(written.header("access-control-allow-origin"), Some(app));
    assert_eq!(
        written.header("access-control-expose-headers"),
        Some("etag, event-head, event-id, retry-after")
    );
    let read = ask(&server, "GET", "a", &[&origin], "");
    assert_eq!(read.header("access-control-allow-origin"), Some(app));
    let asks = "Access-Control-Request-Method: PATCH";
    let preflight = ask(&server, "OPTIONS", "a", &[&origin, asks], "");
    assert_eq!(preflight.status, 204);
    let allowed = |name| preflight.header(name).unwrap_or("").to_owned();
    assert!(allowed("access-control-allow-methods").contains("PATCH"));
    assert!(allowed("access-control-allow-headers").contains("if-match"));
    let foreign = ask(
        &server,
        "OPTIONS",
        "a",
        &["Origin: https://evil.example", asks],
        "",
    );
    assert_eq!(foreign.header("access-control-allow-origin"), None);
}
