//! Deployed client libraries: the component of Symfony itself, and requests byte for byte as documentation and users'
//! logs have them.

use std::{io::Write as _, process::Command};

use serde_json::{Value, json};

use super::{HUB, PUBLISHER_KEY, SUBSCRIBER_KEY, hub, subscriber_token};
use crate::support::{Response, Server, Stream, tokens::token_by};

fn send(server: &Server, request: &str) -> Response {
    server.send(request.as_bytes())
}

/// What the component of Symfony sends for an update, by its client on curl.
fn symfony(server: &Server, token: &str, body: &str) -> Response {
    let address = server.address;
    let length = body.len();
    send(
        server,
        &format!(
            "POST {HUB} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Authorization: Bearer {token}\r\nAccept: */*\r\nUser-Agent: Symfony HttpClient (Curl)\r\n\
             Accept-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n{body}"
        ),
    )
}

#[test]
fn updates_of_symfony_are_published_and_its_pages_subscribe_by_the_url_of_its_template() {
    let server = hub(&[]);
    // Both arrays are always there, and tokens last an hour.
    let claims = json!({ "mercure": { "publish": ["*"], "subscribe": [] } });
    let token = token_by(&format!("HS256 {PUBLISHER_KEY}"), &claims);
    let claims =
        json!({ "mercure": { "publish": [], "subscribe": ["https://example.com/books/{id}"] } });
    let cookie = subscriber_token(&claims);
    let open = |cursor: &str| {
        let mut socket = server.connect();
        let topic = "topic=https%3A%2F%2Fexample.com%2Fbooks%2F1";
        let request = format!(
            "GET {HUB}?{topic}{cursor} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\
             Cache-Control: no-cache\r\nCookie: PHPSESSID=x; mercureAuthorization={cookie}\r\n\r\n",
            server.address
        );
        socket.write_all(request.as_bytes()).unwrap();
        Stream::open(socket)
    };
    let mut stream = open("");
    let book = "topic=https%3A%2F%2Fexample.com%2Fbooks%2F1";
    let plain = symfony(
        &server,
        &token,
        &format!("{book}&data=%7B%22status%22%3A%22OutOfStock%22%7D"),
    );
    assert_eq!(plain.status, 200, "{plain:?}");
    let id = plain.text();
    let full = symfony(
        &server,
        &token,
        &format!(
            "{book}&topic=urn%3Aother&data=two+words&private=on&id=urn%3Auuid%3Aown&type=book&retry=3000"
        ),
    );
    assert_eq!(full.text(), "urn:uuid:own");
    let first = stream.event().unwrap();
    assert_eq!(
        (first.data.as_str(), &first.id),
        ("{\"status\":\"OutOfStock\"}", &id)
    );
    let second = stream.event().unwrap();
    assert_eq!(
        (second.name.as_str(), second.data.as_str()),
        ("book", "two words")
    );
    assert_eq!(
        (second.id.as_str(), second.retry),
        ("urn:uuid:own", Some(3_000))
    );
    // The template writes the cursor under two names.
    let mut resumed = open(&format!("&lastEventID={id}&Last-Event-ID={id}"));
    assert_eq!(resumed.data(1), ["two words"]);
}

#[test]
fn symfonys_component_publishes_and_its_cookie_reads_what_is_private() {
    let server = hub(&[]);
    let url = format!("http://{}{HUB}", server.address);
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/mercure/symfony.php"
    );
    let mut php = Command::new("php");
    php.args([script, &url, PUBLISHER_KEY, SUBSCRIBER_KEY]);
    let printed = php
        .output()
        .expect("php: apt-get install php-cli php-symfony-mercure");
    let printed: Value =
        serde_json::from_slice(&printed.stdout).unwrap_or_else(|why| panic!("{why}: {printed:?}"));
    let [first_id, own_id] = [0, 1].map(|n| printed["ids"][n].as_str().unwrap());
    assert_eq!(own_id, "urn:uuid:own");
    assert_eq!(printed["cookie_path"], HUB);
    assert_eq!(printed["link"], json!([["mercure"], url]));

    let read = |cookie: &str| {
        let query = "topic=https%3A%2F%2Fexample.com%2Fbooks%2F1&lastEventID=earliest";
        server.subscribe_with(&format!("{HUB}?{query}"), cookie)
    };
    let cookie = printed["cookie"].as_str().unwrap();
    let mut stream = read(&format!("Cookie: {cookie}"));
    let [first, second] = [stream.event().unwrap(), stream.event().unwrap()];
    assert_eq!(first.data, "{\"status\":\"OutOfStock\"}");
    assert_eq!(first.id, first_id);
    assert_eq!((&*second.id, &*second.name), ("urn:uuid:own", "book"));
    assert_eq!((&*second.data, second.retry), ("two\nlines", Some(3_000)));
}

#[test]
fn tokens_of_laravels_broadcaster_never_end_and_publish_private_updates() {
    let server = hub(&[]);
    let claims = json!({ "mercure": { "publish": ["*"] } });
    let new = sse_broadcaster_access::mint::NewToken::new(&claims).unwrap();
    let key = sse_broadcaster_access::mint::SigningKey::parse(&format!("HS256 {PUBLISHER_KEY}"));
    let token = new.without_expiry().create(&key.unwrap()).unwrap();
    let data = "%7B%22event%22%3A%22App%5C%5CEvents%5C%5CPaid%22%2C%22data%22%3A%7B%7D%7D";
    let mut stream = super::subscribe(
        &server,
        "topic=http%3A%2F%2Fexample%2Fuser%2F1%2Fdirect-messages",
    );
    let body =
        format!("topic=http%3A%2F%2Fexample%2Fuser%2F1%2Fdirect-messages&data={data}&private=on");
    let response = symfony(&server, &token, &body);
    assert_eq!(response.status, 200, "{response:?}");
    let expected = "{\"event\":\"App\\\\Events\\\\Paid\",\"data\":{}}";
    assert_eq!(stream.data(1), [expected]);
}
