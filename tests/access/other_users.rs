//! What a client with rights of its own learns of others, and can do to them.

use serde_json::{Value, json};

use super::publish;
use crate::support::{
    Response, Server,
    tokens::{SECRET, bearer, token},
};

fn server(more: &[&str]) -> Server {
    let access = [
        "--subscribe-access",
        "private-events",
        "--token-key",
        SECRET,
    ];
    Server::start(&[&access[..], more].concat())
}

fn post(server: &Server, grants: &Value, event: &Value) -> Response {
    let publisher = bearer(&token(&json!({ "sse": grants })));
    let head = format!("POST /events HTTP/1.1\nContent-Type: application/json\n{publisher}");
    server.request(&head, event.to_string().as_bytes())
}

#[test]
fn the_idempotency_key_of_another_users_event_is_refused_and_its_id_is_not_sent() {
    let server = server(&[]);
    let private = json!({ "topic": "bank", "data": "x", "private": true, "id": "order-17" });
    let bank = json!({ "publish": ["bank"] });
    let other = json!({ "publish": ["e"] });
    let first = post(&server, &bank, &private);
    assert_eq!(first.status, 200, "{first:?}");
    let id = first.json()["id"].as_str().unwrap().to_owned();
    let guessed = post(
        &server,
        &other,
        &json!({ "topic": "e", "data": "", "id": "order-17" }),
    );
    assert_eq!(
        (guessed.status, &*guessed.code()),
        (409, "idempotency_key_reused")
    );
    assert!(!guessed.text().contains(&id), "{guessed:?}");
    // The second publisher of a key gets an error, since its event was not published.
    post(
        &server,
        &other,
        &json!({ "topic": "e", "data": "", "id": "payment-42" }),
    );
    let payment = json!({ "topic": "bank", "data": "y", "private": true, "id": "payment-42" });
    let refused = post(&server, &bank, &payment);
    assert_eq!(
        (refused.status, &*refused.code()),
        (409, "idempotency_key_reused")
    );
    // A repeat is one still.
    let repeated = post(&server, &bank, &private);
    assert_eq!(repeated.json()["id"], id);
}

#[test]
fn a_page_that_only_a_star_admits_reads_nothing_by_a_cookie_over_a_websocket() {
    let server = server(&["--cors-origin", "*", "--cors-origin", "https://a.example"]);
    publish(
        &server,
        &json!({ "topic": "a", "data": "secret", "private": true }),
    );
    let reader = token(&json!({ "sse": { "subscribe": ["a"] } }));
    let status_of = |origin: &str, cookie: &str| {
        let head = format!(
            "GET /ws?topic=a HTTP/1.1\nOrigin: {origin}\n{cookie}Connection: Upgrade\nUpgrade: websocket\n\
             Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        );
        server.status_line(&head)
    };
    let cookie = format!("Cookie: sse_token={reader}\n");
    assert_eq!(status_of("https://evil.example", &cookie), 403);
    assert_eq!(status_of("null", &cookie), 403);
    assert_eq!(status_of("https://evil.example", ""), 101);
    assert_eq!(status_of("https://a.example", &cookie), 101);
}

#[test]
fn a_writer_who_may_not_read_a_signal_is_not_sent_its_document() {
    let server = server(&["--protected-topic", "$signal/secret"]);
    let writer = bearer(&token(&json!({ "sse": { "publish": ["$signal/secret"] } })));
    let both = json!({ "sse": { "publish": ["$signal/secret"], "subscribe": ["$signal/secret"] } });
    let both = bearer(&token(&both));
    let send = |method: &str, who: &str, body: &str| {
        let head = format!(
            "{method} /signals/secret HTTP/1.1\nContent-Type: application/merge-patch+json\n{who}"
        );
        server.request(&head, body.as_bytes())
    };
    let put = format!("PUT /signals/secret HTTP/1.1\nContent-Type: application/json\n{both}");
    let written = server.request(&put, br#"{"pin":1234}"#);
    assert_eq!(written.status, 201, "{written:?}");
    let patched = send("PATCH", &writer, "{}");
    assert_eq!(
        (patched.status, patched.body.len()),
        (204, 0),
        "{patched:?}"
    );
    let patched = send("PATCH", &both, "{}");
    assert_eq!(patched.json()["pin"], 1234, "{patched:?}");
}

#[test]
fn a_list_of_topics_finds_the_granted_ones_among_many() {
    const TOPICS: usize = 2_500;
    let server = server(&[]);
    let publisher = json!({ "publish": ["*"] });
    let events: Value = (0..TOPICS)
        .map(|number| json!({ "topic": format!("t/{number:04}"), "data": "" }))
        .collect();
    assert_eq!(post(&server, &publisher, &events).status, 200);
    let reader = json!({ "sse": { "subscribe": ["t/0003", "t/2001", "t/2499"] } });
    let reader = bearer(&token(&reader));
    let list = |query: &str| {
        let list = server
            .request(&format!("GET /topics?{query} HTTP/1.1\n{reader}"), b"")
            .json();
        let names = list["topics"].as_array().unwrap().iter();
        let names: Vec<_> = names
            .map(|topic| topic["name"].as_str().unwrap().to_owned())
            .collect();
        (names, list["more"].as_bool().unwrap())
    };
    assert_eq!(list("limit=1"), (vec!["t/0003".to_owned()], true));
    assert_eq!(
        list("limit=1&after=t/0003"),
        (vec!["t/2001".to_owned()], true)
    );
    assert_eq!(list("limit=2&after=t/0003").0, ["t/2001", "t/2499"]);
    assert_eq!(
        list(""),
        (
            ["t/0003", "t/2001", "t/2499"].map(str::to_owned).into(),
            false
        )
    );
}
