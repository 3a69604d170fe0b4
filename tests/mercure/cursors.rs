//! Where streams of the hub resume, and what their responses say of it.

use super::{HUB, get, hub, publish, subscribe, subscribe_with, subscriber};
use crate::support::{Server, Stream};

const REPLIES: [&str; 2] = ["last-event-id", "mercure-last-event-id"];

fn reply(stream: &Stream) -> Option<&str> {
    let [zero, one] = REPLIES.map(|name| stream.header(name));
    assert_eq!(zero, one);
    zero
}

fn five(server: &Server) -> Vec<String> {
    let forms = ["", "&id=own", "", "&id=own", "&id=urn%3Auuid%3A5"];
    let forms = forms.iter().enumerate();
    forms
        .map(|(number, id)| publish(server, &format!("topic=a&data={number}{id}")))
        .collect()
}

#[test]
fn a_stream_resumes_after_any_id_that_it_was_sent_and_the_first_of_equal_ones_counts() {
    for arguments in [&[][..], &["--no-direct"]] {
        let server = hub(arguments);
        let ids = five(&server);
        assert_eq!(ids[1], "own");
        for (index, rest) in [(0, 1), (1, 2), (2, 3), (3, 2), (4, 5)] {
            let id = &ids[index];
            let expected: Vec<_> = (rest..5).map(|number| number.to_string()).collect();
            let names = ["lastEventID", "last_event_id", "Last-Event-ID"];
            let queries = names.map(|name| (format!("topic=a&{name}={id}"), String::new()));
            let header = ("topic=a".to_owned(), format!("Last-Event-ID: {id}"));
            for (query, lines) in queries.into_iter().chain([header]) {
                let mut stream = subscribe_with(&server, &query, &lines);
                assert_eq!(reply(&stream), Some(&id[..]), "{query}");
                assert_eq!(stream.data(expected.len()), expected, "{query}");
            }
        }
        let mut last = subscribe(&server, &format!("topic=a&lastEventID={}", ids[4]));
        publish(&server, "topic=a&data=live");
        assert_eq!(last.data(1), ["live"]);
    }
}

#[test]
fn an_unknown_id_replays_nothing_and_earliest_replays_all() {
    let server = hub(&[]);
    five(&server);
    let uuid = "urn:uuid:0193478d-5c00-7000-8000-000000000000";
    for cursor in ["unknown", uuid, "", "%23x"] {
        let mut stream = subscribe(&server, &format!("topic=a&lastEventID={cursor}"));
        assert_eq!(reply(&stream), Some("earliest"), "{cursor}");
        publish(&server, &format!("topic=a&data=live-{}", cursor.len()));
        assert_eq!(stream.data(1), [format!("live-{}", cursor.len())]);
    }
    let mut all = subscribe(&server, "topic=a&last_event_id=earliest");
    assert_eq!(reply(&all), Some("earliest"));
    assert_eq!(all.data(5), ["0", "1", "2", "3", "4"]);
}

#[test]
fn the_header_beats_the_query_and_without_a_cursor_there_is_no_reply() {
    let server = hub(&[]);
    let ids = five(&server);
    let header = format!("Last-Event-ID: {}", ids[2]);
    let query = format!("topic=a&lastEventID={}", ids[0]);
    let mut stream = subscribe_with(&server, &query, &header);
    assert_eq!(reply(&stream), Some(&ids[2][..]));
    assert_eq!(stream.data(2), ["3", "4"]);
    let stream = subscribe(&server, "topic=a");
    assert_eq!(reply(&stream), None);
    // An empty query cursor is one that was sent.
    let stream = subscribe(&server, "topic=a&last_event_id=");
    assert_eq!(reply(&stream), Some("earliest"));
}

#[test]
fn an_id_that_history_has_dropped_is_unknown() {
    let server = hub(&["--history-events", "20"]);
    let old = publish(&server, "topic=a&id=old");
    let position = publish(&server, "topic=a");
    for number in 0..40 {
        publish(&server, &format!("topic=a&data={number}"));
    }
    for id in [old, position] {
        let stream = subscribe(&server, &format!("topic=a&lastEventID={id}"));
        assert_eq!(reply(&stream), Some("earliest"));
    }
}

#[test]
fn the_own_id_of_a_private_event_is_unknown_to_those_who_may_not_read_it() {
    let server = hub(&["--mercure-anonymous"]);
    publish(&server, "topic=a&id=secret-order&private=on&data=1");
    publish(&server, "topic=a&data=2");
    let path = format!("{HUB}?topic=a&lastEventID=secret-order");
    let response = server.subscribe(&path);
    assert_eq!(reply(&response), Some("earliest"));
    let mut granted = server.subscribe_with(&path, &subscriber(&["a"]));
    assert_eq!(reply(&granted), Some("secret-order"));
    assert_eq!(granted.data(1), ["2"]);
    let mut all = server.subscribe(&format!("{HUB}?topic=a&lastEventID=earliest"));
    assert_eq!(all.data(1), ["2"]);
}

#[test]
fn ids_of_the_publisher_survive_a_restart_with_a_log_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    // The window holds less than the log, which is then searched.
    let arguments = ["--data-dir", data, "--window-events", "20"];
    let server = hub(&arguments);
    publish(&server, "topic=a&id=old&data=0");
    for number in 1..=60 {
        publish(&server, &format!("topic=a&id=id-{number}&data={number}"));
    }
    server.signal("-INT");
    drop(server);
    let server = hub(&[&arguments[..], &["--data-dir-wait", "30s"]].concat());
    for (id, next) in [("old", "1"), ("id-30", "31"), ("id-59", "60")] {
        let mut stream = subscribe(&server, &format!("topic=a&lastEventID={id}"));
        assert_eq!(reply(&stream), Some(id));
        assert_eq!(stream.data(1), [next]);
    }
    let unknown = get(&server, &format!("{HUB}?topic=a&lastEventID=x"), "");
    assert_eq!(unknown.status, 401);
}
