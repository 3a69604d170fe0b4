//! `GET /admin/topics`.

use serde_json::{Value, json};

use super::{get, refused, start, subscribe};
use crate::{
    mercure,
    support::{Server, tokens::bearer, wait_until},
};

/// The first page of this query that has this property; a list is used again for a second.
fn topics(server: &Server, query: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let mut page = Value::Null;
    wait_until("the list is as of now", || {
        page = get(server, &format!("/admin/topics?{query}"));
        is_it(&page)
    });
    page
}

fn names(page: &Value) -> Vec<&str> {
    let topics = page["topics"].as_array().unwrap();
    topics
        .iter()
        .map(|topic| topic["name"].as_str().unwrap())
        .collect()
}

#[test]
fn topics_have_their_subscribers_their_rate_and_their_last_event() {
    let server = start(&[]);
    let _streams = [
        subscribe(&server, "/events?topic=a&topic=quiet", ""),
        subscribe(&server, "/events?topic=a", ""),
        subscribe(&server, "/events?topic=*", ""),
        subscribe(&server, "/signals?name=counter", ""),
    ];
    server.publish("a", "1");
    let last = server.publish("b", "2");
    server.publish_all("c", (0..30).map(|number| number.to_string()));
    let page = topics(&server, "", |page| page["total"] == 4);
    assert_eq!(names(&page), ["a", "quiet", "b", "c"]);
    let [a, quiet, b, c] = [0, 1, 2, 3].map(|at| &page["topics"][at]);
    assert_eq!(
        (&a["subscribers"], &a["events_per_minute"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(quiet["subscribers"], 1);
    assert!(quiet["last_id"].is_null(), "{page}");
    assert_eq!(b["last_id"], json!(last));
    assert_eq!(c["events_per_minute"], 30);
    assert_eq!((&page["every"], &page["patterns"]), (&json!(1), &json!(0)));
    assert_eq!(
        (&page["more"], &page["complete"]),
        (&json!(false), &json!(true))
    );
}

#[test]
fn topics_are_sorted_and_listed_page_by_page_and_by_prefix() {
    let server = start(&[]);
    let _stream = subscribe(&server, "/events?topic=b2", "");
    for (topic, events) in [("a1", 1), ("a2", 3), ("b1", 2)] {
        server.publish_all(topic, (0..events).map(|number| number.to_string()));
    }
    let all = |page: &Value| page["total"] == 4;
    let sorted = |sort: &str| {
        let page = topics(&server, &format!("sort={sort}"), all);
        names(&page).join(" ")
    };
    assert_eq!(sorted("name"), "a1 a2 b1 b2");
    assert_eq!(sorted("rate"), "a2 b1 a1 b2");
    assert_eq!(sorted("subscribers"), "b2 a1 a2 b1");
    let page = topics(&server, "sort=name&limit=2&offset=1", all);
    assert_eq!(
        (names(&page), &page["more"]),
        (vec!["a2", "b1"], &json!(true))
    );
    let page = topics(&server, "sort=name&limit=2&offset=2", all);
    assert_eq!(
        (names(&page), &page["more"]),
        (vec!["b1", "b2"], &json!(false))
    );
    let page = topics(&server, "sort=name&offset=9", all);
    assert_eq!(names(&page), [""; 0]);
    let page = topics(&server, "prefix=b", |page| page["total"] == 2);
    assert_eq!(names(&page), ["b2", "b1"]);
    for (query, code) in [
        ("sort=size", "invalid_sort"),
        ("limit=0", "invalid_limit"),
        ("limit=1001", "invalid_limit"),
        ("offset=-1", "invalid_offset"),
        ("sorts=name", "unknown_parameter"),
    ] {
        let path = format!("/admin/topics?{query}");
        assert_eq!(refused(&server, &path), (400, code.to_owned()), "{query}");
    }
}

#[test]
fn subscribers_by_patterns_are_counted_beside_the_list() {
    let server = mercure::hub(&["--admin-key", super::KEY]);
    let lines = bearer(super::KEY);
    let path = format!("{}?topic=https://example.com/users/{{id}}", mercure::HUB);
    let _stream = server.subscribe_with(&path, &lines);
    let page = topics(&server, "", |page| page["patterns"] == 1);
    assert_eq!((&page["total"], &page["every"]), (&json!(0), &json!(0)));
}
