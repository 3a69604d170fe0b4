//! `GET /signals`: what a stream begins with, and its formats, on both connection paths.

use serde_json::json;

use crate::{
    signals::page::{Block, Page, blocks},
    signals::requests::{ask, put},
    support::{Server, Stream},
};

/// What the stream begins with behind its reconnection time, up to the word that it is connected.
fn beginning(stream: &mut Stream) -> String {
    let text = stream.text_until("event: connected\n");
    stream.text_until("\n\n");
    let (retry, text) = text.split_once('\n').unwrap();
    assert!(retry.starts_with("retry: "), "{retry}");
    text.trim_end_matches("event: connected\n").to_owned()
}

#[test]
fn each_document_comes_whole_and_without_an_id_before_the_first_change() {
    let server = Server::start(&[]);
    put(&server, "a", &json!({"x": [1, 2]}));
    put(&server, "b", &json!("text"));
    let mut stream = server.subscribe("/signals?name=b&name=a");
    assert_eq!(
        beginning(&mut stream),
        "data: {\"name\":\"a\",\"patch\":[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"x\":[1,2]}}]}\n\n\
         data: {\"name\":\"b\",\"patch\":[{\"op\":\"replace\",\"path\":\"\",\"value\":\"text\"}]}\n\n"
    );
    put(&server, "other", &json!(1));
    put(&server, "a", &json!({"x": [1, 3]}));
    let change = stream.event().unwrap();
    assert_eq!((change.name.as_str(), change.id.is_empty()), ("", false));
    assert_eq!(
        change.data,
        r#"{"name":"a","patch":[{"op":"replace","path":"/x/1","value":3}]}"#
    );
}

#[test]
fn a_resumed_stream_of_signals_begins_with_whole_documents_whatever_its_id() {
    let server = Server::start(&[]);
    put(&server, "a", &json!(1));
    let mut stream = server.subscribe("/signals?name=a");
    stream.until("connected");
    put(&server, "a", &json!(2));
    let told = stream.event().unwrap().id;
    put(&server, "a", &json!(3));
    for id in [told.as_str(), "1-1", "garbage"] {
        let mut again = server.subscribe_with("/signals?name=a", &format!("Last-Event-ID: {id}"));
        assert_eq!(
            beginning(&mut again),
            "data: {\"name\":\"a\",\"patch\":[{\"op\":\"replace\",\"path\":\"\",\"value\":3}]}\n\n"
        );
    }
}

#[test]
fn format_event_names_its_events_after_the_signal() {
    let server = Server::start(&[]);
    put(&server, "a", &json!({"x": 1}));
    let mut stream = server.subscribe("/signals?name=a&format=event");
    assert_eq!(
        beginning(&mut stream),
        "event: a\ndata: {\"patch\":[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"x\":1}}]}\n\n"
    );
    put(&server, "a", &json!({"x": 2}));
    let change = stream.event().unwrap();
    assert_eq!(
        (change.name.as_str(), change.data.as_str()),
        ("a", r#"{"patch":[{"op":"replace","path":"/x","value":2}]}"#)
    );
}

#[test]
fn datastar_is_sent_merge_patches_that_also_remove_members() {
    let server = Server::start(&[]);
    put(&server, "a", &json!({"x": 1, "y": {"z": 1}}));
    let path = "/signals?name=a&name=b&format=datastar";
    let mut stream = server.subscribe(path);
    let signals = |text: &str| format!("event: datastar-patch-signals\ndata: signals {text}\n\n");
    assert_eq!(
        beginning(&mut stream),
        signals(r#"{"a":{"x":1,"y":{"z":1}}}"#)
    );
    put(&server, "a", &json!({"y": {}}));
    let change = stream.event().unwrap();
    assert_eq!(change.name, "datastar-patch-signals");
    assert_eq!(change.data, r#"signals {"a":{"x":null,"y":{"z":null}}}"#);
    // What the page says that it holds is taken back where it is gone.
    let held = "%7B%22a%22%3A%7B%22x%22%3A1%2C%22y%22%3A%7B%22z%22%3A1%7D%7D%2C%22own%22%3A1%7D";
    let mut again = server.subscribe(&format!("{path}&datastar={held}"));
    assert_eq!(
        beginning(&mut again),
        signals(r#"{"a":{"x":null,"y":{"z":null}}}"#)
    );
    // Whoever had that change has nothing to lose.
    let mut back = server.subscribe_with(path, &format!("Last-Event-ID: {}", change.id));
    assert_eq!(beginning(&mut back), signals(r#"{"a":{"y":{}}}"#));
}

/// The data of the `datastar-patch-signals` that a stream begins with, and whether a gap stands before.
fn datastar(stream: &mut Stream) -> (bool, Vec<String>) {
    let text = beginning(stream);
    let (found, rest) = blocks(&text);
    assert_eq!(rest, "");
    let is_gap = |block: &&Block| block.event.as_deref() == Some("gap");
    let patches = found.iter().skip_while(is_gap).map(|block| {
        assert_eq!(block.event.as_deref(), Some("datastar-patch-signals"));
        assert_eq!(block.id, None);
        block.data.strip_prefix("signals ").unwrap().to_owned()
    });
    (found.iter().any(|block| is_gap(&block)), patches.collect())
}

const DATASTAR: &str = "/signals?name=a&name=b&format=datastar";

#[test]
fn datastar_that_resumes_is_sent_the_whole_document_with_nulls_for_members_removed_since_its_id() {
    let server = Server::start(&[]);
    put(
        &server,
        "a",
        &json!({"x": 1, "y": {"z": 1, "w": [1]}, "v": {"u": 1}, "t": 1}),
    );
    put(&server, "b", &json!({"m": 1}));
    let mut stream = server.subscribe(DATASTAR);
    stream.until("connected");
    put(&server, "b", &json!({"m": 2}));
    let id = stream.event().unwrap().id;
    let back =
        |id: &str| datastar(&mut server.subscribe_with(DATASTAR, &format!("Last-Event-ID: {id}")));
    let whole = r#"{"a":{"t":1,"v":{"u":1},"x":1,"y":{"w":[1],"z":1}}}"#;
    assert_eq!(
        back(&id),
        (false, vec![whole.into(), r#"{"b":{"m":2}}"#.into()])
    );
    // A member removed and there again, one removed within another, and one below a value that is a
    // number for a while; and a signal that is removed and there again as another.
    for document in [
        json!({"y": {"w": 2}, "v": 7, "t": 1}),
        json!({"x": 3, "y": {"w": 3}, "v": {"s": 1}, "t": 1}),
    ] {
        put(&server, "a", &document);
    }
    assert_eq!(ask(&server, "DELETE", "b", &[], "").status, 204);
    put(&server, "b", &json!({"n": 1}));
    let whole = r#"{"a":{"t":1,"v":{"s":1,"u":null},"x":3,"y":{"w":3,"z":null}}}"#;
    assert_eq!(
        back(&id),
        (
            false,
            vec![whole.into(), r#"{"b":{"m":null,"n":1}}"#.into()]
        )
    );
    assert_eq!(ask(&server, "DELETE", "b", &[], "").status, 204);
    assert_eq!(back(&id).1[1..], [r#"{"b":null}"#.to_owned()]);
}

#[test]
fn every_spelling_of_a_last_event_id_in_the_query_resumes_a_stream_of_signals() {
    let server = Server::start(&[]);
    put(&server, "a", &json!({"x": 1, "y": 1}));
    let mut stream = server.subscribe(DATASTAR);
    let id = stream.until("connected").id;
    put(&server, "a", &json!({"x": 2}));
    let expected = (false, vec![r#"{"a":{"x":2,"y":null}}"#.to_owned()]);
    for spelling in [
        "last_event_id",
        "lastEventId",
        "lastEventID",
        "Last-Event-ID",
    ] {
        let path = format!("{DATASTAR}&{spelling}={id}");
        assert_eq!(
            datastar(&mut server.subscribe(&path)),
            expected,
            "{spelling}"
        );
    }
    // The header is newer than the address.
    let path = format!("{DATASTAR}&last_event_id=1-1");
    let mut both = server.subscribe_with(&path, &format!("Last-Event-ID: {id}"));
    assert_eq!(datastar(&mut both), expected);
}

#[test]
fn datastar_whose_changes_history_lost_is_sent_a_gap_and_nulls_only_for_the_members_it_sent() {
    let server = Server::start(&["--history-events", "16"]);
    put(&server, "a", &json!({"x": 1, "y": 1}));
    let mut stream = server.subscribe(DATASTAR);
    let id = stream.until("connected").id;
    put(&server, "a", &json!({"x": 2}));
    for n in 0..40 {
        server.publish("other", &n.to_string());
    }
    let whole = (true, vec![r#"{"a":{"x":2}}"#.to_owned()]);
    for id in [id.as_str(), "1-1", "garbage"] {
        let mut back = server.subscribe_with(DATASTAR, &format!("Last-Event-ID: {id}"));
        assert_eq!(datastar(&mut back), whole, "{id}");
    }
    // {"a":{"x":1,"y":1,"unread":""},"b":{"made up":1}}
    let held = "%7B%22a%22%3A%7B%22x%22%3A1%2C%22y%22%3A1%2C%22unread%22%3A%22%22%7D%2C%22b%22%3A%7B%22made%20up%22%3A1%7D%7D";
    let mut back = server.subscribe_with(
        &format!("{DATASTAR}&datastar={held}"),
        &format!("Last-Event-ID: {id}"),
    );
    assert_eq!(
        datastar(&mut back),
        (true, vec![r#"{"a":{"x":2,"y":null}}"#.to_owned()])
    );
}

#[test]
fn a_name_without_a_document_is_not_sent_as_deleted_unless_its_end_was_missed() {
    let server = Server::start(&[]);
    for format in ["patch", "event", "datastar"] {
        let path = format!("/signals?name=a&name=none&format={format}");
        put(&server, "a", &json!(1));
        let mut first = server.subscribe(&path);
        let begun = beginning(&mut first);
        assert_eq!(blocks(&begun).0.len(), 1, "{begun}");
        put(&server, "a", &json!(2));
        let id = first.event().unwrap().id;
        let back = || beginning(&mut server.subscribe_with(&path, &format!("Last-Event-ID: {id}")));
        let begun = back();
        assert_eq!(blocks(&begun).0.len(), 1, "{begun}");
        ask(&server, "DELETE", "a", &[], "");
        let end = match format {
            "datastar" => "event: datastar-patch-signals\ndata: signals {\"a\":null}\n\n",
            _ => "event: deleted\ndata: {\"name\":\"a\"}\n\n",
        };
        assert_eq!(back(), end);
    }
}

#[test]
fn an_invalid_stream_of_signals_is_rejected_and_a_head_request_responds_at_once() {
    let server = Server::start(&["--no-direct"]);
    let many: Vec<_> = (0..101).map(|n| format!("name=n{n}")).collect();
    for (query, code) in [
        ("name=", "no_signals"),
        ("name=a*", "invalid_signal"),
        ("name=.", "invalid_signal"),
        ("name=..", "invalid_signal"),
        ("name=connected", "invalid_signal"),
        ("name=a&format=xml", "invalid_format"),
        ("name=a&name=error&format=event", "invalid_signal"),
        (&many.join("&"), "too_many_signals"),
    ] {
        let response = server.get(&format!("/signals?{query}"));
        assert_eq!(
            (response.status, response.code().as_str()),
            (400, code),
            "{query}"
        );
    }
    let head = server.request("HEAD /signals?name=a HTTP/1.1", b"");
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, Some("text/event-stream"))
    );
}

#[test]
fn streams_of_signals_use_the_same_connection_path_as_other_streams() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/signals/?name=a");
    stream.until("connected");
    let direct = u64::from(!crate::support::has_ordinary_streams() && !crate::support::has_http2());
    assert_eq!(server.metric("direct_subscribers"), direct);
    assert_eq!(server.metric("subscribers"), 1);
    drop(stream);
    crate::support::wait_until("it is gone", || server.metric("subscribers") == 0);
}

#[test]
fn a_slow_reader_is_sent_large_documents_whole_and_hundreds_of_changes_in_order() {
    let server = Server::start(&["--history-events", "64"]);
    let names = ["a", "b", "c"];
    for name in names {
        put(
            &server,
            name,
            &json!({"n": 0, "text": name.repeat(100_000)}),
        );
    }
    let mut stream = server.subscribe("/signals?name=a&name=b&name=c");
    for n in 1..=300 {
        let head = format!(
            "PATCH /signals/{} HTTP/1.1\nContent-Type: application/merge-patch+json",
            names[n % 3]
        );
        assert_eq!(
            server
                .request(&head, format!("{{\"n\":{n}}}").as_bytes())
                .status,
            200
        );
    }
    let mut page = Page::default();
    let is_whole = |page: &Page| {
        let last = |name: &str| {
            page.documents
                .get(name)
                .map(|document| document["n"].clone())
        };
        [298, 299, 300]
            .iter()
            .all(|n| last(names[n % 3]) == Some(json!(n)))
    };
    while !is_whole(&page) {
        let text = stream.text_until("\n\n");
        let (found, _) = blocks(&text);
        for block in &found {
            page.take(block);
        }
    }
    for name in names {
        assert_eq!(page.documents[name]["text"], json!(name.repeat(100_000)));
    }
}
