use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::json;

use super::*;
use crate::pattern::{BaseUrl, Pattern, PatternSet};

const HOUR: Duration = Duration::from_secs(3_600);

fn selector(text: &str) -> Pattern {
    Pattern::selector(text).unwrap()
}

fn set(topics: &[&str]) -> PatternSet {
    PatternSet::new(topics.iter().map(|text| selector(text))).unwrap()
}

fn grants(user: &str, id: &str, age: Duration) -> Arc<Grants> {
    Grants::builder()
        .user(user)
        .token_id(id)
        .issued_at(SystemTime::now() - age)
        .subscribe(set(&["a"]))
        .build()
}

#[test]
fn a_rule_applies_to_grants_that_meet_all_of_its_conditions() {
    let now = SystemTime::now();
    let one = grants("1", "x", Duration::from_secs(60));
    let table = [
        (Rule::new().user("1"), true),
        (Rule::new().user("2"), false),
        (Rule::new().token_id("x"), true),
        (Rule::new().token_id("y"), false),
        (Rule::new().user("1").token_id("x"), true),
        (Rule::new().user("2").token_id("x"), false),
        (Rule::new().user("1").token_id("y"), false),
        (Rule::new().issued_before(now), true),
        (Rule::new().issued_before(now - HOUR), false),
        (Rule::new().user("1").issued_before(now - HOUR), false),
        (Rule::new().topic(selector("a")), true),
        (Rule::new().topic(selector("b")), false),
        (Rule::new().topic(selector("a")).user("2"), false),
        (Rule::new().topic(selector("a")).user("1"), true),
    ];
    for (rule, expected) in table {
        let revocations = Revocations::new(HOUR);
        assert!(!revocations.is_revoked(&one));
        let generation = revocations.generation();
        revocations.add(rule.clone()).unwrap();
        assert_eq!(revocations.is_revoked(&one), expected, "{rule:?}");
        assert!(!revocations.is_revoked(&Grants::anonymous()) || rule.user.is_none());
        assert!(revocations.generation() > generation);
    }
}

#[test]
fn a_user_can_sign_in_again_after_a_revocation() {
    let revocations = Revocations::new(HOUR);
    let before = grants("1", "x", Duration::from_millis(5));
    revocations.add(Rule::new().user("1")).unwrap();
    assert!(revocations.is_revoked(&before));
    std::thread::sleep(Duration::from_millis(5));
    assert!(!revocations.is_revoked(&grants("1", "y", Duration::ZERO)));
    let undated = Grants::builder().user("1").build();
    assert!(
        revocations.is_revoked(&undated),
        "it does not say when it was issued"
    );
    revocations.add(Rule::new().token_id("y")).unwrap();
    let by_id = grants("1", "y", Duration::ZERO);
    assert!(
        revocations.is_revoked(&by_id),
        "an id is of one token, whenever it was issued"
    );
}

#[test]
fn a_topic_revokes_all_grants_that_may_reach_it() {
    let base = BaseUrl::parse("https://example.com/").unwrap();
    let url = |text: &str| Pattern::url_pattern(text, Some(&base)).unwrap();
    let table = [
        (selector("rooms/1"), "rooms/1", true),
        (selector("rooms/1"), "rooms/{id}", true),
        (selector("rooms/1"), "*", true),
        (selector("rooms/1"), "rooms/2", false),
        (selector("rooms/1"), "users/{id}", false),
        (selector("rooms/{id}"), "rooms/1", true),
        (selector("rooms/{id}"), "rooms/1/x", false),
        (selector("rooms/{id}"), "rooms/{id}", true),
        (selector("rooms/{id}"), "rooms/{id}/{+rest}", true),
        (selector("rooms/{id}"), "{+any}", true),
        (selector("rooms/{id}"), "users/{id}", false),
        (selector("*"), "rooms/1", true),
        (url("/rooms/:id"), "https://example.com/rooms/1", true),
        (url("/rooms/:id"), "https://example.com/users/1", false),
        (url("/rooms/:id"), "rooms/{id}", true),
    ];
    for (rule, granted, expected) in table {
        for of in 0..3 {
            let topics = |n| {
                if n == of {
                    set(&[granted])
                } else {
                    PatternSet::none()
                }
            };
            let grants = Grants::builder()
                .issued_at(SystemTime::UNIX_EPOCH)
                .subscribe(topics(0))
                .publish(topics(1))
                .presence(topics(2))
                .build();
            let revocations = Revocations::new(HOUR);
            revocations.add(Rule::new().topic(rule.clone())).unwrap();
            assert_eq!(
                revocations.is_revoked(&grants),
                expected,
                "{rule} {granted}"
            );
        }
    }
}

#[test]
fn a_rule_ends_after_the_longest_lifetime_of_a_token() {
    let revocations = Revocations::new(Duration::ZERO);
    let rule = revocations.add(Rule::new().user("1")).unwrap();
    let left = rule.ends_at().unwrap().duration_since(SystemTime::now());
    assert!(left.is_ok_and(|left| left <= Duration::from_secs(2)));
    let one = grants("1", "x", HOUR);
    assert!(revocations.is_revoked(&one));
    let started = std::time::Instant::now();
    while revocations.is_revoked(&one) {
        assert!(started.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(revocations.rules().is_empty());
    // One that ended while it was on its way from another node.
    revocations.add(rule).unwrap();
    assert!(!revocations.is_revoked(&one));
}

#[test]
fn rules_survive_json_and_may_come_twice_and_in_any_order() {
    let base = BaseUrl::parse("https://example.com/").unwrap();
    let rules = [
        Rule::new().user("1"),
        Rule::new()
            .user("1")
            .issued_before(SystemTime::now() - HOUR),
        Rule::new().token_id("x"),
        Rule::new().topic(selector("rooms/{id}")),
        Rule::new().topic(Pattern::exact("*").unwrap()),
        Rule::new()
            .topic(Pattern::url_pattern("/a/:b", Some(&base)).unwrap())
            .user("2"),
        Rule::new().issued_before(SystemTime::now()),
    ];
    let here = Revocations::new(HOUR);
    let sent: Vec<String> = rules
        .into_iter()
        .map(|rule| serde_json::to_string(&here.add(rule).unwrap()).unwrap())
        .collect();
    let there = Revocations::new(HOUR);
    for json in sent.iter().chain(sent.iter().rev()) {
        there.add(serde_json::from_str(json).unwrap()).unwrap();
    }
    let sorted = |revocations: &Revocations| {
        let rules = revocations.rules();
        let mut rules: Vec<_> = rules
            .iter()
            .map(|rule| serde_json::to_string(rule).unwrap())
            .collect();
        rules.sort();
        rules
    };
    assert_eq!(sorted(&here), sorted(&there));
    assert_eq!(
        here.rules().len(),
        6,
        "two were for the same user: the later one counts"
    );
    let read: Rule =
        serde_json::from_value(json!({"sub": "1", "issued_before": 1_700_000_000.25})).unwrap();
    assert_eq!(
        read,
        Rule::new()
            .user("1")
            .issued_before(UNIX_EPOCH + Duration::from_millis(1_700_000_000_250))
    );
    for bad in [
        json!({"topic": 1}),
        json!({"topic": {"urlpattern": "("}}),
        json!({"sub": 1}),
        json!({"issued_before": "x"}),
    ] {
        assert!(
            serde_json::from_value::<Rule>(bad.clone()).is_err(),
            "{bad}"
        );
    }
}

#[test]
fn rules_are_bounded_in_number_and_need_a_condition() {
    let revocations = Revocations::new(HOUR);
    assert_eq!(revocations.add(Rule::new()), Err(RuleError::NoCondition));
    for n in 0..MAX_BROAD_RULES {
        revocations
            .add(Rule::new().topic(selector(&n.to_string())))
            .unwrap();
    }
    let one_more = revocations.add(Rule::new().topic(selector("x")));
    assert_eq!(
        one_more,
        Err(RuleError::Full {
            max: MAX_BROAD_RULES
        })
    );
    assert!(
        revocations.add(Rule::new().topic(selector("0"))).is_ok(),
        "known"
    );
    assert!(
        revocations.add(Rule::new().user("1")).is_ok(),
        "of another kind"
    );
}
