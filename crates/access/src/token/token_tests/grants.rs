//! What the claims of each kind grant.

use super::*;

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
fn the_rights_of_an_operator_are_granted_by_our_claim_alone_and_with_everything_else() {
    let of = |claims: Value| {
        let token = key(SECRET).sign(&json!({"alg": "HS256"}), &with_exp(claims));
        grants(&token.unwrap())
    };
    for (claims, is_admin, granted) in [
        (json!({"sse": {"admin": true}}), true, "spo"),
        (
            json!({"sse": {"admin": true, "subscribe": ["b"]}}),
            true,
            "spo",
        ),
        (
            json!({"sse": {"admin": false, "subscribe": ["a"]}}),
            false,
            "s",
        ),
        (json!({"sse": {"admin": null}}), false, ""),
        (json!({"admin": true}), false, ""),
        (json!({"mercure": {"admin": true}}), false, ""),
    ] {
        let grants = of(claims.clone());
        let found = (grants.is_admin(), actions(&grants, "a"));
        assert_eq!(found, (is_admin, granted.to_owned()), "{claims}");
    }
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
