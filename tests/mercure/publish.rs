//! Publishing to the hub.

use serde_json::json;

use super::{HUB, access_token, everything, hub, publish, publish_as, publisher, subscribe};
use crate::support::tokens::{bearer, token};

#[test]
fn the_response_is_the_id_as_text_and_the_one_of_the_publisher_if_it_has_one() {
    let server = hub(&[]);
    for authorization in [publisher(&["*"]), access_token(&["publish"], &everything())] {
        let response = publish_as(&server, &authorization, "topic=a&data=x");
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(
            response.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(response.header("cache-control"), Some("no-store"));
        let id = response.text();
        assert!(id.starts_with("urn:uuid:") && id.len() == 45, "{id}");
        let own = publish_as(
            &server,
            &authorization,
            "topic=a&id=https%3A%2F%2Fexample.com%2F%C3%A9",
        );
        assert_eq!(own.text(), "https://example.com/é");
    }
}

#[test]
fn other_routes_know_the_private_events_of_the_hub_and_name_their_topics_to_nobody_without_a_grant()
{
    let server = hub(&[]);
    publish(&server, "topic=users/17&private=on&data=secret");
    publish(&server, "topic=users/17&data=public");
    let page = |path: &str, authorization: &str| {
        let head = format!("GET {path} HTTP/1.1\nAccept: application/json\n{authorization}");
        server.request(&head, b"").text()
    };
    let claims = json!({ "iss": "https://login.example.com", "sse": { "subscribe": ["*"] } });
    let reader = bearer(&token(&claims));
    let (events, topics) = ("/events?topic=users/17", "/topics");
    let found = page(events, "");
    assert!(
        found.contains("public") && !found.contains("secret"),
        "{found}"
    );
    assert!(page(events, &reader).contains("secret"));
    assert!(!page(topics, "").contains("users/17"));
    assert!(page(topics, &reader).contains("users/17"));
}

#[test]
fn a_repeated_id_is_a_new_event() {
    let server = hub(&[]);
    let mut stream = subscribe(&server, "topic=a");
    publish(&server, "topic=a&id=x&data=1");
    publish(&server, "topic=a&id=x&data=2");
    assert_eq!(stream.data(2), ["1", "2"]);
}

/// The form, and the status for a token of version 0.x and for one of 1.0.
#[test]
fn fields_are_checked_by_the_stricter_rules_of_1_0_and_answered_as_the_version_does() {
    let server = hub(&[]);
    let many = "topic=a&".repeat(101);
    let long = format!("topic={}", "x".repeat(4_097));
    let cases = [
        ("topic=a", 200, 200),
        ("topic=a&data=%C3%A9&foo=bar", 200, 200),
        ("topic=a&private", 200, 200),
        ("topic=a&retry=0", 200, 200),
        ("topic=https%3A%2F%2Fexample.com%2F%7Bid%7D", 200, 200),
        ("topic=a&type=a%20b", 200, 200),
        ("", 400, 400),
        ("data=x", 400, 400),
        ("topic=*", 400, 400),
        ("topic=a%0Ab", 400, 400),
        ("topic=a%E2%80%8B", 400, 400),
        (&long, 400, 400),
        (&many, 400, 400),
        ("topic=a&data=%FF", 400, 400),
        ("topic=a&retry=x", 400, 400),
        ("topic=a&retry=-1", 400, 400),
        ("topic=a&retry=1.5", 400, 400),
        ("topic=a&id=a%0Db", 400, 400),
        ("topic=a&id=%23a", 400, 400),
        ("topic=a&id=earliest", 400, 400),
        ("topic=a&type=a%0Ab", 400, 400),
        ("topic=a&type=mercure", 400, 400),
        ("topic=%2F.well-known%2Fmercure", 403, 400),
        (
            "topic=a&topic=%2F.well-known%2Fmercure%2Fsubscriptions%2Fx",
            403,
            400,
        ),
        (
            "topic=https%3A%2F%2Fevents.example.com%2Fx%2F..%2F.well-known%2Fmercure",
            403,
            400,
        ),
        ("topic=%2F%252ewell-known%2Fmercure", 403, 400),
        ("topic=urn%3Ax%2F.well-known%2Fmercure", 403, 200),
    ];
    for (form, of_zero, of_one) in cases {
        let zero = publish_as(&server, &publisher(&["*"]), form);
        assert_eq!(zero.status, of_zero, "0.x {form}: {zero:?}");
        let one = publish_as(&server, &access_token(&["publish"], &everything()), form);
        assert_eq!(one.status, of_one, "1.0 {form}: {one:?}");
        if of_zero != 200 {
            assert_eq!(
                zero.header("content-type"),
                Some("text/plain; charset=utf-8")
            );
        }
    }
}

#[test]
fn every_topic_must_be_granted_public_and_private_alike() {
    let server = hub(&[]);
    let zero = publisher(&["https://example.com/books/{id}", "a"]);
    let topics = json!([
        { "match": "a" },
        { "match": "https://example.com/books/:id", "match_type": "urlpattern" },
    ]);
    let one = access_token(&["publish"], &topics);
    for private in ["", "&private=on"] {
        for (topics, granted) in [
            ("topic=a", true),
            ("topic=https%3A%2F%2Fexample.com%2Fbooks%2F1", true),
            ("topic=a&topic=https%3A%2F%2Fexample.com%2Fbooks%2F1", true),
            ("topic=a&topic=b", false),
            ("topic=https%3A%2F%2Fexample.com%2Fbooks%2F1%2F2", false),
        ] {
            let form = format!("{topics}{private}");
            let response = publish_as(&server, &zero, &form);
            assert_eq!(
                response.status,
                if granted { 200 } else { 401 },
                "{form}: {response:?}"
            );
            assert_eq!(response.header("www-authenticate"), None);
            let response = publish_as(&server, &one, &form);
            assert_eq!(
                response.status,
                if granted { 200 } else { 403 },
                "{form}: {response:?}"
            );
            if !granted {
                let challenge = response.header("www-authenticate").unwrap();
                assert!(
                    challenge
                        .starts_with("Bearer error=\"insufficient_scope\", resource_metadata=\"")
                );
            }
        }
    }
    let nothing = publisher(&[]);
    assert_eq!(publish_as(&server, &nothing, "topic=a").status, 401);
    let reads = access_token(&["subscribe"], &everything());
    assert_eq!(publish_as(&server, &reads, "topic=a").status, 403);
}

#[test]
fn only_a_form_publishes_and_one_that_is_too_long_is_413() {
    let server = hub(&["--max-event-bytes", "1000"]);
    for (content_type, status) in [
        ("application/x-www-form-urlencoded", 200),
        ("application/x-www-form-urlencoded; charset=UTF-8", 200),
        ("application/x-www-form-urlencoded; charset=iso-8859-1", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/json", 415),
    ] {
        let head = format!(
            "POST {HUB} HTTP/1.1\nContent-Type: {content_type}\n{}",
            publisher(&["*"])
        );
        let response = server.request(&head, b"topic=a");
        assert_eq!(response.status, status, "{content_type}: {response:?}");
    }
    for data in ["x".repeat(1_001), "%C3%A9".repeat(600_000)] {
        let response = publish_as(&server, &publisher(&["*"]), &format!("topic=a&data={data}"));
        assert_eq!(response.status, 413, "{response:?}");
    }
    let nobody = hub(&["--no-publish"]);
    assert_eq!(
        publish_as(&nobody, &publisher(&["*"]), "topic=a").status,
        403
    );
}
