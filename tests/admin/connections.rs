//! `GET /admin/connections`.

use serde_json::{Value, json};

use super::{KEY, connections, get, only, refused, start, subscribe};
use crate::{
    mercure,
    support::{
        Server, Stream,
        socket::Socket,
        tokens::{SECRET, bearer, token},
        wait_until,
    },
};

fn token_of(user: &str) -> String {
    bearer(&token(
        &json!({ "sub": user, "sse": { "subscribe": ["*"] } }),
    ))
}

#[test]
fn a_connection_is_listed_with_its_client_its_topics_and_what_it_was_sent() {
    for args in [&[][..], &["--no-direct"]] {
        let open = ["--token-key", SECRET, "--allow-anonymous-publish"];
        let server = start(&[&open, args].concat());
        let lines = format!("{}\nUser-Agent: tests/1.0", token_of("anna"));
        let mut stream = subscribe(&server, "/events?topic=a&topic=b", &lines);
        let id = server.publish("a", "x");
        assert_eq!(stream.event().unwrap().data, "x");
        let found = connections(&server, "");
        assert_eq!(found.len(), 1, "{found:?}");
        let connection = &found[0];
        for (name, value) in [
            ("address", json!("127.0.0.1")),
            ("user", json!("anna")),
            ("topics", json!(["a", "b"])),
            ("topics_total", json!(2)),
            ("transport", json!("sse")),
            ("http", json!("1.1")),
            ("behind", json!(0)),
            ("sent_id", json!(id)),
            ("user_agent", json!("tests/1.0")),
        ] {
            assert_eq!(connection[name], value, "{connection}");
        }
        let since = connection["since"].as_str().unwrap();
        assert!(humantime::parse_rfc3339(since).is_ok(), "{since}");
        drop(stream);
        wait_until("it is gone", || connections(&server, "").is_empty());
    }
}

#[test]
fn every_transport_is_listed_and_nothing_that_is_no_stream() {
    let server = mercure::hub(&["--admin-key", KEY, "--mercure-subscriptions"]);
    let lines = bearer(KEY);
    let _streams: [Stream; 3] = ["/events?topic=a", "/signals?name=counter"]
        .map(|path| server.subscribe_with(path, &lines))
        .into_iter()
        .chain([server.subscribe_with(
            &format!("{}?topic=https://example.com/{{id}}&topic=b", mercure::HUB),
            &lines,
        )])
        .collect::<Vec<_>>()
        .try_into()
        .unwrap_or_else(|_| panic!("three streams"));
    let _socket = Socket::open_with(&server, "/ws?topic=*", &[&lines]);
    let mut found = Vec::new();
    wait_until("all are listed", || {
        found = connections(&server, "");
        found.len() == 4
    });
    let of = |transport: &str| {
        let of = found
            .iter()
            .find(|connection| connection["transport"] == transport);
        of.unwrap_or_else(|| panic!("no {transport} in {found:?}"))["topics"].clone()
    };
    assert_eq!(of("sse"), json!(["a"]));
    assert_eq!(of("signals"), json!(["$signal/counter"]));
    assert_eq!(of("websocket"), json!(["*"]));
    assert_eq!(of("mercure"), json!(["b", "https://example.com/{id}"]));
}

#[test]
fn connections_are_filtered_by_topic_user_and_address() {
    let server = start(&["--token-key", SECRET]);
    let _streams = [
        subscribe(&server, "/events?topic=a", &token_of("anna")),
        subscribe(&server, "/events?topic=b", &token_of("berta")),
        subscribe(&server, "/events?topic=*", &token_of("berta")),
    ];
    let count = |query: &str| connections(&server, query).len();
    assert_eq!(count("topic=a"), 2, "by name and by *");
    assert_eq!(count("topic=c"), 1);
    assert_eq!(count("user=berta"), 2);
    assert_eq!(count("user=berta&topic=a"), 1);
    assert_eq!(count("user=bert"), 0);
    assert_eq!(count("address=127.0.0.1"), 3);
    assert_eq!(count("address=::ffff:127.0.0.1"), 3, "of IPv4 all the same");
    assert_eq!(count("address=192.0.2.1"), 0);
    for (query, code) in [
        ("address=localhost", "invalid_address"),
        ("after=1-2", "invalid_after"),
        ("limit=0", "invalid_limit"),
        ("limit=1001", "invalid_limit"),
        ("topics=a", "unknown_parameter"),
    ] {
        let path = format!("/admin/connections?{query}");
        assert_eq!(refused(&server, &path), (400, code.to_owned()), "{query}");
    }
}

fn page(server: &Server, after: Option<&Value>) -> Value {
    let after = after.map_or_else(String::new, |id| format!("&after={}", id.as_str().unwrap()));
    get(server, &format!("/admin/connections?limit=3{after}"))
}

#[test]
fn pages_have_every_connection_once_though_others_come_and_go() {
    let server = start(&[]);
    let mut streams: Vec<_> = (0..10)
        .map(|number| subscribe(&server, &format!("/events?topic={number}"), ""))
        .collect();
    let mut topics = Vec::new();
    let mut last = page(&server, None);
    loop {
        let found = last["connections"].as_array().unwrap();
        assert!(found.len() <= 3, "{last}");
        topics.extend(
            found
                .iter()
                .map(|one| one["topics"][0].as_str().unwrap().to_owned()),
        );
        let Some(after) = found.last().filter(|_| last["more"] == true) else {
            break;
        };
        let after = after["id"].clone();
        // The one that the next page comes after goes, unless it is one of those that came meanwhile.
        if let Ok(gone) = topics[topics.len() - 1].parse::<usize>() {
            streams[gone] = subscribe(&server, "/events?topic=new", "");
            wait_until("it is gone", || connections_of(&server, gone) == 0);
        }
        last = page(&server, Some(&after));
    }
    let mut listed: Vec<_> = topics.iter().filter(|topic| *topic != "new").collect();
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(listed.len(), 10, "{topics:?}");
}

fn connections_of(server: &Server, topic: usize) -> usize {
    connections(server, &format!("topic={topic}")).len()
}

#[test]
fn at_most_twenty_topics_of_a_connection_are_named() {
    let server = start(&[]);
    let topics: Vec<_> = (10..35).map(|number| format!("topic=t{number}")).collect();
    let _stream = subscribe(&server, &format!("/events?{}", topics.join("&")), "");
    let found = connections(&server, "");
    assert_eq!(found[0]["topics"].as_array().unwrap().len(), 20);
    assert_eq!(found[0]["topics_total"], 25);
}

#[test]
fn a_client_that_does_not_read_is_shown_as_behind() {
    let server = start(&["--socket-buffer-bytes", "4096", "--stall-timeout", "10m"]);
    let mut narrow = server.connect_narrow(4 << 10);
    std::io::Write::write_all(
        &mut narrow,
        b"GET /events?topic=a HTTP/1.1\r\nHost: localhost\r\n\r\n",
    )
    .unwrap();
    wait_until("it is listed", || {
        connections(&server, "topic=a").len() == 1
    });
    let data = "x".repeat(200 << 10);
    wait_until("it is behind", || {
        server.publish("a", &data);
        connections(&server, "")[0]["behind"].as_u64() > Some(2)
    });
    let id = only(&server, "topic=a");
    assert_eq!(only(&server, ""), id);
    // Another one is not.
    let _reader = subscribe(&server, "/events?topic=b", "");
    assert_eq!(connections(&server, "topic=b")[0]["behind"], 0);
}
