//! Streams that are compressed (`Accept-Encoding: gzip`). The suites of streams run over such once more
//! (`TEST_STREAMS=compressed`).

use std::io::Write as _;

use serde_json::json;

use crate::support::{End, Server, Stream};

const VARY: &str = "Accept-Encoding, Available-Dictionary";
const GZIP: &str = "Accept-Encoding: gzip, deflate, br, zstd";

/// A fragment as Datastar sends it.
fn fragment(number: usize) -> String {
    let row = |n: usize| {
        format!(
            "elements <tr id=\"row-{n}\"><td class=\"name\">Share {n}</td><td>{}</td></tr>\n",
            n * number
        )
    };
    (0..20).map(row).collect()
}

#[test]
fn a_client_that_accepts_gzip_gets_it_and_caches_are_told() {
    let server = Server::start(&[]);
    for (lines, coding) in [
        (GZIP, Some("gzip")),
        ("Accept-Encoding: gzip;q=0.1", Some("gzip")),
        ("Accept-Encoding: gzip;q=0, zstd", None),
        ("Accept-Encoding: br, deflate", None),
        ("Accept-Encoding: identity", None),
    ] {
        let stream = server.subscribe_with("/events", lines);
        assert_eq!(stream.header("content-encoding"), coding, "{lines}");
        assert_eq!(stream.header("vary"), Some(VARY), "{lines}");
        let head = server.request(&format!("HEAD /events HTTP/1.1\n{lines}"), b"");
        assert_eq!(head.header("content-encoding"), coding, "{lines}");
    }
    let off = Server::start(&["--compress", "off"]);
    let stream = off.subscribe_with("/events", GZIP);
    assert_eq!(stream.header("content-encoding"), None);
    assert_eq!(stream.header("vary"), None);
}

/// The text of a compressed stream is that of a plain one, whatever is on it.
#[test]
fn a_compressed_stream_has_the_text_of_a_plain_one_and_no_event_waits_for_the_next() {
    let server = Server::start(&["--compress", "auto"]);
    let paths = [
        "/events?topic=t",
        "/events?topic=t&format=json",
        "/events?topic=t&heartbeat=1s",
    ];
    let open = |lines| paths.map(|path| server.subscribe_with(path, lines));
    let (mut plain, mut compressed) = (open("Accept-Encoding: identity"), open(GZIP));
    let data = [
        "short".to_owned(),
        fragment(3),
        String::new(),
        "a\r\nb\nc".to_owned(),
        "x".repeat(300_000),
        fragment(7).repeat(40),
    ];
    for data in &data {
        let id = server.publish("t", data);
        for (plain, compressed) in plain.iter_mut().zip(&mut compressed) {
            let event = compressed.event().unwrap();
            assert_eq!(event.id, id);
            assert_eq!(Some(event), plain.event());
        }
    }
}

#[test]
fn a_compressed_replay_has_every_event_once_and_goes_on_live() {
    let server = Server::start(&[]);
    let ids = server.publish_all("t", (0..3_000).map(|n| format!("{n} {}", fragment(n % 7))));
    let resumed = format!("/events?topic=t&last_event_id={}", ids[99]);
    let mut stream = server.subscribe_with(&resumed, GZIP);
    let live = server.publish("t", "live");
    for id in ids[100..].iter().chain([&live]) {
        assert_eq!(stream.event().unwrap().id, *id);
    }
    assert_eq!(stream.header("content-encoding"), Some("gzip"));
}

#[test]
fn a_compressed_stream_tells_of_a_gap_and_of_its_end() {
    let mut server = Server::start(&["--history-events", "100"]);
    let first = server.publish("t", "first");
    for _ in 0..10 {
        server.publish_all("t", (0..20).map(|n| n.to_string()));
    }
    let resumed = format!("/events?topic=t&last_event_id={first}");
    let mut stream = server.subscribe_with(&resumed, GZIP);
    let gap = stream.until("gap");
    assert!(gap.data.contains(&first), "{}", gap.data);
    stream.data(100);
    server.signal("-TERM");
    stream.drain_to_farewell();
    assert_eq!(stream.end, Some(End::Cut));
    server.wait();
}

#[test]
fn documents_and_patches_of_signals_are_compressed() {
    let server = Server::start(&[]);
    let document =
        json!({ "rows": (0..500).map(|n| json!({ "n": n, "open": true })).collect::<Vec<_>>() });
    let put = "PUT /signals/rows HTTP/1.1\nContent-Type: application/json";
    let created = server.request(put, document.to_string().as_bytes());
    assert_eq!(created.status, 201, "{created:?}");
    for format in ["patch", "datastar"] {
        let mut stream =
            server.subscribe_with(&format!("/signals?name=rows&format={format}"), GZIP);
        assert_eq!(stream.header("content-encoding"), Some("gzip"));
        let first = stream.event().unwrap();
        assert!(first.data.contains("\"n\":499"), "{}", first.data);
    }
    let mut stream = server.subscribe_with("/signals?name=rows", GZIP);
    stream.event().unwrap();
    let patch = "PATCH /signals/rows HTTP/1.1\nContent-Type: application/merge-patch+json";
    server.request(patch, b"{\"closed\":1}");
    assert!(stream.event().unwrap().data.contains("/closed"));
}

#[test]
fn a_fragment_takes_a_sixth_of_its_bytes() {
    let server = Server::start(&[]);
    let data = fragment(5).repeat(2);
    let mut stream = server.subscribe_with("/events?topic=t", GZIP);
    stream.until("connected");
    let before = server.metric("sent_bytes_total");
    server.publish("t", &data);
    assert_eq!(stream.event().unwrap().data, data);
    let sent = usize::try_from(server.metric("sent_bytes_total") - before).unwrap();
    assert!(sent * 6 <= data.len(), "{sent} of {}", data.len());
}

#[test]
fn an_older_client_gets_a_compressed_stream_without_chunks() {
    let server = Server::start(&[]);
    let mut socket = server.connect();
    write!(
        socket,
        "GET /events?topic=t HTTP/1.0\r\nHost: localhost\r\n{GZIP}\r\n\r\n"
    )
    .unwrap();
    let mut stream = Stream::open(socket);
    assert_eq!(stream.header("transfer-encoding"), None);
    server.publish("t", &fragment(3));
    assert_eq!(stream.data(1), [fragment(3)]);
}
