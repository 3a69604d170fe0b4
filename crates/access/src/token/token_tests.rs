use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::{
    issuer::Role,
    keys::Keys,
    testing::{
        ED25519, ED25519_PUBLIC, OTHER_SECRET, P256, P256_PUBLIC, P384, P384_PUBLIC, RSA,
        RSA_PUBLIC, SECRET, access_token, context, key, token, unix_now, with_exp,
    },
};

const RESOURCE: &str = "https://hub.example.com/.well-known/mercure";

fn keys(text: &str) -> Keys {
    Keys::parse(text).unwrap()
}

fn issuers() -> Issuers {
    Issuers::new([
        Issuer::new("any", keys(SECRET)),
        Issuer::new("login", keys(SECRET)).iss("https://login.example.com"),
    ])
}

fn code(token: &str) -> &'static str {
    let context = Context {
        resource: Some(RESOURCE),
        ..context(Purpose::Subscribe)
    };
    match verify(token, &issuers(), context) {
        Ok(_) => "ok",
        Err(why) => {
            let text = why.to_string();
            let begin = token.get(..20).unwrap_or("no such text");
            assert!(!text.contains(begin), "{text}");
            assert!(!why.client_message().is_empty());
            why.code()
        }
    }
}

fn signed(header: &Value, claims: Value) -> String {
    key(SECRET).sign(header, &with_exp(claims)).unwrap()
}

fn raw(header: &Value, claims: &Value, signature: &str) -> String {
    let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.{signature}", encode(header), encode(claims))
}

#[test]
fn every_algorithm_verifies_with_its_key_and_with_no_other_one() {
    let keys = [
        (SECRET, SECRET, vec!["HS256"]),
        (
            RSA,
            RSA_PUBLIC,
            vec!["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
        ),
        (P256, P256_PUBLIC, vec!["ES256"]),
        (P384, P384_PUBLIC, vec!["ES384"]),
        (ED25519, ED25519_PUBLIC, vec!["EdDSA"]),
    ];
    for (private, public, algorithms) in &keys {
        for algorithm in algorithms {
            let key = key(private).with_algorithm(algorithm).unwrap();
            let token = key.sign(&json!({"alg": algorithm}), &with_exp(json!({"sub": "1"})));
            let token = token.unwrap();
            for (_, other, _) in &keys {
                let issuers = Issuers::new([Issuer::new("i", Keys::parse(other).unwrap())]);
                let verified = verify(&token, &issuers, context(Purpose::Subscribe));
                match verified {
                    Ok(_) => assert_eq!(other, public, "{algorithm}"),
                    Err(why) => {
                        assert_ne!(other, public, "{algorithm}: {why}");
                        assert_eq!(why.code(), "token_algorithm");
                    }
                }
            }
        }
    }
    for bits in ["HS384", "HS512"] {
        let line = format!("{bits} {}", "k".repeat(64));
        let token = key(&line)
            .sign(&json!({"alg": bits}), &with_exp(json!({})))
            .unwrap();
        let issuers = Issuers::new([Issuer::new("i", Keys::parse(&line).unwrap())]);
        assert!(verify(&token, &issuers, context(Purpose::Subscribe)).is_ok());
    }
    let ed = key(ED25519)
        .sign(&json!({"alg": "Ed25519"}), &with_exp(json!({})))
        .unwrap();
    let issuers = Issuers::new([Issuer::new("i", Keys::parse(ED25519_PUBLIC).unwrap())]);
    assert!(verify(&ed, &issuers, context(Purpose::Subscribe)).is_ok());
}

#[test]
fn no_algorithm_none_in_whatever_case_and_with_whatever_signature() {
    let claims = with_exp(json!({"sub": "1", "padding": "0123456789012345678901234567890"}));
    let tag = token(claims.clone());
    let tag = tag.rsplit_once('.').unwrap().1;
    for alg in [
        "none", "None", "NONE", "nOnE", "", "HS256 ", "hs256", "HS257",
    ] {
        let header = json!({"alg": alg, "typ": "JWT"});
        for signature in ["", "AA", tag] {
            let code = code(&raw(&header, &claims, signature));
            assert!(
                matches!(code, "token_algorithm" | "token_malformed"),
                "{alg} {code}"
            );
        }
    }
}

/// The public key is no secret: a server that takes its text for one can be lied to.
#[test]
fn no_hmac_under_a_public_key() {
    let der = crate::keys::pem::blocks(RSA_PUBLIC).unwrap().remove(0).der;
    let der = der.iter().map(|byte| char::from(*byte)).collect::<String>();
    for (public, secret) in [
        (RSA_PUBLIC, RSA_PUBLIC),
        (RSA_PUBLIC, RSA_PUBLIC.trim()),
        (RSA_PUBLIC, &der),
        (P256_PUBLIC, P256_PUBLIC),
        (ED25519_PUBLIC, ED25519_PUBLIC.trim_end()),
    ] {
        for algorithm in ["HS256", "HS384", "HS512"] {
            let token = hmac(algorithm, secret.as_bytes());
            let issuers = Issuers::new([Issuer::new("i", Keys::parse(public).unwrap())]);
            let refused = verify(&token, &issuers, context(Purpose::Subscribe)).unwrap_err();
            assert_eq!(refused.code(), "token_algorithm");
        }
    }
}

fn hmac(algorithm: &str, secret: &[u8]) -> String {
    crate::crypto::install();
    let claims = with_exp(json!({"sub": "1"}));
    let message = raw(&json!({"alg": algorithm}), &claims, "");
    let message = message.trim_end_matches('.');
    let key = jsonwebtoken::EncodingKey::from_secret(secret).unwrap();
    let tag = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm.parse().unwrap());
    format!("{message}.{}", tag.unwrap())
}

#[test]
fn keys_and_addresses_in_a_header_are_ignored() {
    let attacker = key(OTHER_SECRET);
    let jwk =
        json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode("fedcba9876543210fedcba9876543210")});
    for header in [
        json!({"alg": "HS256", "jwk": jwk}),
        json!({"alg": "HS256", "jku": "http://127.0.0.1:1/jwks.json"}),
        json!({"alg": "HS256", "x5u": "http://127.0.0.1:1/cert.pem", "x5c": ["AA"]}),
        json!({"alg": "HS256", "kid": "../../../dev/null"}),
        json!({"alg": "HS256", "kid": "http://127.0.0.1:1/"}),
    ] {
        let forged = attacker.sign(&header, &with_exp(json!({}))).unwrap();
        assert_eq!(code(&forged), "token_signature", "{header}");
        assert_eq!(code(&signed(&header, json!({}))), "ok");
    }
}

#[test]
fn what_is_no_token_is_malformed() {
    let good = token(json!({"sub": "0123456789012345678901234567890123456789"}));
    assert_eq!(code(&good), "ok");
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let long = token(json!({"padding": "a".repeat(MAX_TOKEN_BYTES)}));
    let array = URL_SAFE_NO_PAD.encode("[1,2,3,4,5,6,7,8,9,10,11,12]");
    for bad in [
        "",
        "a",
        "a.b.c",
        &"a".repeat(41),
        &"é.".repeat(30),
        &".".repeat(41),
        &long,
        &format!("{message}."),
        message,
        &format!("{good}."),
        &format!(".{good}"),
        &format!("{good}.a"),
        &format!("{good}="),
        &format!("{good} "),
        &format!(" {good}"),
        &format!("{header}..{signature}"),
        &format!(".{claims}.{signature}"),
        &format!("{header}.{array}.{signature}"),
        &format!("{array}.{claims}.{signature}"),
        &good.replace('.', ".\n"),
        &format!("{message}.+{}", &signature[1..]),
        &format!(
            "{}.{claims}.{signature}",
            URL_SAFE_NO_PAD.encode("{\"alg\":\"HS256\",\"alg\":\"none\"}")
        ),
        &format!(
            "{}.{claims}.{signature}",
            URL_SAFE_NO_PAD.encode("{\"typ\":\"JWT\"}")
        ),
        &format!(
            "{}.{claims}.{signature}",
            URL_SAFE_NO_PAD.encode("{\"alg\":1}")
        ),
    ] {
        assert_eq!(code(bad), "token_malformed", "{bad}");
    }
    for header in [
        json!({"alg": "HS256", "crit": ["exp"], "exp": 1}),
        json!({"alg": "HS256", "crit": []}),
        json!({"alg": "HS256", "crit": ["b64"], "b64": true}),
        json!({"alg": "HS256", "b64": false}),
    ] {
        assert_eq!(
            code(&signed(&header, json!({}))),
            "token_malformed",
            "{header}"
        );
    }
}

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

fn grants(token: &str) -> Arc<Grants> {
    let base = BaseUrl::parse(RESOURCE).unwrap();
    let context = Context {
        resource: Some(RESOURCE),
        base: Some(&base),
        ..context(Purpose::Subscribe)
    };
    verify(token, &issuers(), context).unwrap().grants
}

/// What may be done on a topic: s, p and o for presence.
fn actions(grants: &Grants, topic: &str) -> String {
    [
        (grants.may_subscribe(topic), 's'),
        (grants.may_publish(topic), 'p'),
        (grants.may_see_presence(topic), 'o'),
    ]
    .iter()
    .filter_map(|(may, action)| may.then_some(*action))
    .collect()
}

#[test]
fn claims_of_mercure_0_and_ours_grant_what_they_say() {
    let star = json!({"publish": ["*"], "subscribe": ["*"]});
    let table = [
        (json!({}), ""),
        (json!({"mercure": {}}), ""),
        (json!({"mercure": null}), ""),
        (
            json!({"mercure": {"publish": null, "subscribe": ["a"]}}),
            "s",
        ),
        (json!({"mercure": {"publish": [], "subscribe": []}}), ""),
        (json!({"mercure": {"publish": ["a"]}}), "p"),
        (json!({"mercure": star}), "sp"),
        (json!({"mercure": {"subscribe": ["b", "{x}"]}}), "s"),
        (
            json!({"mercure": star, "https://mercure.rocks/": {"subscribe": ["a"]}}),
            "s",
        ),
        (json!({"mercure": star, "https://mercure.rocks/": {}}), ""),
        (json!({"https://mercure.rocks/": {"publish": ["a"]}}), "p"),
        (
            json!({"sse": {"subscribe": ["a"], "publish": ["{x}"], "presence": ["*"]}}),
            "spo",
        ),
        (
            json!({"sse": {"subscribe": [{"exact": "a"}], "publish": [{"exact": "*"}], "presence": [{"urlpattern": "/.well-known/:x"}]}}),
            "so",
        ),
        (
            json!({"sse": {"presence": ["a"]}, "mercure": {"subscribe": ["a"]}}),
            "so",
        ),
        (
            json!({"authorization_details": [{"type": "https://mercure.rocks/authorization-detail", "actions": ["subscribe"], "topics": [{"match": "*"}]}]}),
            "",
        ),
    ];
    for (claims, expected) in table {
        let grants = grants(&token(claims.clone()));
        assert_eq!(actions(&grants, "a"), expected, "{claims}");
        assert_eq!(grants.origin(), Origin::Token);
    }
    let many: Vec<String> = (0..1_001).map(|n| n.to_string()).collect();
    let bad = [
        json!({"mercure": []}),
        json!({"mercure": "x"}),
        json!({"mercure": {"subscribe": "a"}}),
        json!({"mercure": {"subscribe": [1]}}),
        json!({"mercure": {"subscribe": [{"exact": "a"}]}}),
        json!({"mercure": {"publish": [""]}}),
        json!({"mercure": {"publish": ["a\n"]}}),
        json!({"https://mercure.rocks/": 1, "mercure": {}}),
        json!({"sse": 1}),
        json!({"sse": {"subscribe": {}}}),
        json!({"sse": {"subscribe": [null]}}),
        json!({"sse": {"presence": [{"urlpattern": "("}]}}),
        json!({"sse": {"presence": [{"regex": "a"}]}}),
        json!({"mercure": {"subscribe": many}}),
    ];
    for claims in bad {
        assert_eq!(code(&token(claims.clone())), "token_claim", "{claims}");
    }
    let claims = json!({"sub": "17", "jti": "t", "iat": 1_000, "mercure": {"payload": {"a": 1}}});
    let grants = grants(&token(claims));
    assert_eq!((grants.user(), grants.token_id()), (Some("17"), Some("t")));
    assert_eq!(
        (grants.issuer(), grants.payload("x")),
        (Some("any"), Some(&json!({"a": 1})))
    );
    assert_eq!(
        grants.issued_at(),
        Some(UNIX_EPOCH + Duration::from_secs(1_000))
    );
}

fn detail(members: &Value) -> Value {
    let mut detail = json!({"type": "https://mercure.rocks/authorization-detail", "actions": ["subscribe"], "topics": [{"match": "a"}]});
    for (name, value) in members.as_object().unwrap() {
        if value.is_null() {
            detail.as_object_mut().unwrap().remove(name);
        } else {
            detail[name] = value.clone();
        }
    }
    detail
}

fn with_details(details: &Value) -> Value {
    json!({"iss": "https://login.example.com", "aud": RESOURCE, "authorization_details": details})
}

#[test]
fn details_of_mercure_1_grant_what_they_say() {
    let table = [
        (json!([]), ""),
        (json!([detail(&json!({}))]), "s"),
        (
            json!([detail(
                &json!({"actions": ["publish", "subscribe", "unknown"]})
            )]),
            "sp",
        ),
        (
            json!([detail(&json!({"actions": ["unknown", "presence"]}))]),
            "",
        ),
        (
            json!([detail(
                &json!({"topics": [{"match": "b"}, {"match": "a", "match_type": "exact"}]})
            )]),
            "s",
        ),
        (json!([detail(&json!({"topics": [{"match": "*"}]}))]), "s"),
        (
            json!([detail(
                &json!({"topics": [{"match": "*", "match_type": "urlpattern"}]})
            )]),
            "s",
        ),
        (
            json!([detail(
                &json!({"topics": [{"match": "/.well-known/:x", "match_type": "urlpattern"}]})
            )]),
            "s",
        ),
        (json!([detail(&json!({"topics": [{"match": "{x}"}]}))]), ""),
        (
            json!([{"type": "other", "actions": 1}, {"type": "", "topics": null}, detail(&json!({}))]),
            "s",
        ),
        (
            json!([detail(&json!({"payload": {"x": 1}, "locations": []}))]),
            "s",
        ),
    ];
    for (details, expected) in table {
        let grants = grants(&access_token(with_details(&details)));
        assert_eq!(actions(&grants, "a"), expected, "{details}");
        assert_eq!(grants.origin(), Origin::AccessToken);
    }
}

#[test]
fn one_bad_entry_of_details_makes_the_whole_token_invalid() {
    let topics = |topic: Value| detail(&json!({"topics": [{"match": "b"}, topic]}));
    let many = |count: usize| vec![json!({"match": "b"}); count];
    let bad = [
        json!("a"),
        json!(null),
        json!(1),
        json!([]),
        json!({}),
        json!({"type": 1}),
        detail(&json!({"actions": null})),
        detail(&json!({"actions": []})),
        detail(&json!({"actions": "subscribe"})),
        detail(&json!({"actions": ["subscribe", ""]})),
        detail(&json!({"actions": ["subscribe", 1]})),
        detail(&json!({"topics": null})),
        detail(&json!({"topics": []})),
        detail(&json!({"topics": "a"})),
        detail(&json!({"payload": "x"})),
        detail(&json!({"payload": []})),
        topics(json!("a")),
        topics(json!(null)),
        topics(json!({})),
        topics(json!({"match": ""})),
        topics(json!({"match": 1})),
        topics(json!({"match": "a", "match_type": "template"})),
        topics(json!({"match": "a", "match_type": "Exact"})),
        topics(json!({"match": "a", "match_type": null})),
        topics(json!({"match": "*", "match_type": "regex"})),
        topics(json!({"match": "(", "match_type": "urlpattern"})),
        topics(json!({"match": "a\u{200b}"})),
        topics(json!({"match": "a".repeat(4_097)})),
        detail(&json!({"topics": many(101)})),
    ];
    for entry in bad {
        let details = json!([detail(&json!({})), entry]);
        let token = access_token(with_details(&details));
        assert_eq!(code(&token), "token_claim", "{details}");
    }
    for details in [
        json!({}),
        json!(null),
        json!("x"),
        json!(vec![json!({"type": "x"}); 101]),
    ] {
        let token = access_token(with_details(&details));
        assert_eq!(code(&token), "token_claim", "{details}");
    }
    let both = json!([
        detail(&json!({"topics": many(60)})),
        detail(&json!({"topics": many(41)}))
    ]);
    assert_eq!(code(&access_token(with_details(&both))), "token_claim");
}

#[test]
fn an_access_token_never_falls_back_to_the_rules_of_others() {
    let claims = with_details(&json!([]));
    let without = |name: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    assert_eq!(code(&access_token(claims.clone())), "ok");
    assert_eq!(code(&access_token(without("iss"))), "token_issuer");
    assert_eq!(
        code(&access_token(with("iss", json!("other")))),
        "token_issuer"
    );
    assert_eq!(code(&access_token(without("aud"))), "token_audience");
    assert_eq!(
        code(&access_token(with("aud", json!("https://other/")))),
        "token_audience"
    );
    assert_eq!(
        code(&access_token(with("exp", json!(unix_now() - 100)))),
        "token_expired"
    );
    for typ in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/AT+jwt",
    ] {
        let header = json!({"alg": "HS256", "typ": typ});
        let without_exp = key(SECRET).sign(&header, &claims).unwrap();
        assert_eq!(code(&without_exp), "token_claim", "{typ}");
        let mercure = with("mercure", json!({"subscribe": ["*"], "publish": ["*"]}));
        let of_mercure_0 = key(SECRET).sign(&header, &with_exp(mercure)).unwrap();
        assert_eq!(actions(&grants(&of_mercure_0), "a"), "", "{typ}");
        let ours = with("sse", json!({"subscribe": ["a"]}));
        let ours = key(SECRET).sign(&header, &with_exp(ours)).unwrap();
        assert_eq!(actions(&grants(&ours), "a"), "s", "{typ}");
    }
    for typ in ["JWT", "jwt+at", "at+jwt ", "xat+jwt"] {
        let token = signed(
            &json!({"alg": "HS256", "typ": typ}),
            json!({"mercure": {"subscribe": ["a"]}}),
        );
        assert_eq!(actions(&grants(&token), "a"), "s", "{typ}");
    }
    assert!(
        is_access_token(&access_token(without("iss"))),
        "refused, but one"
    );
    assert!(!is_access_token(&token(claims.clone())) && !is_access_token("x"));
    // Without a resource and without an audience in the settings nothing could be right.
    let nowhere = verify(
        &access_token(claims.clone()),
        &issuers(),
        context(Purpose::Subscribe),
    );
    assert_eq!(nowhere.unwrap_err().code(), "token_audience");
    // Nor does a nameless issuer count, whose keys are those of Mercure 0.x.
    let nameless = Issuers::new([Issuer::new("0.x", keys(SECRET)).without_expiry()]);
    let context = Context {
        resource: Some(RESOURCE),
        ..context(Purpose::Subscribe)
    };
    let refused = verify(&access_token(claims), &nameless, context);
    assert_eq!(refused.unwrap_err().code(), "token_issuer");
}

#[test]
fn the_payload_is_that_of_the_first_detail_whose_topics_match_the_matcher() {
    let details = json!([
        detail(&json!({"actions": ["publish"], "topics": [{"match": "*"}], "payload": {"n": 0}})),
        detail(&json!({"topics": [{"match": "a"}], "payload": {"n": 1}})),
        detail(&json!({"topics": [{"match": "b"}]})),
        detail(&json!({"topics": [{"match": "*"}], "payload": {"n": 2}})),
    ]);
    let grants = grants(&access_token(with_details(&details)));
    assert_eq!(grants.payload("a"), Some(&json!({"n": 1})));
    assert_eq!(grants.payload("b"), None);
    assert_eq!(grants.payload("c"), Some(&json!({"n": 2})));
}

#[test]
fn a_refusal_names_check_issuer_and_key_id_and_floods_no_log() {
    let long = "k".repeat(2_000);
    let token = signed(&json!({"alg": "HS256", "kid": long}), json!({"exp": 1}));
    let why = verify(&token, &issuers(), context(Purpose::Subscribe)).unwrap_err();
    let text = why.to_string();
    assert!(text.starts_with("token refused by check token_expired, issuer \"any\", key id \"kkk"));
    assert!(text.len() < 400, "{text}");
    let lines = signed(&json!({"alg": "x\ny", "kid": "a\nb"}), json!({}));
    let why = verify(&lines, &issuers(), context(Purpose::Subscribe)).unwrap_err();
    assert!(!why.to_string().contains('\n'));
}
