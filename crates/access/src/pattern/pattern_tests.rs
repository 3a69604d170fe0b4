use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

fn base() -> BaseUrl {
    BaseUrl::parse("https://hub.example.com/.well-known/mercure").unwrap()
}

fn url(text: &str) -> Pattern {
    Pattern::url_pattern(text, Some(&base())).unwrap()
}

/// URL pattern, topics that match it, and topics that do not.
const URLS: &[(&str, &[&str], &[&str])] = &[
    (
        "https://example.com/books/:id",
        &[
            "https://example.com/books/1",
            "https://example.com:443/books/1",
            "HTTPS://EXAMPLE.com/books/x%20y",
            "https://u:p@example.com/books/1",
            "https://example.com/books/1?a#b",
        ],
        &[
            "https://example.com/books/",
            "https://example.com/books/1/2",
            "http://example.com/books/1",
            "https://example.com:8443/books/1",
            "https://example.org/books/1",
            "https://example.com/BOOKS/1",
            "/books/1",
            "books",
        ],
    ),
    (
        "https://example.com/*",
        &[
            "https://example.com/",
            "https://example.com/a/b",
            "https://example.com/a/../b",
        ],
        &[
            "https://example.com.evil.org/",
            "https://evil.org/https://example.com/",
        ],
    ),
    (
        "https://*.example.com/a",
        &["https://b.example.com/a", "https://c.b.example.com/a"],
        &["https://example.com/a", "https://example.com.evil.org/a"],
    ),
    (
        "/books/:id",
        &[
            "/books/1",
            "https://hub.example.com/books/1",
            "../books/1",
            "//hub.example.com/books/1",
        ],
        &[
            "https://example.com/books/1",
            "books/1",
            "http://hub.example.com/books/1",
        ],
    ),
    (
        "/books/:id(\\d+)",
        &["/books/12"],
        &["/books/x", "/books/1x", "/books/"],
    ),
    ("/a/:b?", &["/a", "/a/1"], &["/a/", "/a/1/2"]),
    ("/a{/b}?/c", &["/a/c", "/a/b/c"], &["/a/d/c"]),
    ("/a/:rest+", &["/a/b", "/a/b/c"], &["/a", "/b"]),
    (
        "?q=:q",
        &["/.well-known/mercure?q=1"],
        &["/other?q=1", "/.well-known/mercure"],
    ),
    (
        "https://example.com/s?*",
        &["https://example.com/s?", "https://example.com/s?a=b"],
        &["https://example.com/t?a=b"],
    ),
    (
        "https://example.com/p#:h",
        &["https://example.com/p#x"],
        &["https://example.com/p"],
    ),
    (
        "http{s}?://example.com/",
        &["http://example.com/", "https://example.com/"],
        &["ftp://example.com/"],
    ),
    (
        "https://[\\:\\:1]/",
        &["https://[::1]/"],
        &["https://[::2]/"],
    ),
    (
        "https://example.com/a b",
        &["https://example.com/a b", "https://example.com/a%20b"],
        &["https://example.com/ab"],
    ),
    ("*", &["/", "no url: \u{e9}", "https://x/"], &[]),
];

#[test]
fn a_url_pattern_matches_urls_read_relative_to_its_base() {
    let mut index = PatternIndex::default();
    for (text, _, _) in URLS {
        index.insert(url(text), *text);
    }
    for (text, matching, others) in URLS {
        let pattern = url(text);
        let set = PatternSet::new([pattern.clone()]).unwrap();
        let found = |topic: &str| {
            let mut found = false;
            index.for_each_match(topic, |of| found |= of == text);
            found
        };
        for topic in *matching {
            assert!(pattern.matches(topic), "{text} must match {topic}");
            assert!(set.matches(topic) && found(topic), "{text} {topic}");
        }
        for topic in *others {
            assert!(!pattern.matches(topic), "{text} must not match {topic}");
            assert!(!set.matches(topic) && !found(topic), "{text} {topic}");
        }
    }
}

#[test]
fn a_topic_that_is_no_url_matches_no_url_pattern() {
    for text in ["/:a", "https://*/*", ":a*", "*://*/*"] {
        let pattern = Pattern::url_pattern(text, Some(&base())).unwrap();
        for topic in ["https://", "http://[", "https://a b/", "//"] {
            assert!(!pattern.matches(topic), "{text} {topic}");
        }
    }
    let absolute = Pattern::url_pattern("https://example.com/:a", None).unwrap();
    assert!(absolute.matches("https://example.com/1"));
    assert!(!absolute.matches("/1"), "a relative topic without a base");
    let relative = Pattern::url_pattern("/:a", None);
    assert!(matches!(
        relative,
        Err(PatternError::InvalidUrlPattern { .. })
    ));
    assert!(BaseUrl::parse("/a").is_err());
    assert!(BaseUrl::parse("data:a").is_err());
}

#[test]
fn an_invalid_url_pattern_is_refused_and_so_is_one_that_compiles_to_too_much() {
    let large = format!("/{}", "(.{1000})".repeat(300));
    for text in [
        "/(",
        "/:a(\\",
        "/{a",
        "/(?<a>b)",
        "/(a{1000000})",
        "https://exa mple.com/",
        "/:a/:a",
        &large,
    ] {
        let refused = Pattern::url_pattern(text, Some(&base()));
        assert!(
            matches!(refused, Err(PatternError::InvalidUrlPattern { .. })),
            "{text}"
        );
    }
}

#[test]
fn star_matches_all_only_as_a_selector_and_an_exact_text_only_itself() {
    assert!(Pattern::selector("*").unwrap().matches("anything"));
    let star = Pattern::exact("*").unwrap();
    assert!(star.matches("*") && !star.matches("anything"));
    let braces = Pattern::exact("a/{b}").unwrap();
    assert!(braces.matches("a/{b}") && !braces.matches("a/1"));
    let prefix = Pattern::selector("a*").unwrap();
    assert!(prefix.matches("a*") && !prefix.matches("ab"));
    let set = PatternSet::new([Pattern::all(), star]).unwrap();
    assert!(set.is_all() && set.matches("x"));
    assert!(!PatternSet::none().matches("") && PatternSet::all().matches(""));
}

#[test]
fn json_of_a_pattern_is_read_as_the_same_pattern() {
    let base = base();
    for json in [
        json!("*"),
        json!("a"),
        json!("a/{b}"),
        json!({"exact": "*"}),
        json!({"exact": "a/{b}"}),
        json!({"exact": "a/{b"}),
        json!({"exact": "a}"}),
        json!({"urlpattern": "/a/:b"}),
    ] {
        let pattern = Pattern::from_json(&json, Some(&base)).unwrap();
        assert_eq!(pattern.to_json(), json);
    }
    for bad in [
        json!(null),
        json!(1),
        json!([]),
        json!({}),
        json!({"exact": 1}),
        json!({"exact": "a", "urlpattern": "b"}),
        json!({"regex": "a"}),
        json!(""),
        json!({"exact": ""}),
        json!("users/{id"),
        json!("users/id}"),
        json!("users/{}"),
        json!("users/{a b}"),
    ] {
        assert!(Pattern::from_json(&bad, Some(&base)).is_err(), "{bad}");
    }
}

#[test]
fn a_pattern_is_compiled_once_however_many_use_it() {
    let one = Pattern::selector("https://example.com/once/{id}").unwrap();
    let other = Pattern::selector("https://example.com/once/{id}").unwrap();
    assert!(Arc::ptr_eq(&one.0, &other.0));
    let base = base();
    let one = Pattern::url_pattern("/once/:id", Some(&base)).unwrap();
    assert!(Arc::ptr_eq(&one.0, &url("/once/:id").0));
    let elsewhere = BaseUrl::parse("https://other.example.com/").unwrap();
    let elsewhere = Pattern::url_pattern("/once/:id", Some(&elsewhere)).unwrap();
    assert_ne!(one, elsewhere);
    assert!(elsewhere.matches("https://other.example.com/once/1"));
    assert!(!elsewhere.matches("https://hub.example.com/once/1"));
}

#[test]
fn a_set_covers_a_pattern_that_it_has_and_no_narrower_one() {
    let pattern = |text: &str| Pattern::selector(text).unwrap();
    let set = PatternSet::new([pattern("a/{b}"), pattern("c")]).unwrap();
    assert!(set.covers(&pattern("a/{b}")) && set.covers(&pattern("c")));
    assert!(!set.covers(&pattern("a/{b:1}")) && !set.covers(&Pattern::all()));
    assert!(PatternSet::all().covers(&pattern("x")));
    let many = (0..=MAX_PATTERNS).map(|n| pattern(&n.to_string()));
    assert!(matches!(
        PatternSet::new(many),
        Err(PatternError::TooMany { .. })
    ));
}

#[test]
fn a_large_set_matches_as_its_patterns_do_one_by_one() {
    let base = base();
    let mut patterns = Vec::new();
    for n in 0..50 {
        patterns.push(Pattern::selector(&format!("/exact/{n}")).unwrap());
        patterns.push(Pattern::selector(&format!("/t{n}/{{id}}/x{{?q}}")).unwrap());
        patterns.push(Pattern::url_pattern(&format!("/u{n}/:id"), Some(&base)).unwrap());
    }
    let set = PatternSet::new(patterns.clone()).unwrap();
    for n in 40..60 {
        for topic in [
            format!("/exact/{n}"),
            format!("/t{n}/1/x?q=1"),
            format!("/t{n}/1/y"),
            format!("/u{n}/1"),
            format!("/u{n}/1/2"),
            format!("/t{n}/{{id}}/x{{?q}}"),
        ] {
            let expected = patterns.iter().any(|pattern| pattern.matches(&topic));
            for _ in 0..2 {
                assert_eq!(set.matches(&topic), expected, "{topic}");
            }
        }
    }
}

#[test]
fn an_index_finds_what_matches_and_forgets_what_was_removed() {
    let mut index = PatternIndex::default();
    let mut slots = Vec::new();
    for text in ["*", "a/1", "a/{id}", "a/{id}", "{+any}", "b/{id}"] {
        slots.push(index.insert(Pattern::selector(text).unwrap(), text));
    }
    slots.push(index.insert(url("/a/:id"), "url"));
    let found = |index: &PatternIndex<&'static str>, topic: &str| {
        let mut found = Vec::new();
        index.for_each_match(topic, |value| found.push(*value));
        found.sort_unstable();
        found
    };
    assert_eq!(
        found(&index, "a/1"),
        ["*", "a/1", "a/{id}", "a/{id}", "{+any}"]
    );
    assert_eq!(found(&index, "/a/1"), ["*", "url", "{+any}"]);
    assert_eq!(index.remove(slots[0]), Some("*"));
    assert_eq!(index.remove(slots[0]), None);
    assert_eq!(index.remove(slots[2]), Some("a/{id}"));
    assert_eq!(found(&index, "a/1"), ["a/1", "a/{id}", "{+any}"]);
    for slot in &slots {
        index.remove(*slot);
    }
    assert!(index.is_empty() && !index.matches("a/1") && !index.matches("/a/1"));
    let again = index.insert(Pattern::selector("a/1").unwrap(), "again");
    assert_eq!(index.get(again), Some(&"again"));
    assert_eq!(found(&index, "a/1"), ["again"]);
}

/// A tenth of the time for a topic a tenth as long, within reason.
#[test]
fn no_pattern_takes_more_than_linear_time() {
    let base = base();
    let hostile = [
        Pattern::selector(&"{a*}{+b}{c,d}".repeat(4)).unwrap(),
        Pattern::selector(&"{+a}x".repeat(16)).unwrap(),
        Pattern::selector("{a:50}{b:50}y").unwrap(),
        Pattern::url_pattern("/(a*a*a*a*a*a*b)", Some(&base)).unwrap(),
        Pattern::url_pattern("/((?:a|a)*)((?:a|aa)+)c", Some(&base)).unwrap(),
        Pattern::url_pattern("/:a?/*", Some(&base)).unwrap(),
    ];
    for pattern in hostile {
        let time = |length: usize| {
            let topic = format!("/{}!", "a".repeat(length));
            let times = (0..5).map(|_| {
                let started = Instant::now();
                let _ = pattern.matches(&topic);
                started.elapsed()
            });
            times.min().unwrap()
        };
        let (short, long) = (time(400), time(4_000));
        let allowed = 40 * short + Duration::from_millis(1);
        assert!(long < allowed, "{pattern}: {short:?}, {long:?}");
        assert!(long < Duration::from_millis(50), "{pattern}: {long:?}");
    }
    let long = format!("/{}", "a".repeat(MAX_MATCHED_TOPIC_BYTES));
    assert!(!url("/:a").matches(&long));
    assert!(
        Pattern::exact(&long[..4096])
            .unwrap()
            .matches(&long[..4096])
    );
}

#[test]
fn a_covering_template_has_any_text_in_place_of_its_variables() {
    for (text, covered, not_covered) in [
        (
            "users/{id}",
            [
                "users/17",
                "users/a b",
                "users/a@b.c",
                "users/\u{e9}",
                "users/%",
                "users/a/b",
                "users/",
            ],
            "user/17",
        ),
        (
            "secret/{+rest}",
            [
                "secret/a b",
                "secret/\u{1f600}",
                "secret/\"<>",
                "secret/a",
                "secret/a/b",
                "secret/:",
                "secret/",
            ],
            "secrets",
        ),
        (
            "a/{x}/b{/y}/c",
            [
                "a/1/b/2/c",
                "a/ /b/c",
                "a/x y/b/z/c",
                "a//b//c",
                "a/b/b/c",
                "a/\u{e9}/b/\u{e9}/c",
                "a/1/b/c/c",
            ],
            "a/1/c",
        ),
    ] {
        let grant = Pattern::selector(text).unwrap();
        let covering = grant.covering().unwrap();
        for topic in covered {
            assert!(covering.matches(topic), "{text} {topic}");
        }
        assert!(!covering.matches(not_covered), "{text} {not_covered}");
        // It is another pattern than the grant of the same text, in sets as well.
        assert_ne!(covering, grant);
        let set = |pattern: &Pattern| PatternSet::new([pattern.clone()]).unwrap();
        assert!(set(&covering).matches(covered[1]) && !set(&grant).matches(covered[1]));
    }
    let plain = Pattern::selector("plain").unwrap();
    assert_eq!(plain.covering().unwrap(), plain);
}

#[test]
fn what_the_parser_of_url_patterns_panics_at_is_an_invalid_pattern() {
    for text in [
        "https://]",
        "https://a]/",
        "https://[@]/",
        "https://[]]",
        "http:]",
        "]",
        "//]:80",
    ] {
        assert!(Pattern::url_pattern(text, None).is_err(), "{text}");
    }
    // Brackets of a regular expression are none of these.
    for text in [
        "https://example.com/:id([a-z]+)",
        "https://example.com/:id([\\]a]+)",
    ] {
        assert!(Pattern::url_pattern(text, None).is_ok(), "{text}");
    }
}
