//! Streams of the hub.

use super::{
    HUB, access_token, everything, get, hub, publish, subscribe, subscribe_with, subscriber,
};
use crate::support::{End, Server, has_ordinary_streams, wait_until};

#[test]
fn a_stream_begins_with_a_comment_and_has_the_events_in_mercures_order_of_fields() {
    for arguments in [&[][..], &["--no-direct"]] {
        let server = hub(arguments);
        let mut stream = subscribe(&server, "topic=https%3A%2F%2Fexample.com%2Fbooks%2F1");
        assert_eq!(stream.header("content-type"), Some("text/event-stream"));
        let not_cached = "private, no-cache, no-store, must-revalidate, max-age=0";
        assert_eq!(stream.header("cache-control"), Some(not_cached));
        assert_eq!(stream.header("x-accel-buffering"), Some("no"));
        assert_eq!(stream.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(stream.header("x-frame-options"), Some("DENY"));
        assert_eq!(
            stream.header("content-security-policy"),
            Some("default-src 'self'")
        );
        assert_eq!(stream.header("last-event-id"), None);
        assert_eq!(stream.header("event-head"), None);
        let id = publish(
            &server,
            "topic=https%3A%2F%2Fexample.com%2Fbooks%2F1&data=a%0Ab&type=changed&retry=700",
        );
        let expected = format!(":\nevent: changed\nretry: 700\nid: {id}\ndata: a\ndata: b\n\n");
        assert_eq!(stream.text_until("\n\n"), expected);
        publish(
            &server,
            "topic=https%3A%2F%2Fexample.com%2Fbooks%2F1&id=mine",
        );
        assert_eq!(stream.text_until("\n\n"), "id: mine\ndata: \n\n");
    }
}

#[test]
fn a_stream_without_a_position_begins_with_the_last_event_of_a_topic_that_keeps_it() {
    let server = hub(&["--topic-rule", "https://example.com/books/{id}=latest"]);
    let topic = "topic=https%3A%2F%2Fexample.com%2Fbooks%2F1";
    publish(&server, &format!("{topic}&data=old"));
    let id = publish(&server, &format!("{topic}&data=kept"));
    for query in [
        topic,
        "topic=https%3A%2F%2Fexample.com%2Fbooks%2F%7Bid%7D",
        "topic=*",
    ] {
        let mut stream = subscribe(&server, query);
        let expected = format!(":\nid: {id}\ndata: kept\n\n");
        assert_eq!(stream.text_until("\n\n"), expected, "{query}");
    }
}

#[test]
fn a_topic_is_compared_byte_for_byte_and_a_star_is_all_topics() {
    let server = hub(&[]);
    let mut exact = subscribe(&server, "topic=a&topic=b");
    let mut newer = subscribe(&server, "match=a&match_exact=b");
    let mut mixed = subscribe(&server, "match=a&topic=b");
    let mut all = subscribe(&server, "topic=*");
    let mut all_of_one = subscribe(&server, "match_urlpattern=*");
    for form in [
        "topic=A&data=1",
        "topic=a/&data=2",
        "topic=x&topic=b&data=3",
        "topic=a&topic=b&data=4",
        "topic=a&data=5",
    ] {
        publish(&server, form);
    }
    for stream in [&mut exact, &mut newer, &mut mixed] {
        assert_eq!(stream.data(3), ["3", "4", "5"]);
    }
    for stream in [&mut all, &mut all_of_one] {
        assert_eq!(stream.data(5), ["1", "2", "3", "4", "5"]);
    }
}

#[test]
fn templates_and_url_patterns_select_topics_live_and_replayed() {
    for arguments in [&[][..], &["--no-direct"]] {
        let server = hub(arguments);
        let template = "topic=https%3A%2F%2Fexample.com%2Fbooks%2F%7Bid%7D&topic=news";
        let url_pattern = "match_urlpattern=https%3A%2F%2Fexample.com%2Fbooks%2F%3Aid&match=news";
        let mut streams = [template, url_pattern].map(|query| subscribe(&server, query));
        for form in [
            "topic=https%3A%2F%2Fexample.com%2Fbooks%2F1&data=1",
            "topic=https%3A%2F%2Fexample.com%2Fbooks&data=2",
            "topic=https%3A%2F%2Fexample.com%2Fbooks%2F1%2Fpages&data=3",
            "topic=x&topic=https%3A%2F%2Fexample.com%2Fbooks%2F2&private=on&data=4",
            "topic=news&data=5",
            "topic=old-news&data=6",
            "topic=https%3A%2F%2Fexample.com%2Fbooks%2F1&data=7",
        ] {
            publish(&server, form);
        }
        for stream in &mut streams {
            assert_eq!(stream.data(4), ["1", "4", "5", "7"]);
        }
        for query in [template, url_pattern] {
            let mut replayed = subscribe(&server, &format!("{query}&last_event_id=earliest"));
            assert_eq!(replayed.data(4), ["1", "4", "5", "7"]);
        }
    }
}

#[test]
fn a_private_event_reaches_those_whose_token_grants_any_of_its_topics() {
    let server = hub(&["--mercure-anonymous"]);
    let path = format!("{HUB}?topic=a&topic=b");
    let mut anonymous = server.subscribe(&path);
    let mut granted = server.subscribe_with(&path, &subscriber(&["other"]));
    let mut other = server.subscribe_with(&path, &subscriber(&["c"]));
    let one = access_token(&["subscribe"], &serde_json::json!([{ "match": "other" }]));
    let mut newer = server.subscribe_with(&path, &one);
    publish(&server, "topic=a&topic=other&private=on&data=1");
    publish(&server, "topic=a&private=&data=2");
    publish(&server, "topic=a&data=3");
    assert_eq!(anonymous.data(1), ["3"]);
    assert_eq!(other.data(1), ["3"]);
    assert_eq!(granted.data(2), ["1", "3"]);
    assert_eq!(newer.data(2), ["1", "3"]);
}

#[test]
fn events_of_other_routes_appear_on_the_hub_and_the_other_way_round_in_one_order() {
    let server = hub(&["--publish-key", "a-key-of-the-operator"]);
    let mut on_hub = subscribe(&server, "topic=a");
    let mut on_events = server.subscribe("/events?topic=a");
    let key = "Authorization: Bearer a-key-of-the-operator";
    for number in 0..10 {
        if number % 2 == 0 {
            publish(&server, &format!("topic=a&data={number}&id=own-{number}"));
        } else {
            let head = format!("POST /events?topic=a HTTP/1.1\n{key}");
            let response = server.request(&head, number.to_string().as_bytes());
            assert_eq!(response.status, 200, "{response:?}");
        }
    }
    let expected: Vec<_> = (0..10).map(|number| number.to_string()).collect();
    assert_eq!(on_hub.data(10), expected);
    assert_eq!(on_hub.last_id.split(':').next(), Some("urn"));
    assert_eq!(on_events.data(10), expected);
}

#[test]
fn parameters_that_are_not_valid_are_refused() {
    let server = hub(&[]);
    let lines = subscriber(&["*"]);
    let many = vec!["match=a"; 101].join("&");
    for query in [
        "",
        "topic=",
        "matches=a",
        "Match=a",
        "match_template=a",
        "match=%00",
        "match=%FF",
        "match_urlpattern=%7Bx",
        &many,
    ] {
        let response = get(&server, &format!("{HUB}?{query}"), &lines);
        assert_eq!(response.status, 400, "{query}: {response:?}");
        assert!(response.text().len() > 20, "{response:?}");
    }
    let missing = get(&server, HUB, &lines);
    assert!(
        missing.text().contains("\"topic\" is missing"),
        "{missing:?}"
    );
    // Names that begin otherwise are others' parameters.
    let mut ignored = subscribe(&server, "topic=a&foo=b&Topic=c");
    publish(&server, "topic=a&data=x");
    assert_eq!(ignored.data(1), ["x"]);
}

#[test]
fn head_has_the_headers_of_the_stream_and_query_takes_parameters_from_a_form() {
    let server = hub(&[]);
    let lines = subscriber(&["*"]);
    let head = server.request(&format!("HEAD {HUB}?topic=a HTTP/1.1\n{lines}"), b"");
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    let form = "application/x-www-form-urlencoded";
    let query = |content_type: &str, body: &str| {
        use std::io::Write as _;
        let mut socket = server.connect();
        let request = format!(
            "QUERY {HUB}?match=b HTTP/1.1\r\nHost: localhost\r\n{lines}\r\nContent-Type: {content_type}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(request.as_bytes()).unwrap();
        socket
    };
    let mut stream = crate::support::Stream::open(query(form, "match=a"));
    publish(&server, "topic=a&data=1");
    publish(&server, "topic=b&data=2");
    assert_eq!(stream.data(2), ["1", "2"]);
    let refused = crate::support::Response::read(query("application/json", "{}"));
    assert_eq!(refused.status, 415);
    let response = server.request(&format!("PUT {HUB} HTTP/1.1\n{lines}"), b"");
    assert_eq!(response.status, 405);
}

#[test]
fn a_comment_is_sent_as_often_as_set_and_no_notice_of_the_server() {
    let server = hub(&["--mercure-heartbeat", "1s", "--ping-interval", "100ms"]);
    let mut stream = subscribe(&server, "topic=a");
    assert_eq!(stream.text_until(":\n:\n:\n"), ":\n:\n:\n");
}

#[test]
fn a_connection_ends_after_its_lifetime_and_with_its_token() {
    for arguments in [&[][..], &["--no-direct"]] {
        let short = hub(&[&["--mercure-lifetime", "1s"], arguments].concat());
        let mut stream = subscribe(&short, "topic=a");
        assert_eq!(stream.next(), None);
        assert_eq!(stream.end, Some(End::Cut));
        let server = hub(arguments);
        let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
        let soon = soon
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let claims = serde_json::json!({ "exp": soon, "mercure": { "subscribe": ["*"] } });
        let lines = crate::support::tokens::bearer(&super::subscriber_token(&claims));
        let mut stream = server.subscribe_with(&format!("{HUB}?topic=a"), &lines);
        assert_eq!(stream.next(), None);
        let now = std::time::SystemTime::now();
        assert!(now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() <= soon);
    }
}

#[test]
fn streams_of_the_hub_are_on_the_direct_path_and_beyond_the_limit_429() {
    let server = hub(&["--max-subscribers-per-address", "1"]);
    let _stream = subscribe(&server, "topic=a");
    if !has_ordinary_streams() {
        wait_until("the stream is counted", || {
            server.metric("direct_subscribers") == 1
        });
    }
    let refused = get(&server, &format!("{HUB}?topic=a"), &subscriber(&["*"]));
    assert_eq!(refused.status, 429, "{refused:?}");
}

#[test]
fn pages_of_admitted_origins_may_read_the_hubs_responses() {
    let server = hub(&["--cors-origin", "https://app.example.com"]);
    let origin = "Origin: https://app.example.com";
    let stream = subscribe_with(&server, "topic=a", origin);
    let allowed = "access-control-allow-origin";
    assert_eq!(stream.header(allowed), Some("https://app.example.com"));
    assert_eq!(
        stream.header("access-control-allow-credentials"),
        Some("true")
    );
    let exposed = stream.header("access-control-expose-headers").unwrap();
    for name in ["link", "last-event-id", "mercure-last-event-id"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    let other = subscribe_with(&server, "topic=a", "Origin: https://other.example.com");
    assert_eq!(other.header(allowed), None);
    let preflight = |method: &str| {
        let head =
            format!("OPTIONS {HUB} HTTP/1.1\n{origin}\nAccess-Control-Request-Method: {method}");
        server.request(&head, b"")
    };
    let reads = preflight("QUERY");
    assert_eq!(
        (reads.status, reads.header(allowed)),
        (204, Some("https://app.example.com"))
    );
    let methods = reads.header("access-control-allow-methods").unwrap();
    assert_eq!(methods, "GET, HEAD, POST, QUERY, OPTIONS");
    let headers = reads.header("access-control-allow-headers").unwrap();
    for name in ["authorization", "cache-control", "last-event-id"] {
        assert!(headers.contains(name), "{headers}");
    }
    assert_eq!(preflight("POST").header(allowed), None);
}

#[test]
fn the_hub_has_metadata_and_nothing_else_below_its_path() {
    let server = hub(&[]);
    let metadata = get(
        &server,
        "/.well-known/oauth-protected-resource/.well-known/mercure",
        "",
    );
    assert_eq!(metadata.header("content-type"), Some("application/json"));
    let metadata = metadata.json();
    assert_eq!(metadata["resource"], super::HUB_URL);
    assert_eq!(
        metadata["bearer_methods_supported"],
        serde_json::json!(["header"])
    );
    let lines = access_token(&["subscribe"], &everything());
    for path in [
        "/.well-known/mercure/",
        "/.well-known/mercure/x",
        "/.well-known/mercurex",
    ] {
        assert_eq!(get(&server, path, &lines).status, 404, "{path}");
    }
    let without = Server::start(&[]);
    assert_eq!(get(&without, &format!("{HUB}?topic=a"), "").status, 404);
}

#[test]
fn a_finished_topic_ends_its_streams_and_a_client_that_has_the_end_gets_204() {
    const KEY: &str = "0123456789abcdef";
    for arguments in [
        &["--publish-key", KEY][..],
        &["--publish-key", KEY, "--no-direct"],
    ] {
        let server = hub(arguments);
        let mut stream = subscribe(&server, "topic=a");
        let finish = format!("POST /topics/a/finish HTTP/1.1\nAuthorization: Bearer {KEY}");
        assert_eq!(server.request(&finish, b"").status, 200);
        let finished = stream.until("finished");
        assert_eq!(stream.drain(), []);
        let again = format!(
            "GET {HUB}?topic=a HTTP/1.1\n{}\nAccept: text/event-stream\nLast-Event-ID: {}",
            subscriber(&["*"]),
            finished.id
        );
        assert_eq!(server.status_line(&again), 204);
    }
}
