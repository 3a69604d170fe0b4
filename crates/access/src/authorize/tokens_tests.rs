use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;

use super::*;
use crate::{
    issuer::{Issuer, Issuers, Purpose, Role},
    jwks::{FetchError, KeySetUrl, KeySets},
    keys::Keys,
    revocation::{Revocations, Rule},
    testing::{OTHER_SECRET, P256, RSA, SECRET, Scripted, key, token, unix_now, with_exp},
    transport::HttpUrl,
};

fn fixed(secret: &str) -> Issuers {
    Issuers::new([Issuer::new("i", Keys::parse(secret).unwrap())])
}

fn code(result: &Result<Arc<Grants>, AuthorizeError>) -> &'static str {
    result.as_ref().map_or_else(AuthorizeError::code, |_| "ok")
}

async fn verify(tokens: &Tokens, token: &str) -> Result<Arc<Grants>, AuthorizeError> {
    tokens.verify(token, Purpose::Subscribe, None).await
}

/// The public key of a PEM as a JWK set, whose one key has this id.
fn set(private: &str, id: Option<&str>) -> String {
    let jwk = crate::testing::jwk(private, id);
    json!({ "keys": [jwk] }).to_string()
}

fn by(private: &str, alg: &str, id: Option<&str>) -> String {
    let header = json!({"alg": alg, "kid": id});
    key(private)
        .sign(&header, &with_exp(json!({"sub": "1"})))
        .unwrap()
}

fn url_of(transport: &Arc<Scripted>, url: &str) -> KeySetUrl {
    KeySets::new(transport.clone()).at(&HttpUrl::parse(url).unwrap())
}

#[test]
fn a_token_is_verified_once_while_it_is_cached() {
    let tokens = Tokens::new(fixed(SECRET));
    let token = token(json!({"sub": "1"}));
    let verify = |purpose, resource| tokens.verify_now(&token, purpose, resource).unwrap();
    let first = verify(Purpose::Subscribe, None);
    let count = || tokens.verified();
    assert_eq!(count(), 1);
    for _ in 0..10 {
        assert!(Arc::ptr_eq(&first, &verify(Purpose::Subscribe, None)));
    }
    assert_eq!(count(), 1);
    verify(Purpose::Publish, None);
    verify(Purpose::Subscribe, Some("https://hub.example.com/"));
    assert_eq!(count(), 3, "each purpose and resource for itself");
}

#[test]
fn within_the_leeway_a_cached_token_has_grants_that_have_not_ended() {
    let issuer = Issuer::new("i", Keys::parse(SECRET).unwrap()).leeway(Duration::from_secs(60));
    let tokens = Tokens::new(Issuers::new([issuer]));
    let token = token(json!({"sub": "1", "exp": unix_now() + 1}));
    let ends = || {
        let grants = tokens.verify_now(&token, Purpose::Subscribe, None).unwrap();
        grants.deadline().unwrap()
    };
    let at_exp = ends();
    std::thread::sleep(at_exp.saturating_duration_since(Instant::now()));
    assert!(ends() > Instant::now() + Duration::from_secs(30));
}

#[test]
fn what_is_right_for_one_purpose_or_resource_is_not_cached_for_another() {
    let issuer = Issuer::new("i", Keys::parse(SECRET).unwrap()).role(Role::Subscriber);
    let tokens = Tokens::new(Issuers::new([issuer]));
    let token = token(json!({}));
    assert!(tokens.verify_now(&token, Purpose::Subscribe, None).is_ok());
    assert!(tokens.verify_now(&token, Purpose::Publish, None).is_err());

    let issuer = Issuer::new("i", Keys::parse(SECRET).unwrap()).iss("i");
    let tokens = Tokens::new(Issuers::new([issuer]));
    let claims = json!({"iss": "i", "aud": "https://a/"});
    let token = crate::testing::access_token(claims);
    let at = |resource| tokens.verify_now(&token, Purpose::Subscribe, Some(resource));
    assert!(at("https://a/").is_ok());
    assert!(at("https://b/").is_err());
}

#[test]
fn a_cached_token_ends_with_its_exp_with_a_reload_and_with_a_revocation() {
    let revocations = Arc::new(Revocations::new(Duration::from_secs(60)));
    let issuer = || Issuer::new("i", Keys::parse(SECRET).unwrap()).leeway(Duration::ZERO);
    let tokens = Tokens::new(Issuers::new([issuer()])).with_revocations(revocations.clone());
    let code = |token: &str| match tokens.verify_now(token, Purpose::Subscribe, None) {
        Ok(_) => "ok",
        Err(why) => why.code(),
    };
    let short = token(json!({"exp": unix_now() + 2}));
    let (long, revoked) = (
        token(json!({"sub": "1"})),
        token(json!({"sub": "2", "jti": "r"})),
    );
    assert_eq!(
        (code(&short), code(&long), code(&revoked)),
        ("ok", "ok", "ok")
    );
    revocations.add(Rule::new().token_id("r")).unwrap();
    assert_eq!((code(&long), code(&revoked)), ("ok", "token_revoked"));
    let started = Instant::now();
    while code(&short) == "ok" {
        assert!(started.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(code(&short), "token_expired");
    tokens.reload(fixed(OTHER_SECRET));
    assert_eq!(code(&long), "token_signature");
    tokens.reload(Issuers::new([issuer()]));
    assert_eq!(code(&long), "ok");
}

/// The old key must not count once `reload` has returned, not even by the cache.
#[test]
fn a_verification_never_races_a_reload() {
    let tokens = Arc::new(Tokens::new(fixed(SECRET)));
    let is_done = Arc::new(AtomicBool::new(false));
    let old: Vec<_> = (0..50)
        .map(|n| token(json!({"sub": n.to_string()})))
        .collect();
    let verifying: Vec<_> = (0..2)
        .map(|_| {
            let (tokens, is_done, old) = (tokens.clone(), is_done.clone(), old.clone());
            std::thread::spawn(move || {
                while !is_done.load(Ordering::Relaxed) {
                    for token in &old {
                        let _ = tokens.verify_now(token, Purpose::Subscribe, None);
                    }
                }
            })
        })
        .collect();
    for _ in 0..100 {
        tokens.reload(fixed(OTHER_SECRET));
        for token in &old {
            let refused = tokens.verify_now(token, Purpose::Subscribe, None);
            assert_eq!(refused.unwrap_err().code(), "token_signature");
        }
        tokens.reload(fixed(SECRET));
        assert!(tokens.verify_now(&old[0], Purpose::Subscribe, None).is_ok());
    }
    is_done.store(true, Ordering::Relaxed);
    for thread in verifying {
        thread.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_by_url_are_fetched_for_an_unknown_key_id_once_for_all_and_not_too_often() {
    let transport = Scripted::new(&[(200, &set(P256, Some("a")))]);
    let url = url_of(&transport, "https://login.example.com/jwks.json");
    let tokens = Arc::new(Tokens::new(Issuers::new([Issuer::new(
        "login",
        url.clone(),
    )])));
    let verifying: Vec<_> = (0..50)
        .map(|_| {
            let tokens = tokens.clone();
            let token = by(P256, "ES256", Some("a"));
            tokio::spawn(async move { verify(&tokens, &token).await })
        })
        .collect();
    for one in verifying {
        assert_eq!(code(&one.await.unwrap()), "ok");
    }
    assert_eq!(transport.count(), 1);
    // Unknown ids cannot make the server ask again and again.
    for n in 0..50 {
        let unknown = by(RSA, "RS256", Some(&n.to_string()));
        assert_eq!(code(&verify(&tokens, &unknown).await), "token_unknown_key");
    }
    assert_eq!(transport.count(), 1);
    // The issuer's key is replaced; a token by the new one makes it known, and the old one is gone.
    transport.answer(&[Ok((200, &set(RSA, Some("b"))))]);
    url.age();
    let (old, new) = (by(P256, "ES256", Some("a")), by(RSA, "RS256", Some("b")));
    assert_eq!(code(&verify(&tokens, &new).await), "ok");
    assert_eq!(code(&verify(&tokens, &old).await), "token_unknown_key");
    assert_eq!(transport.count(), 2);
}

#[tokio::test]
async fn keys_that_were_fetched_stay_when_a_fetch_fails() {
    let transport = Scripted::new(&[(200, &set(P256, None))]);
    let url = url_of(&transport, "https://login.example.com/jwks.json");
    let tokens = Tokens::new(Issuers::new([Issuer::new("login", url.clone())]));
    assert!(tokens.fetch_keys().await.is_empty());
    let good = by(P256, "ES256", None);
    for answer in [
        Err("down"),
        Ok((500, "")),
        Ok((302, "")),
        Ok((404, "{}")),
        Ok((200, "")),
        Ok((200, "{\"keys\":[]}")),
    ] {
        transport.answer(&[answer]);
        url.age();
        assert_eq!(tokens.fetch_keys().await.len(), 1, "{answer:?}");
        assert_eq!(code(&verify(&tokens, &good).await), "ok");
        tokens.reload(Issuers::new([Issuer::new("login", url.clone())]));
        assert_eq!(code(&verify(&tokens, &good).await), "ok", "{answer:?}");
    }
}

#[tokio::test]
async fn a_requested_fetch_is_not_bound_by_the_least_time_between_two_requests() {
    let transport = Scripted::new(&[(200, &set(P256, Some("a")))]);
    let url = url_of(&transport, "https://login.example.com/jwks.json");
    let shared = [
        Issuer::new("a", url.clone()).iss("https://a.example.com"),
        Issuer::new("b", url.clone()).iss("https://b.example.com"),
    ];
    let tokens = Tokens::new(Issuers::new(shared));
    for count in 1..4 {
        assert!(tokens.fetch_keys().await.is_empty());
        assert_eq!(transport.count(), count, "once for both issuers");
        transport.answer(&[Ok((200, &set(P256, Some("a"))))]);
    }
    let too_soon = url.fetch().await;
    assert!(matches!(too_soon, Err(FetchError::TooSoon { .. })));
    // Those that come during a fetch wait for it.
    transport.hold();
    let all = futures_util::future::join_all((0..10).map(|_| url.fetch_now()));
    let released = async { transport.release() };
    let (all, ()) = futures_util::future::join(all, released).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(transport.count(), 4);
}

#[tokio::test]
async fn without_any_key_yet_it_is_not_the_tokens_fault() {
    let transport = Scripted::new(&[]);
    let url = url_of(&transport, "https://login.example.com/jwks.json");
    let tokens = Tokens::new(Issuers::new([Issuer::new("login", url.clone())]));
    let good = by(P256, "ES256", Some("a"));
    for _ in 0..3 {
        let refused = verify(&tokens, &good).await;
        assert_eq!(code(&refused), "authorization_unavailable");
        assert!(refused.unwrap_err().is_temporary());
    }
    assert_eq!(transport.count(), 1);
    transport.answer(&[Ok((200, &set(P256, Some("a"))))]);
    url.age();
    assert_eq!(code(&verify(&tokens, &good).await), "ok");
}

#[tokio::test]
async fn keys_are_cached_by_url_and_only_urls_of_the_settings_are_asked() {
    let transport = Scripted::new(&[(200, &set(P256, Some("k")))]);
    let sets = KeySets::new(transport.clone());
    let at = |url: &str| sets.at(&HttpUrl::parse(url).unwrap());
    let (a, b) = (
        at("https://a.example.com/jwks"),
        at("https://b.example.com/jwks"),
    );
    a.fetch().await.unwrap();
    assert_eq!(
        (a.current().len(), b.current().len()),
        (1, 0),
        "another URL has no keys yet"
    );
    assert_eq!(
        at("https://a.example.com/jwks").current().len(),
        1,
        "the same URL has"
    );

    let issuers = Issuers::new([
        Issuer::new("a", a).iss("https://a.example.com"),
        Issuer::new("b", b).iss("https://b.example.com"),
    ]);
    let tokens = Tokens::new(issuers);
    let of = |iss: &str| {
        let header = json!({"alg": "ES256", "kid": "k", "jku": "https://evil.example.com/jwks", "x5u": "https://evil.example.com/x"});
        let claims = json!({"iss": iss, "jwks_uri": "https://evil.example.com/jwks"});
        key(P256).sign(&header, &with_exp(claims)).unwrap()
    };
    assert_eq!(
        code(&verify(&tokens, &of("https://a.example.com")).await),
        "ok"
    );
    transport.answer(&[Ok((200, &set(RSA, Some("k"))))]);
    assert_eq!(
        code(&verify(&tokens, &of("https://b.example.com")).await),
        "token_algorithm"
    );
    let evil = verify(&tokens, &of("https://evil.example.com")).await;
    assert_eq!(code(&evil), "token_issuer");
    for request in transport.requests.lock().iter() {
        assert!(!request.url.as_str().contains("evil"), "{request:?}");
    }
}

#[tokio::test]
async fn old_keys_are_fetched_again_so_that_withdrawn_ones_end() {
    let transport = Scripted::new(&[(200, &set(P256, Some("a")))]);
    let url = url_of(&transport, "https://login.example.com/jwks.json");
    let tokens = Tokens::new(Issuers::new([Issuer::new("login", url.clone())]));
    tokens.fetch_keys().await;
    let token = by(P256, "ES256", Some("a"));
    assert_eq!(code(&verify(&tokens, &token).await), "ok");
    assert_eq!(transport.count(), 1, "they are not old yet");
    transport.answer(&[Ok((200, &set(RSA, Some("b"))))]);
    url.age();
    let _ = verify(&tokens, &token).await;
    let started = Instant::now();
    while url.version() < 2 {
        assert!(started.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(code(&verify(&tokens, &token).await), "token_unknown_key");
}

#[tokio::test]
async fn without_a_token_a_client_is_anonymous_and_a_bad_one_is_refused() {
    let tokens = Tokens::new(fixed(SECRET));
    let nothing = Credentials::new(Purpose::Subscribe);
    let grants = tokens.authorize(&nothing).await.unwrap();
    assert_eq!(grants.origin(), crate::Origin::Anonymous);
    let good = token(json!({"sub": "1"}));
    let with_cookie = Credentials::new(Purpose::Subscribe).cookie_token(Some(&good));
    assert_eq!(
        tokens.authorize(&with_cookie).await.unwrap().user(),
        Some("1")
    );
    for header in ["Basic x", "Bearer x", "Bearer"] {
        let both = with_cookie.clone().authorization(header.as_bytes());
        assert!(tokens.authorize(&both).await.is_err(), "{header}");
    }
    let all = Open::default().authorize(&nothing).await.unwrap();
    assert!(all.may_subscribe("x") && !all.may_publish("x"));
}
