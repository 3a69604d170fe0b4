//! Where a stream begins, and that a cut at any moment loses and repeats nothing.

use std::{
    collections::HashSet,
    io::Write,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jiff::{Timestamp, tz::Offset};

use crate::support::{Server, Stream, wait_until};

/// A stream whose request is these bytes, which need not be text.
fn open_raw(server: &Server, request: &[u8]) -> Stream {
    let mut socket = server.connect();
    socket.write_all(request).unwrap();
    Stream::open(socket)
}

fn numbers(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

/// Milliseconds and sequence number.
fn parse(id: &str) -> (u64, u64) {
    let (ms, sequence) = id.split_once('-').expect("an id");
    (ms.parse().expect("an id"), sequence.parse().expect("an id"))
}

#[test]
fn a_resume_continues_after_its_id_in_header_or_query_and_the_header_wins() {
    let server = Server::start(&[]);
    let ids = server.publish_all("a", numbers(0..6));
    let header = |id: &str| format!("Last-Event-ID: {id}");
    for name in [
        "last_event_id",
        "lastEventId",
        "lastEventID",
        "Last-Event-ID",
    ] {
        let path = format!("/events?topic=a&{name}={}", ids[3]);
        let mut stream = server.subscribe(&path);
        assert_eq!(
            stream.next().unwrap().id,
            ids[3],
            "connected where the id is"
        );
        assert_eq!(stream.data(2), ["4", "5"], "{name}");
        let mut stream = server.subscribe_with(&path, &header(&ids[1]));
        assert_eq!(stream.next().unwrap().name, "connected");
        assert_eq!(stream.data(4), ["2", "3", "4", "5"]);
        let mut stream = server.subscribe_with(&path, "Last-Event-ID:");
        assert_eq!(stream.data(2), ["4", "5"], "an empty header is none");
    }
    let path = format!(
        "/events?topic=a&since=earliest&last=1&lastEventId={}",
        ids[4]
    );
    assert_eq!(
        server.subscribe(&path).data(1),
        ["5"],
        "an id wins over since and last"
    );
    let mut fresh = server.subscribe_with("/events?topic=a&lastEventId=", "Last-Event-ID:");
    assert_eq!(fresh.until("connected").id, ids[5]);
}

#[test]
fn a_replay_begins_at_the_requested_start() {
    let server = Server::start(&["--history-events", "20"]);
    let ids = server.publish_all("a", numbers(0..5));
    server.publish("b", "b");
    let replay = |query: &str| server.subscribe(&format!("/events?topic=a&{query}"));
    for query in ["since=earliest", "since=10m", "last=5", "last=9"] {
        let mut stream = replay(query);
        assert_eq!(
            stream.next().unwrap().name,
            "connected",
            "{query} is no gap"
        );
        assert_eq!(stream.data(5), numbers(0..5), "{query}");
    }
    assert_eq!(replay("last=2").data(2), ["3", "4"]);
    let mut stream = replay(&format!("since={}", ids[1]));
    assert_eq!(stream.until("connected").id, ids[1]);
    assert_eq!(stream.data(3), ["2", "3", "4"]);
    let mut nothing = replay("since=2999-01-01T00:00:00Z");
    nothing.until("connected");
    server.publish("a", "live");
    assert_eq!(nothing.data(1), ["live"]);
    // More than history holds: what was asked for is not all there any more.
    (0..4).for_each(|_| drop(server.publish_all("a", numbers(0..5))));
    assert_eq!(replay("since=10m").next().unwrap().name, "gap");
    assert_eq!(replay("since=earliest").next().unwrap().name, "connected");
}

#[test]
fn since_is_the_same_instant_in_every_zone_and_unit() {
    let server = Server::start(&[]);
    let (before, _) = parse(&server.publish("a", "before"));
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    wait_until("another millisecond", || {
        now() > Duration::from_millis(before + 1)
    });
    let (at, _) = parse(&server.publish("a", "at"));
    let begins_with = |since: &str, data: &str| {
        let mut stream = server.subscribe(&format!("/events?topic=a&since={since}"));
        assert_eq!(
            stream.next().unwrap().name,
            "connected",
            "{since} is no gap"
        );
        assert_eq!(stream.data(1), [data], "{since}");
    };
    // An event's own moment may have been later in its millisecond.
    let time = Timestamp::from_nanosecond(i128::from(at) * 1_000_000 + 999_999).unwrap();
    for seconds in [0, 3_600, -18_000, 19_800, 64_800, -64_800] {
        let offset = Offset::from_seconds(seconds).unwrap();
        let since = time.display_with_offset(offset).to_string();
        begins_with(&since, "at");
        begins_with(&since.replace('+', "%2B"), "at");
        begins_with(&since.replace('+', "%20").replace('T', "+"), "at");
    }
    let utc = time.to_string();
    begins_with(utc.trim_end_matches('Z'), "at");
    begins_with(&utc.to_lowercase(), "at");
    begins_with(&at.to_string(), "at");
    begins_with(&format!("{}.{:03}999", at / 1_000, at % 1_000), "at");
    begins_with("0", "before");
    begins_with("1970-01-01T00:00Z", "before");
}

#[test]
fn a_stream_until_head_sends_a_position_at_the_head() {
    let server = Server::start(&[]);
    let ids = server.publish_all("a", numbers(0..3));
    let path = "/events?topic=a&since=earliest&until=head";
    let mut stream = server.subscribe(path);
    assert_eq!(stream.header("event-head"), Some(ids[2].as_str()));
    assert_eq!(
        stream.data(3),
        numbers(0..3),
        "whose last event is the head itself"
    );
    let head = server.publish("b", "x");
    let mut stream = server.subscribe(path);
    assert_eq!(stream.header("event-head"), Some(head.as_str()));
    assert_eq!(stream.data(3), numbers(0..3));
    let position = stream.next().unwrap();
    assert_eq!((position.name.as_str(), position.id), ("position", head));
    // It stays open for those who want to go on.
    server.publish("a", "later");
    assert_eq!(stream.data(1), ["later"]);
}

#[test]
fn garbage_as_an_id_is_a_gap_and_everything_from_the_oldest() {
    let server = Server::start(&["--history-events", "20"]);
    let ids: Vec<_> = (0..6)
        .flat_map(|_| server.publish_all("a", numbers(0..5)))
        .collect();
    let long = "x".repeat(3_000);
    let brought: [&[u8]; 6] = [
        b"garbage",
        b"\xff\xfe\x80",
        b"0-0",
        b"99999999999999-1",
        "üml\u{1f600}".as_bytes(),
        long.as_bytes(),
    ];
    for id in brought {
        let request = [
            b"GET /events?topic=a HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: ",
            id,
            b"\r\n\r\n",
        ];
        let mut stream = open_raw(&server, &request.concat());
        let gap = stream.next().unwrap();
        assert_eq!(
            (gap.name.as_str(), &gap.id),
            ("gap", &ids[9]),
            "before the oldest"
        );
        let data: serde_json::Value = serde_json::from_str(&gap.data).unwrap();
        assert_eq!(data["oldest"], ids[10].as_str());
        let requested = data["requested"].as_str().unwrap();
        assert!(!requested.is_empty() && String::from_utf8_lossy(id).starts_with(requested));
        assert_eq!(stream.next().unwrap().name, "connected");
        let events: Vec<_> = (0..20).map(|_| stream.next().unwrap().id).collect();
        assert_eq!(events, ids[10..]);
    }
    assert_eq!(server.metric("gaps_total"), 6);
}

#[test]
fn an_id_of_another_server_is_a_gap() {
    let (server, other) = (Server::start(&[]), Server::start(&[]));
    let foreign = other.publish("a", "there");
    let mut empty = server.subscribe_with("/events?topic=a", &format!("Last-Event-ID: {foreign}"));
    let gap = empty.next().unwrap();
    assert_eq!(
        gap.data,
        format!(r#"{{"requested":"{foreign}","oldest":null}}"#)
    );
    let id = server.publish("a", "here");
    let mut stream = server.subscribe_with("/events?topic=a", &format!("Last-Event-ID: {foreign}"));
    let gap = stream.next().unwrap();
    assert_eq!(
        gap.data,
        format!(r#"{{"requested":"{foreign}","oldest":"{id}"}}"#)
    );
    assert_eq!(stream.data(1), ["here"]);
    assert_eq!(empty.data(1), ["here"]);
}

#[test]
fn a_cut_at_any_message_of_a_replay_loses_and_repeats_nothing() {
    let server = Server::start(&["--history-events", "600"]);
    let ids: Vec<_> = (0..7)
        .flat_map(|_| server.publish_all("a", numbers(0..100)))
        .collect();
    // Right after the gap, right after `connected`, and in and between the chunks of a replay.
    for messages in [
        1, 2, 3, 4, 100, 256, 257, 258, 259, 260, 400, 514, 515, 601, 602,
    ] {
        let mut first = server.subscribe_with("/events?topic=a", "Last-Event-ID: garbage");
        let read: Vec<_> = (0..messages).map(|_| first.next().unwrap()).collect();
        let last_id = first.last_id.clone();
        drop(first);
        let mut second =
            server.subscribe_with("/events?topic=a", &format!("Last-Event-ID: {last_id}"));
        let rest = std::iter::from_fn(|| second.next());
        // `connected` comes again, and is the first; nothing else of ours does.
        let rest: Vec<_> = rest.take(1 + 602 - messages.max(2)).collect();
        assert_eq!(
            rest.first().map(|message| message.name.as_str()),
            Some("connected")
        );
        let all = read.iter().chain(&rest);
        let gaps = all.clone().filter(|message| message.name == "gap").count();
        let events: Vec<_> = all.filter(|message| message.name.is_empty()).collect();
        assert_eq!((gaps, events.len()), (1, 600), "cut after {messages}");
        assert!(
            events.iter().map(|event| &event.id).eq(&ids[100..]),
            "cut after {messages}"
        );
    }
}

#[test]
fn an_event_published_between_a_cut_and_the_resume_comes_exactly_once() {
    let server = Server::start(&[]);
    let mut seen = Vec::new();
    let mut last_id = "garbage".to_owned();
    let mut gaps = 0;
    for round in 0..30 {
        server.publish("a", &round.to_string());
        server.publish("b", "not asked for");
        let mut stream =
            server.subscribe_with("/events?topic=a", &format!("Last-Event-ID: {last_id}"));
        // One message more each time, so that every kind is the last before a cut.
        for _ in 0..=round % 4 {
            if seen.len() > round {
                break;
            }
            let message = stream.next().unwrap();
            gaps += usize::from(message.name == "gap");
            seen.extend((message.name.is_empty()).then_some(message.data));
        }
        last_id.clone_from(&stream.last_id);
    }
    let left = 30 - seen.len();
    let mut stream = server.subscribe_with("/events?topic=a", &format!("Last-Event-ID: {last_id}"));
    seen.extend(stream.data(left));
    assert_eq!((seen, gaps), (numbers(0..30), 1));
}

#[test]
fn a_stream_of_a_quiet_topic_is_sent_its_position_while_history_is_replaced() {
    const WINDOW: usize = 200;
    let server = Server::start(&["--history-events", &WINDOW.to_string()]);
    let mut stream = server.subscribe("/events?topic=quiet");
    let first = server.publish("quiet", "first");
    assert_eq!(stream.event().unwrap().id, first);
    let mut positions = HashSet::new();
    for _ in 0..10 {
        let ids: Vec<_> = (0..8)
            .flat_map(|_| server.publish_all("loud", numbers(0..WINDOW / 8)))
            .collect();
        // Whatever comes, it is never told of more than the last three quarters of the window late.
        while parse(&stream.last_id) < parse(&ids[WINDOW / 4]) {
            let message = stream.next().unwrap();
            let data = format!(r#"{{"id":"{}"}}"#, message.id);
            assert_eq!((message.name.as_str(), message.data), ("position", data));
            assert!(positions.insert(message.id), "the same position twice");
        }
    }
    let last_id = stream.last_id.clone();
    drop(stream);
    server.publish("quiet", "second");
    let resume =
        |id: &str| server.subscribe_with("/events?topic=quiet", &format!("Last-Event-ID: {id}"));
    assert_eq!(
        resume(&first).next().unwrap().name,
        "gap",
        "its event is long gone"
    );
    let mut stream = resume(&last_id);
    assert_eq!(stream.next().unwrap().name, "connected");
    assert_eq!(stream.next().unwrap().data, "second");
}
