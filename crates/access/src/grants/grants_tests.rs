use std::time::Duration;

use serde_json::json;

use super::*;
use crate::Pattern;

fn set(topics: &[&str]) -> PatternSet {
    let patterns = topics.iter().map(|text| Pattern::selector(text).unwrap());
    PatternSet::new(patterns).unwrap()
}

#[test]
fn each_action_has_topics_of_its_own_and_nothing_is_granted_by_default() {
    let grants = Grants::builder()
        .subscribe(set(&["a", "b/{id}"]))
        .publish(set(&["c"]))
        .presence(set(&["d"]))
        .build();
    for (topic, may) in [
        ("a", (true, false, false)),
        ("b/1", (true, false, false)),
        ("c", (false, true, false)),
        ("d", (false, false, true)),
        ("e", (false, false, false)),
    ] {
        let given = (
            grants.may_subscribe(topic),
            grants.may_publish(topic),
            grants.may_see_presence(topic),
        );
        assert_eq!(given, may, "{topic}");
        assert!(!Grants::anonymous().may_subscribe(topic));
        assert!(!Grants::anonymous().may_publish(topic));
        assert!(!Grants::anonymous().may_see_presence(topic));
        assert!(Grants::unrestricted().may_publish(topic));
    }
}

#[test]
fn equal_grants_share_memory_and_others_do_not() {
    let build = |user: &str, payload: i32| {
        Grants::builder()
            .user(user)
            .subscribe(set(&["a", "b"]))
            .expires_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40))
            .payload(json!(payload))
            .build()
    };
    let one = build("1", 1);
    assert!(Arc::ptr_eq(&one, &build("1", 1)));
    assert!(!Arc::ptr_eq(&one, &build("2", 1)));
    assert!(!Arc::ptr_eq(&one, &build("1", 2)));
    assert!(one.subscribe().is_same(build("2", 1).subscribe()));
    assert!(one.subscribe().is_same(&set(&["b", "a", "b"])));
}

#[test]
fn grants_end_at_their_deadline() {
    let now = Instant::now();
    let of = |expires_at| Grants::builder().expires_at(expires_at).build();
    let hour = Duration::from_secs(3600);
    let grants = of(SystemTime::now() + hour);
    assert!(!grants.is_expired(now));
    assert!(grants.is_expired(now + 2 * hour));
    assert!(of(SystemTime::now() - hour).is_expired(Instant::now()));
    assert!(!Grants::anonymous().is_expired(now + 1_000_000 * hour));
}

#[test]
fn the_first_payload_whose_topics_match_the_matcher_is_given() {
    let grants = Grants::builder()
        .payload_for(set(&["a", "b/{id}"]), json!("of a"))
        .payload(json!("of all"))
        .build();
    assert_eq!(grants.payload("a"), Some(&json!("of a")));
    assert_eq!(grants.payload("b/{id}"), Some(&json!("of a")));
    assert_eq!(grants.payload("c"), Some(&json!("of all")));
    assert_eq!(Grants::anonymous().payload("a"), None);
}
