//! The parsers of what clients and key servers send, for `fuzz/`. A panic is a finding.

#![allow(clippy::missing_panics_doc, reason = "a panic is a finding")]

use std::{sync::LazyLock, time::SystemTime};

use serde_json::Value;

use crate::{
    BaseUrl, Pattern, PatternSet,
    authorize::cookie_value,
    issuer::{Issuer, Issuers, Purpose},
    keys::Keys,
    mint::{NewToken, SigningKey},
    pattern::PatternIndex,
    token::{Context, verify},
};

const SECRET: &str = "HS256 0123456789abcdef0123456789abcdef";

static ISSUERS: LazyLock<Issuers> = LazyLock::new(|| {
    let keys = Keys::parse(SECRET).expect("a key");
    Issuers::new([Issuer::new("fuzzed", keys)])
});
static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::parse(SECRET).expect("a key"));

/// A pattern, a line feed, and topics with line feeds between them: it matches the same by itself and among others.
pub fn pattern(input: &[u8]) {
    static BASE: LazyLock<BaseUrl> =
        LazyLock::new(|| BaseUrl::parse("https://example.com/a/").expect("a URL"));
    let Ok(input) = std::str::from_utf8(input) else {
        return;
    };
    let (text, topics) = input.split_once('\n').unwrap_or((input, ""));
    let patterns = [
        Pattern::exact(text),
        Pattern::selector(text),
        Pattern::selector(text).and_then(|pattern| pattern.covering()),
        Pattern::url_pattern(text, None),
        Pattern::url_pattern(text, Some(&BASE)),
    ];
    for pattern in patterns.into_iter().flatten() {
        let mut index = PatternIndex::default();
        index.insert(pattern.clone(), ());
        let set = PatternSet::new([pattern.clone()]).expect("one pattern");
        assert!(set.covers(&pattern));
        for topic in topics.split('\n') {
            let matches = pattern.matches(topic);
            assert_eq!(index.matches(topic), matches, "{pattern:?} {topic:?}");
            assert_eq!(set.matches(topic), matches, "{pattern:?} {topic:?}");
        }
    }
    let Ok(pattern) = Pattern::selector(text) else {
        return;
    };
    // Nothing that a grant covers is without protection.
    if let Ok(covering) = pattern.covering() {
        for topic in topics.split('\n') {
            assert!(
                !pattern.matches(topic) || covering.matches(topic),
                "{pattern:?} {topic:?}"
            );
        }
    }
}

/// A token: what is not signed with the key is refused.
pub fn token(input: &[u8]) {
    let Ok(token) = std::str::from_utf8(input) else {
        return;
    };
    for purpose in [Purpose::Subscribe, Purpose::Publish] {
        assert!(
            verify(token, &ISSUERS, context(purpose)).is_err(),
            "{token:?}"
        );
    }
    let _ = cookie_value(token, "token");
}

/// The claims of a token that is signed with the key, as JSON: one that has ended is refused.
pub fn token_claims(input: &[u8]) {
    let Ok(claims) = serde_json::from_slice::<Value>(input) else {
        return;
    };
    let Ok(new) = NewToken::new(&claims) else {
        return;
    };
    for new in [new.clone(), new.access_token()] {
        let Ok(token) = new.without_expiry().create(&KEY) else {
            continue;
        };
        let Ok(verified) = verify(&token, &ISSUERS, context(Purpose::Subscribe)) else {
            continue;
        };
        let ends = claims.get("exp").and_then(Value::as_f64);
        assert!(ends.is_none_or(|ends| ends > 1.0), "{claims}");
        let grants = verified.grants;
        assert_eq!(grants.user(), claims.get("sub").and_then(Value::as_str));
        let _ = (grants.may_subscribe("a"), grants.payload("a"));
    }
}

/// A file of keys, and a set from a key server.
pub fn token_keys(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let _ = Keys::parse(text);
    if let Ok(keys) = Keys::parse_public_set(text) {
        assert!(!keys.has_secrets(), "{text:?}");
    }
}

fn context(purpose: Purpose) -> Context<'static> {
    Context {
        purpose,
        resource: None,
        base: None,
        now: SystemTime::now(),
    }
}
