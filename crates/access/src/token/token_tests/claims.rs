//! The registered claims, issuers and roles.

use super::*;

#[test]
fn registered_claims_are_checked() {
    let now = unix_now();
    for (claims, expected) in [
        (json!({}), "ok"),
        (json!({"exp": now - 10}), "ok"),
        (json!({"exp": now - 60}), "token_expired"),
        (json!({"exp": 0}), "token_expired"),
        (json!({"exp": -1}), "token_expired"),
        (json!({"exp": 1e300}), "ok"),
        (json!({"exp": 4_102_444_800.5}), "ok"),
        (json!({"exp": format!("{}", now + 60)}), "token_claim"),
        (json!({"exp": null}), "token_claim"),
        (json!({"exp": true}), "token_claim"),
        (json!({"nbf": now + 10}), "ok"),
        (json!({"nbf": now + 60}), "token_not_yet_valid"),
        (json!({"nbf": "0"}), "token_claim"),
        (json!({"iat": now + 10}), "ok"),
        (json!({"iat": now + 1_000}), "token_not_yet_valid"),
        (json!({"iat": "x"}), "token_claim"),
        (json!({"sub": 1}), "token_claim"),
        (json!({"jti": []}), "token_claim"),
        (json!({"iss": 1}), "token_claim"),
        (json!({"iss": "https://login.example.com"}), "ok"),
        (json!({"aud": "anything"}), "ok"),
    ] {
        assert_eq!(code(&token(claims.clone())), expected, "{claims}");
    }
    let header = json!({"alg": "HS256"});
    let without_exp = key(SECRET)
        .sign(&header, &json!({"sub": "no expiry, but long"}))
        .unwrap();
    assert_eq!(code(&without_exp), "token_claim");
    let lasting = Issuers::new([Issuer::new("i", keys(SECRET)).without_expiry()]);
    let verified = verify(&without_exp, &lasting, context(Purpose::Publish)).unwrap();
    assert_eq!((verified.until, verified.grants.expires_at()), (None, None));
}

#[test]
fn an_audience_in_the_settings_must_be_in_the_token() {
    let issuer = Issuer::new("i", keys(SECRET)).audience("a").audience("b");
    let issuers = Issuers::new([issuer]);
    for (aud, is_ok) in [
        (json!("a"), true),
        (json!("b"), true),
        (json!(["x", "b"]), true),
        (json!("c"), false),
        (json!(["c"]), false),
        (json!([]), false),
        (json!(null), false),
        (json!(1), false),
        (json!(["a", 1]), false),
        (json!("A"), false),
    ] {
        let verified = verify(
            &token(json!({"aud": aud})),
            &issuers,
            context(Purpose::Subscribe),
        );
        assert_eq!(verified.is_ok(), is_ok, "{aud}");
    }
    let without = verify(&token(json!({})), &issuers, context(Purpose::Subscribe)).unwrap_err();
    assert_eq!(without.code(), "token_audience");
    assert_eq!(without.issuer(), Some("i"));
}

#[test]
fn an_issuers_name_is_bound_to_its_keys() {
    let issuers = Issuers::new([
        Issuer::new("a", keys(SECRET)).iss("a"),
        Issuer::new("b", keys(OTHER_SECRET)).iss("b"),
        Issuer::new("nameless", keys(P256_PUBLIC)),
    ]);
    let by = |secret: &str, algorithm: &str, claims: Value| {
        let token = key(secret)
            .sign(&json!({"alg": algorithm}), &with_exp(claims))
            .unwrap();
        match verify(&token, &issuers, context(Purpose::Subscribe)) {
            Ok(verified) => verified.issuer.to_string(),
            Err(why) => why.code().to_owned(),
        }
    };
    assert_eq!(by(SECRET, "HS256", json!({"iss": "a"})), "a");
    assert_eq!(by(OTHER_SECRET, "HS256", json!({"iss": "b"})), "b");
    assert_eq!(by(SECRET, "HS256", json!({"iss": "b"})), "token_signature");
    assert_eq!(by(SECRET, "HS256", json!({})), "token_algorithm");
    assert_eq!(by(P256, "ES256", json!({})), "nameless");
    assert_eq!(by(P256, "ES256", json!({"iss": "unknown"})), "nameless");
    assert_eq!(by(P256, "ES256", json!({"iss": "a"})), "token_algorithm");
    let named = Issuers::new([Issuer::new("a", keys(SECRET)).iss("a")]);
    for claims in [json!({}), json!({"iss": "c"}), json!({"iss": "A"})] {
        let refused = verify(&token(claims), &named, context(Purpose::Subscribe)).unwrap_err();
        assert_eq!(refused.code(), "token_issuer");
    }
    let none = verify(
        &token(json!({})),
        &Issuers::default(),
        context(Purpose::Subscribe),
    );
    assert_eq!(none.unwrap_err().code(), "token_issuer");
}

#[test]
fn a_key_for_one_role_does_not_serve_the_other() {
    let issuers = Issuers::new([
        Issuer::new("publisher", keys(SECRET)).role(Role::Publisher),
        Issuer::new("subscriber", keys(OTHER_SECRET)).role(Role::Subscriber),
    ]);
    let claims = with_exp(json!({"mercure": {"publish": ["*"], "subscribe": ["*"]}}));
    for (secret, purpose, is_ok) in [
        (SECRET, Purpose::Publish, true),
        (SECRET, Purpose::Subscribe, false),
        (OTHER_SECRET, Purpose::Subscribe, true),
        (OTHER_SECRET, Purpose::Publish, false),
    ] {
        let token = key(secret).sign(&json!({"alg": "HS256"}), &claims).unwrap();
        assert_eq!(
            verify(&token, &issuers, context(purpose)).is_ok(),
            is_ok,
            "{purpose:?}"
        );
    }
}
