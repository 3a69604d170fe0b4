//! The events that announce subscriptions, and their list.

use serde_json::{Value, json};

use super::{HUB, access_token, get, hub, publish, subscribe, subscriber, subscriber_token};
use crate::support::{Response, Server, Stream, tokens::bearer, wait_until};

pub const ALL: &str = "/.well-known/mercure/subscriptions";
const TOPIC: &str = "https%3A%2F%2Fexample.com%2Fbooks%2F1";

fn with_subscriptions(arguments: &[&str]) -> Server {
    hub(&[&["--mercure-subscriptions"], arguments].concat())
}

pub fn list(server: &Server, path: &str) -> Response {
    get(server, path, &subscriber(&["*"]))
}

pub fn one_token() -> String {
    access_token(&["subscribe"], &json!([{ "match": "*" }]))
}

/// Waits until so many are listed, and returns them.
pub fn wait_for(server: &Server, count: usize) -> Vec<Value> {
    let mut listed = Vec::new();
    wait_until("the subscriptions are listed", || {
        let found = list(server, ALL).json();
        listed = found["subscriptions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        listed.len() == count
    });
    listed
}

#[test]
fn each_subscription_is_announced_in_the_form_of_its_version_when_it_begins_and_ends() {
    for arguments in [&[][..], &["--no-direct"]] {
        let server = with_subscriptions(arguments);
        let mut watcher = subscribe(&server, "topic=*");
        let own = watcher.event().unwrap();
        assert!(own.data.contains("\"topic\":\"*\""), "{own:?}");
        let claims = json!({ "mercure": { "subscribe": ["*"], "payload": { "user": "anna" } } });
        let anna = bearer(&subscriber_token(&claims));
        let stream = server.subscribe_with(&format!("{HUB}?topic={TOPIC}&match={TOPIC}"), &anna);
        let zero = watcher.event().unwrap();
        assert_eq!(zero.name, "");
        let began: Value = serde_json::from_str(&zero.data).unwrap();
        let id = began["id"].as_str().unwrap().to_owned();
        let subscriber = began["subscriber"].as_str().unwrap().to_owned();
        assert_eq!(
            id,
            format!("{ALL}/{TOPIC}/{}", subscriber.replace(':', "%3A"))
        );
        assert_eq!(
            began,
            json!({ "@context": "https://mercure.rocks/", "id": id, "type": "Subscription",
                "subscriber": subscriber, "topic": "https://example.com/books/1", "active": true,
                "payload": { "user": "anna" } })
        );
        let one = watcher.event().unwrap();
        assert_eq!(one.name, "mercure");
        let newer: Value = serde_json::from_str(&one.data).unwrap();
        assert_eq!(
            newer,
            json!({ "id": format!("{ALL}/exact/{TOPIC}/{}", subscriber.replace(':', "%3A")),
                "type": "subscription", "subscriber": subscriber, "match": "https://example.com/books/1",
                "match_type": "exact", "active": true, "payload": { "user": "anna" } })
        );
        drop(stream);
        let ended: Value = serde_json::from_str(&watcher.event().unwrap().data).unwrap();
        assert_eq!(
            (&ended["id"], &ended["active"]),
            (&json!(id), &json!(false))
        );
        let ended: Value = serde_json::from_str(&watcher.event().unwrap().data).unwrap();
        assert_eq!(
            (&ended["match_type"], &ended["active"]),
            (&json!("exact"), &json!(false))
        );
    }
}

#[test]
fn an_announcement_is_private_and_on_the_topic_that_is_its_id() {
    let server = with_subscriptions(&["--mercure-anonymous"]);
    let mut anonymous = server.subscribe(&format!("{HUB}?topic=*"));
    let _other = subscribe(&server, "topic=a");
    wait_for(&server, 2);
    publish(&server, "topic=a&data=public");
    assert_eq!(anonymous.data(1), ["public"]);
}

#[test]
fn the_list_has_the_forms_of_both_versions() {
    let server = with_subscriptions(&[]);
    let empty = list(&server, ALL);
    assert_eq!(empty.header("content-type"), Some("application/ld+json"));
    assert_eq!(empty.header("etag"), Some("earliest"));
    assert_eq!(
        empty.json(),
        json!({ "@context": "https://mercure.rocks/", "id": ALL, "type": "Subscriptions",
            "lastEventID": "earliest", "subscriptions": [] })
    );
    let _first = subscribe(&server, &format!("topic={TOPIC}"));
    let _second = subscribe(&server, &format!("match={TOPIC}&match_exact=b"));
    let listed = wait_for(&server, 3);
    assert!(
        listed
            .iter()
            .all(|one| one.get("@context").is_none() && one.get("topic").is_some())
    );
    let root = get(&server, ALL, &one_token());
    assert_eq!(root.header("content-type"), Some("application/json"));
    let root_json = root.json();
    let newer = root_json["subscriptions"].as_array().unwrap();
    assert_eq!((newer.len(), &newer[0]["match_type"]), (3, &json!("exact")));
    let link = root.header("link").unwrap();
    assert!(link.starts_with("</.well-known/mercure>; rel=\"mercure\"; last-event-id=\"urn:uuid:"));
    assert!(root.header("etag").unwrap().starts_with("\"urn:uuid:"));
    let count = |path: &str, lines: &str| {
        let response = get(&server, path, lines);
        assert_eq!(response.status, 200, "{path}: {response:?}");
        response.json()["subscriptions"].as_array().unwrap().len()
    };
    let zero = subscriber(&["*"]);
    assert_eq!(count(&format!("{ALL}/{TOPIC}"), &zero), 1);
    assert_eq!(count(&format!("{ALL}/exact/{TOPIC}"), &one_token()), 1);
    assert_eq!(count(&format!("{ALL}/exact/none"), &one_token()), 0);
    assert_eq!(count(&format!("{ALL}/urlpattern/{TOPIC}"), &one_token()), 0);
    for listed in listed.iter().chain(newer) {
        let path = listed["id"].as_str().unwrap();
        let single = get(&server, path, &zero);
        assert_eq!(single.status, 200, "{path}");
        let single = single.json();
        assert_eq!(single["id"], listed["id"]);
        let is_zero = !path.contains("/exact/");
        assert_eq!(single.get("lastEventID").is_some(), is_zero);
        assert_eq!(single.get("@context").is_some(), is_zero);
    }
    let not_found = list(&server, &format!("{ALL}/{TOPIC}/urn%3Auuid%3Ax"));
    assert_eq!(not_found.status, 404);
    for (path, status) in [
        (format!("{ALL}/other/{TOPIC}/x"), 400),
        (format!("{ALL}/a/b/c/d"), 404),
        (format!("{ALL}//a"), 404),
    ] {
        assert_eq!(list(&server, &path).status, status, "{path}");
    }
}

#[test]
fn the_tag_of_a_list_is_that_of_the_newest_event() {
    let server = with_subscriptions(&[]);
    publish(&server, "topic=a&id=a%20%22quoted%22");
    let tagged =
        |lines: &str, tag: &str| get(&server, ALL, &format!("{lines}\nIf-None-Match: {tag}"));
    let zero = subscriber(&["*"]);
    for (lines, tag) in [
        (&zero, "a \"quoted\""),
        (&one_token(), "\"a%20%22quoted%22\""),
    ] {
        let response = get(&server, ALL, lines);
        assert_eq!(response.header("etag"), Some(tag), "{response:?}");
        assert_eq!(tagged(lines, tag).status, 304);
        assert_eq!(tagged(lines, "other").status, 200);
    }
    publish(&server, "topic=a");
    assert_eq!(tagged(&zero, "a \"quoted\"").status, 200);
}

#[test]
fn a_list_needs_a_grant_for_its_path() {
    let server = with_subscriptions(&[]);
    let zero = |topics: &[&str], path: &str| get(&server, path, &subscriber(topics)).status;
    assert_eq!(zero(&[ALL], ALL), 200);
    assert_eq!(zero(&[ALL], &format!("{ALL}/a")), 401);
    assert_eq!(
        zero(
            &["/.well-known/mercure/subscriptions{/topic}"],
            &format!("{ALL}/a")
        ),
        200
    );
    assert_eq!(zero(&["a"], ALL), 401);
    assert_eq!(zero(&[ALL], &format!("{ALL}?x")), 401);
    let one = |topic: &str, path: &str| {
        let token = access_token(&["subscribe"], &json!([{ "match": topic }]));
        get(&server, path, &token).status
    };
    assert_eq!(one(ALL, ALL), 200);
    assert_eq!(one(ALL, &format!("{ALL}?x")), 200);
    assert_eq!(one("a", ALL), 403);
    assert_eq!(get(&server, ALL, "").status, 401);
    let without = hub(&[]);
    assert_eq!(list(&without, ALL).status, 404);
}

#[test]
fn the_newest_id_of_a_list_never_is_that_of_a_private_event_that_the_client_may_not_read() {
    let server = with_subscriptions(&[]);
    publish(&server, "topic=a&private=on&id=secret");
    let lines = subscriber(&[ALL]);
    let response = get(&server, ALL, &lines);
    let last = response.json()["lastEventID"].as_str().unwrap().to_owned();
    assert!(last.starts_with("p-"), "{last}");
    assert!(!response.head.contains("secret"));
    let mut stream = server.subscribe_with(&format!("{HUB}?topic=a&lastEventID={last}"), &lines);
    assert_eq!(stream.header("last-event-id"), Some(&last[..]));
    publish(&server, "topic=a&data=next");
    assert_eq!(stream.data(1), ["next"]);
}

#[test]
fn no_stored_tag_is_that_of_a_list_without_events() {
    let server = with_subscriptions(&[]);
    let zero = subscriber(&["*"]);
    let tagged = get(&server, ALL, &format!("{zero}\nIf-None-Match: earliest"));
    assert_eq!(
        (tagged.status, tagged.header("etag")),
        (200, Some("earliest"))
    );
}

#[test]
fn a_subscription_whose_id_is_too_long_for_a_topic_is_neither_announced_nor_listed() {
    let server = with_subscriptions(&[]);
    let mut watcher = subscribe(&server, "topic=*");
    assert!(watcher.event().unwrap().data.contains("\"topic\":\"*\""));
    let _stream = subscribe(
        &server,
        &format!("topic={}&topic=short", "%20".repeat(1_400)),
    );
    let announced = watcher.event().unwrap().data;
    assert!(announced.contains("\"topic\":\"short\""), "{announced}");
    wait_for(&server, 2);
}

#[test]
fn equal_matchers_of_one_connection_are_one_subscription() {
    let server = with_subscriptions(&[]);
    let _stream = subscribe(&server, "topic=a&topic=a&match=a&match_exact=a");
    let kinds = |one: &Value| one["id"].as_str().unwrap().contains("/exact/");
    let listed = wait_for(&server, 2);
    assert_eq!(listed.iter().map(kinds).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_server_that_ends_announces_the_end_of_all_subscriptions_so_that_its_log_leaves_none_open() {
    let directory = tempfile::tempdir().unwrap();
    let settings = ["--data-dir", directory.path().to_str().unwrap()];
    let mut server = with_subscriptions(&settings);
    let streams = [(); 3].map(|()| subscribe(&server, "topic=a&match=b"));
    wait_for(&server, 6);
    server.signal("-TERM");
    assert!(server.wait().success());
    drop(streams);
    let server = with_subscriptions(&settings);
    assert_eq!(wait_for(&server, 0), Vec::<Value>::new());
    let mut replayed = subscribe(&server, "topic=*&lastEventID=earliest");
    let change = |stream: &mut Stream| {
        let document: Value = serde_json::from_str(&stream.event().unwrap().data).unwrap();
        (document["id"].clone(), document["active"] == true)
    };
    let changes: Vec<_> = (0..12).map(|_| change(&mut replayed)).collect();
    let ids = |is_active: bool| {
        let of = changes.iter().filter(|(_, active)| *active == is_active);
        of.map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(ids(true).len(), 6);
    assert_eq!(ids(true), ids(false));
}
