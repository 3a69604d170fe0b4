//! Lists of topics and of signals.

use serde_json::{Value, json};

use crate::support::Server;

fn names(list: &Value, kind: &str) -> Vec<String> {
    let found = list[kind].as_array().expect("a list");
    let name = |found: &Value| found["name"].as_str().expect("a name").to_owned();
    found.iter().map(name).collect()
}

#[test]
fn get_topics_lists_the_topics_of_the_events_that_history_holds() {
    let server = Server::start(&[]);
    let list = server.get("/topics");
    assert_eq!(list.json(), json!({ "topics": [], "more": false }));
    assert_eq!(list.header("cache-control"), Some("no-store"));
    server.publish("orders/2", "x");
    server.publish("news", "x");
    let newest = server.publish("orders/1", "x");
    server.request(
        "PUT /signals/counter HTTP/1.1\nContent-Type: application/json",
        b"1",
    );
    let list = server.get("/topics").json();
    assert_eq!(names(&list, "topics"), ["news", "orders/1", "orders/2"]);
    assert_eq!(list["topics"][1]["last_id"], newest);
    let page = server.get("/topics?prefix=orders/&limit=1").json();
    assert_eq!(names(&page, "topics"), ["orders/1"]);
    assert_eq!(page["more"], true);
    let page = server.get("/topics?prefix=orders/&after=orders/1").json();
    assert_eq!(names(&page, "topics"), ["orders/2"]);
    assert_eq!(page["more"], false);
    for limit in ["0", "1001", "x"] {
        let refused = server.get(&format!("/topics?limit={limit}"));
        assert_eq!(
            (refused.status, refused.code()),
            (400, "invalid_limit".into())
        );
    }
    assert_eq!(server.post("/topics", "text/plain", "x").status, 405);
    assert_eq!(server.get("/topics/news").status, 405);
}

#[test]
fn get_signals_without_a_name_lists_the_signals_and_their_versions() {
    let server = Server::start(&[]);
    let put = |name: &str| {
        let head = format!("PUT /signals/{name} HTTP/1.1\nContent-Type: application/json");
        let response = server.request(&head, b"1");
        response
            .header("etag")
            .unwrap()
            .trim_matches('"')
            .to_owned()
    };
    put("votes");
    let version = put("counter");
    put("gone");
    server.request("DELETE /signals/gone HTTP/1.1", b"");
    let list = server.get("/signals").json();
    assert_eq!(names(&list, "signals"), ["counter", "votes"]);
    assert_eq!(list["signals"][0]["version"], version);
    assert_eq!(list["more"], false);
    assert_eq!(
        names(&server.get("/signals?prefix=v").json(), "signals"),
        ["votes"]
    );
    let stream = |path: &str| {
        let head = format!("GET {path} HTTP/1.1\nAccept: text/event-stream");
        server.request(&head, b"")
    };
    let many: Vec<_> = (0..101).map(|n| format!("name=s{n}")).collect();
    let many = format!("/signals?{}", many.join("&"));
    for path in ["/signals", "/signals?name=", &many] {
        let refused = stream(path);
        assert_eq!(refused.status, 400, "{path} can never be a stream");
        assert!(!refused.json()["detail"].is_null());
    }
}
