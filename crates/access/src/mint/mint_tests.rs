use serde_json::json;

use super::*;
use crate::{
    issuer::{Issuer, Issuers, Purpose},
    testing::{
        ED25519, ED25519_PUBLIC, OTHER_SECRET, P256, P256_PUBLIC, P384, P384_PUBLIC, RSA,
        RSA_PUBLIC, SECRET, context,
    },
    token::{Context, verify},
};

fn issuers(public: &str) -> Issuers {
    Issuers::new([Issuer::new("i", Keys::parse(public).unwrap()).iss("login")])
}

#[test]
fn a_created_token_is_accepted_with_each_kind_of_key() {
    for (private, public) in [
        (SECRET, SECRET),
        (RSA, RSA_PUBLIC),
        (include_str!("../test_keys/rsa.pkcs1.pem"), RSA_PUBLIC),
        (P256, P256_PUBLIC),
        (P384, P384_PUBLIC),
        (ED25519, ED25519_PUBLIC),
    ] {
        let key = SigningKey::parse(private).unwrap().with_id("k");
        assert!(!format!("{key:?}").contains("0123"));
        for is_access_token in [false, true] {
            let new = NewToken::new(&json!({"iss": "login", "aud": "hub"})).unwrap();
            let new = new.lifetime(Duration::from_secs(100));
            let new = if is_access_token {
                new.access_token()
            } else {
                new
            };
            let token = new.create(&key).unwrap();
            let context = Context {
                resource: Some("hub"),
                ..context(Purpose::Publish)
            };
            let explanation = Explanation::of(&token, &issuers(public), context, &[]);
            let verified = explanation.outcome.unwrap();
            let left = verified
                .grants
                .expires_at()
                .unwrap()
                .duration_since(SystemTime::now());
            assert!((98..=100).contains(&left.unwrap().as_secs()));
            assert_eq!(explanation.is_access_token, is_access_token);
            assert_eq!(explanation.key_id.as_deref(), Some("k"));
        }
    }
}

#[test]
fn claims_that_are_given_stay_and_a_token_may_have_no_end() {
    let key = SigningKey::parse(SECRET).unwrap();
    let claims = json!({"exp": 5_000_000_000_u64, "iat": 7, "iss": "login"});
    let given = NewToken::new(&claims).unwrap().create(&key).unwrap();
    let explanation = Explanation::of(&given, &issuers(SECRET), context(Purpose::Publish), &[]);
    assert_eq!(Value::Object(explanation.claims), claims);
    let endless = NewToken::new(&json!({"iss": "login"}))
        .unwrap()
        .without_expiry();
    let endless = endless.create(&key).unwrap();
    let refused = verify(&endless, &issuers(SECRET), context(Purpose::Publish)).unwrap_err();
    assert_eq!(refused.code(), "token_claim");
    assert_eq!(
        NewToken::new(&json!([])).unwrap_err(),
        MintError::NotAnObject
    );
    let long = NewToken::new(&json!({"a": "a".repeat(9_000)})).unwrap();
    assert!(matches!(long.create(&key), Err(MintError::TooLong { .. })));
}

#[test]
fn only_a_key_that_can_sign_is_one_and_only_with_its_algorithms() {
    for bad in [
        RSA_PUBLIC,
        "HS256 short",
        "",
        "x",
        include_str!("../test_keys/p256.sec1.pem"),
        &RSA[..300],
    ] {
        assert!(SigningKey::parse(bad).is_err(), "{bad}");
    }
    let with =
        |key: &str, algorithm: &str| SigningKey::parse(key).unwrap().with_algorithm(algorithm);
    assert!(with(RSA, "PS512").is_ok() && with(P256, "ES256").is_ok());
    for (key, algorithm) in [
        (RSA, "HS256"),
        (P256, "ES384"),
        (SECRET, "RS256"),
        (SECRET, "HS512"),
        (RSA, "none"),
        (ED25519, "RS256"),
    ] {
        assert!(
            matches!(with(key, algorithm), Err(MintError::Algorithm(_))),
            "{algorithm}"
        );
    }
}

#[test]
fn an_explanation_says_which_check_fails_and_which_topics_are_granted() {
    let claims = json!({"iss": "login", "sub": "17", "sse": {"subscribe": ["a/{b}", {"exact": "*"}], "publish": ["a/1"]}});
    let new = NewToken::new(&claims).unwrap();
    let good = new
        .clone()
        .create(&SigningKey::parse(SECRET).unwrap())
        .unwrap();
    let explanation = Explanation::of(
        &good,
        &issuers(SECRET),
        context(Purpose::Subscribe),
        &["a/1", "b"],
    );
    let text = explanation.to_string();
    for line in [
        "rules:     JWT",
        "accepted",
        "algorithm: \"HS256\"",
        "issuer:    \"i\", key without an id",
        "subscribe: {\"exact\":\"*\"} \"a/{b}\"",
        "publish:   \"a/1\"",
        "topic \"a/1\": subscribe, publish",
        "topic \"b\": nothing",
    ] {
        assert!(text.lines().any(|of| of == line), "{line} in {text}");
    }
    assert!(!text.contains(&good) && !text.contains("warning:"));
    let forged = new
        .create(&SigningKey::parse(OTHER_SECRET).unwrap())
        .unwrap();
    let text = Explanation::of(
        &forged,
        &issuers(SECRET),
        context(Purpose::Subscribe),
        &["a/1"],
    )
    .to_string();
    assert!(
        text.contains("refused:   token refused by check token_signature, issuer \"i\""),
        "{text}"
    );
    assert!(text.contains("topic \"a/1\": nothing"));
    assert!(text.contains("to do:     sign it with the key"), "{text}");
    let nonsense = Explanation::of(
        "nonsense",
        &issuers(SECRET),
        context(Purpose::Subscribe),
        &[],
    );
    assert!(
        nonsense
            .to_string()
            .starts_with("refused:   token refused by check token_malformed")
    );
}

#[test]
fn an_explanation_names_what_grants_nothing_though_it_may_be_meant_to() {
    let explained = |claims: Value| {
        let token = NewToken::new(&claims).unwrap();
        let token = token.create(&SigningKey::parse(SECRET).unwrap()).unwrap();
        let context = context(Purpose::Subscribe);
        Explanation::of(&token, &issuers(SECRET), context, &[]).to_string()
    };
    let text = explained(json!({"sse": {"subscribe": ["a"], "publsh": ["x"]}}));
    let line = "warning:   the claim \"sse\" has an unknown member \"publsh\"; it may have subscribe, publish, \
                presence, payload and admin";
    assert!(text.lines().any(|of| of == line), "{text}");
    let text = explained(json!({"sub": "1", "see": {"subscribe": ["a"]}}));
    assert!(
        text.contains("warning:   no claim grants anything"),
        "{text}"
    );
    let many: serde_json::Map<_, _> = (0..100).map(|at| (format!("m{at}"), json!(1))).collect();
    assert_eq!(
        explained(json!({"sse": many})).matches("warning:").count(),
        8
    );
    for granting in [
        json!({"mercure": {"publish": ["*"]}}),
        json!({"authorization_details": []}),
        json!({"sse": {"payload": 1}}),
    ] {
        assert!(
            !explained(granting.clone()).contains("warning:"),
            "{granting}"
        );
    }
}

#[test]
fn a_refusal_names_the_audience_of_the_token_and_the_member_with_an_invalid_topic() {
    let key = SigningKey::parse(SECRET).unwrap();
    let refused = |claims: Value| {
        let token = NewToken::new(&claims).unwrap().create(&key).unwrap();
        let keys = crate::keys::Keys::parse(SECRET).unwrap();
        let issuer = crate::issuer::Issuer::new("i", keys).audience("events");
        let issuers = crate::issuer::Issuers::new([issuer]);
        let refused = verify(&token, &issuers, context(Purpose::Subscribe));
        refused.unwrap_err().to_string()
    };
    for (claims, reason) in [
        (
            json!({"aud": ["x"]}),
            r#"its "aud" is ["x"] and has none of ["events"]"#,
        ),
        (json!({}), r#"it has no "aud"; it needs one of ["events"]"#),
        (
            json!({"aud": "events", "sse": {"publish": [""]}}),
            r#"claim "sse" has an invalid topic in "publish": a pattern is empty"#,
        ),
        (
            json!({"aud": "events", "mercure": {"subscribe": [1]}}),
            r#"claim "mercure" has an invalid topic in "subscribe": it is not a string"#,
        ),
    ] {
        let why = refused(claims);
        assert!(why.contains(reason), "{why}");
    }
    let why = refused(json!({"aud": "x".repeat(1_000)}));
    assert!(why.len() < 300, "{why}");
}
