//! Subscriptions by URI templates and URL patterns, live and replayed.

use std::io::{Read as _, Write as _};

use serde_json::json;

use super::{HUB, access_token, get, hub, publish, subscribe, subscriber};
use crate::support::{Server, Stream, wait_until};

const BOOKS: &str = "https%3A%2F%2Fexample.com%2Fbooks%2F";

/// Publishes to each topic, and returns the data of those that the query selects, live and replayed.
fn selected(server: &Server, query: &str, topics: &[&str]) -> Vec<String> {
    let mut stream = subscribe(server, query);
    for topic in topics {
        let encoded: String = url::form_urlencoded::byte_serialize(topic.as_bytes()).collect();
        publish(server, &format!("topic={encoded}&data={encoded}"));
    }
    let live = until_end(server, &mut stream);
    let mut replayed = subscribe(server, &format!("{query}&last_event_id=earliest"));
    let all = until_end(server, &mut replayed);
    let last: Vec<_> = all.into_iter().rev().take(live.len()).rev().collect();
    assert_eq!(last, live, "{query}");
    live
}

/// The data up to the next event of the topic `end`, to which each query subscribes as well.
fn until_end(server: &Server, stream: &mut Stream) -> Vec<String> {
    let end = publish(server, "topic=end&data=end");
    let mut data = Vec::new();
    loop {
        let event = stream.event().expect("an event");
        if event.id == end {
            return data;
        }
        if event.data != "end" {
            data.push(event.data);
        }
    }
}

#[test]
fn a_template_selects_its_expansions_and_its_own_text() {
    let server = hub(&[]);
    let topics = [
        "https://example.com/books/1",
        "https://example.com/books/1/reviews",
        "https://example.com/books/{id}",
        "https://example.com/users/1",
    ];
    let found = selected(
        &server,
        &format!("topic={BOOKS}%7Bid%7D&topic=end"),
        &topics,
    );
    assert_eq!(found, [topics[0], topics[2]]);
    let server = hub(&[]);
    let found = selected(
        &server,
        &format!("topic={BOOKS}%7B%2Brest%7D&topic=end"),
        &topics,
    );
    assert_eq!(found[..2], topics[..2]);
    // An invalid template is just a text, and braces mean nothing to version 1.0.
    let server = hub(&[]);
    let found = selected(&server, "topic=a%7Bb&topic=end", &["a{b", "axb"]);
    assert_eq!(found, ["a{b"]);
    let server = hub(&[]);
    let found = selected(
        &server,
        &format!("match={BOOKS}%7Bid%7D&match=end"),
        &topics,
    );
    assert_eq!(found, [topics[2]]);
}

#[test]
fn a_url_pattern_selects_urls_relative_to_the_hub() {
    let server = hub(&[]);
    let topics = [
        "https://events.example.com/books/1",
        "/books/2",
        "https://other.example.com/books/3",
        "/books/4/reviews",
        "not a url",
    ];
    let query = "match_urlpattern=%2Fbooks%2F%3Aid&match=end";
    assert_eq!(selected(&server, query, &topics), topics[..2]);
    let server = hub(&[]);
    let query = "match_urlpattern=https%3A%2F%2F*.example.com%2Fbooks%2F*&match=end";
    assert_eq!(selected(&server, query, &topics), topics[..4]);
}

#[test]
fn patterns_and_topics_of_both_versions_are_one_union_and_each_event_comes_once() {
    let server = hub(&[]);
    let query =
        format!("topic={BOOKS}%7Bid%7D&match={BOOKS}1&match_urlpattern={BOOKS}*&topic=a&match=end");
    let topics = [
        "https://example.com/books/1",
        "a",
        "b",
        "https://example.com/books/2",
    ];
    let found = selected(&server, &query, &topics);
    assert_eq!(found, [topics[0], topics[1], topics[3]]);
}

#[test]
fn up_to_a_thousand_topics_of_0_x_are_one_subscription() {
    let server = hub(&["--mercure-anonymous"]);
    let topics: Vec<_> = (0..1_000)
        .map(|number| format!("topic=t{number}&"))
        .collect();
    let topics = topics.concat();
    let mut stream = server.subscribe(&format!("{HUB}?{topics}"));
    for topic in ["t0", "t1000", "t999", "t500"] {
        publish(&server, &format!("topic={topic}&data={topic}"));
    }
    assert_eq!(stream.data(3), ["t0", "t999", "t500"]);
    let refused = get(&server, &format!("{HUB}?{topics}topic=x"), "");
    assert_eq!(refused.status, 400);
}

#[test]
fn a_private_event_needs_both_a_matcher_and_a_grant_which_may_be_of_different_topics() {
    let server = hub(&[]);
    let by = |authorization: &str| {
        let path = format!("{HUB}?topic={BOOKS}%7Bid%7D&topic=end");
        server.subscribe_with(&path, authorization)
    };
    let mut granted = by(&subscriber(&["https://example.com/users/anna{/more}"]));
    let topics =
        json!([{ "match": "https://example.com/users/:name", "match_type": "urlpattern" }]);
    let mut newer = by(&access_token(&["subscribe"], &topics));
    let mut others = by(&subscriber(&["https://example.com/users/berta"]));
    let user = "topic=https%3A%2F%2Fexample.com%2Fusers%2Fanna";
    publish(&server, &format!("topic={BOOKS}1&{user}&private=on&data=1"));
    publish(&server, &format!("{user}&private=on&data=2"));
    publish(&server, &format!("topic={BOOKS}1&private=on&data=3"));
    for (stream, expected) in [
        (&mut granted, &["1"][..]),
        (&mut newer, &["1"]),
        (&mut others, &[]),
    ] {
        assert_eq!(until_end(&server, stream), expected);
    }
}

#[test]
fn patterns_with_more_regular_expressions_than_the_server_may_hold_are_refused_and_others_are_not()
{
    // More than 1,000 together.
    const CLIENTS: usize = 51;
    let server = hub(&[]);
    let query_of = |client: usize| {
        let patterns = (0..20).map(|number| format!("topic=%7Ba%7D-{client}-{number}-%7Bb%7D"));
        patterns.collect::<Vec<_>>().join("&")
    };
    let open: Vec<_> = (0..CLIENTS - 1)
        .map(|client| subscribe(&server, &query_of(client)))
        .collect();
    let one_more = query_of(CLIENTS);
    let path = format!("{HUB}?{one_more}");
    let refused = get(&server, &path, &subscriber(&["*"]));
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.text().contains("regular expression"), "{refused:?}");
    let others =
        format!("topic=%7Ba%7D-0-0-%7Bb%7D&topic={BOOKS}%7Bid%7D&topic={BOOKS}%7Bid%7D%2Fa");
    assert_eq!(status_of(&server, &others), "200");
    drop(open);
    wait_until("there is room again", || {
        status_of(&server, &one_more) == "200"
    });
}

/// The status of the response to a subscription, which is ended.
fn status_of(server: &Server, query: &str) -> String {
    let mut socket = server.connect();
    let authorization = subscriber(&["*"]);
    let head = format!("GET {HUB}?{query} HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n\r\n");
    socket.write_all(head.as_bytes()).unwrap();
    let mut status_line = [0; 12];
    socket.read_exact(&mut status_line).unwrap();
    String::from_utf8_lossy(&status_line[9..]).into_owned()
}
