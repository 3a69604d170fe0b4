use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{application::used_until, *};
use crate::{
    issuer::{Issuer, Issuers, Purpose},
    keys::Keys,
    revocation::{Revocations, Rule},
    testing::{SECRET, Scripted, token},
    transport::HttpUrl,
};

const GRANTED: &str = r#"{"user": "17", "ttl": 300, "subscribe": ["users/17/{+rest}", {"exact": "{a}"}], "publish": ["chat"], "presence": ["chat"], "payload": {"name": "Ann"}}"#;

fn application(transport: &Arc<Scripted>, options: ApplicationOptions) -> Arc<Application> {
    let url = HttpUrl::parse("https://app.example.com/sse/session").unwrap();
    Arc::new(Application::new(url, transport.clone(), options))
}

fn with_cookie(cookie: &str) -> Credentials<'_> {
    Credentials::new(Purpose::Subscribe).cookies(cookie)
}

fn code(result: &Result<Arc<Grants>, AuthorizeError>) -> &'static str {
    result.as_ref().map_or_else(AuthorizeError::code, |_| "ok")
}

async fn until(mut condition: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn the_application_is_sent_cookies_and_selected_headers_and_says_what_is_granted() {
    let transport = Scripted::new(&[(200, GRANTED)]);
    let options = ApplicationOptions {
        headers: vec![
            "Accept-Language".to_owned(),
            "Authorization".to_owned(),
            "Host".to_owned(),
        ],
        ..ApplicationOptions::default()
    };
    let application = application(&transport, options);
    assert_eq!(
        application.wanted_headers(),
        ["accept-language", "authorization"]
    );
    let credentials = with_cookie("session=abc; csrf=x")
        .cookies("other=1")
        .header("Accept-Language", "de")
        .header("host", "evil.example.com")
        .header("x-other", "not wanted");
    let before = SystemTime::now();
    let grants = application.authorize(&credentials).await.unwrap();
    assert!(grants.may_subscribe("users/17/notes") && grants.may_subscribe("{a}"));
    assert!(!grants.may_subscribe("users/18/notes") && !grants.may_publish("users/17/notes"));
    assert!(grants.may_publish("chat") && grants.may_see_presence("chat"));
    assert_eq!(
        (grants.user(), grants.origin()),
        (Some("17"), crate::Origin::Application)
    );
    assert_eq!(grants.payload("chat").unwrap()["name"], "Ann");
    let ttl = grants.expires_at().unwrap().duration_since(before).unwrap();
    assert!((299..=301).contains(&ttl.as_secs()), "{ttl:?}");
    let requests = transport.requests.lock();
    let header = |name: &str| {
        let headers = requests[0].headers.iter();
        let values = headers
            .filter(|(of, _)| of == name)
            .map(|(_, value)| value.as_str());
        values.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(header("cookie"), "csrf=x; other=1; session=abc");
    assert_eq!(header("accept-language"), "de");
    assert_eq!(
        (header("host"), header("x-other")),
        (String::new(), String::new())
    );
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_anonymous_and_the_application_is_not_asked() {
    let transport = Scripted::new(&[(200, GRANTED)]);
    let application = application(&transport, ApplicationOptions::default());
    for nothing in [
        Credentials::new(Purpose::Subscribe),
        with_cookie(""),
        with_cookie(" ; "),
    ] {
        let grants = application.authorize(&nothing).await.unwrap();
        assert!(!grants.may_subscribe("chat"));
    }
    assert_eq!(transport.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_storm_costs_one_request_for_each_session() {
    let transport = Scripted::new(&[(200, GRANTED)]);
    let application = application(&transport, ApplicationOptions::default());
    transport.hold();
    let clients: Vec<_> = (0..1_000)
        .map(|n| {
            let application = application.clone();
            let cookie = format!("session={}", n % 10);
            tokio::spawn(async move { application.authorize(&with_cookie(&cookie)).await })
        })
        .collect();
    until(|| transport.count() == 10).await;
    transport.release();
    for client in clients {
        assert_eq!(code(&client.await.unwrap()), "ok");
    }
    assert_eq!(transport.count(), 10);
    for n in 0..1_000 {
        let cookie = format!("session={}", n % 10);
        assert_eq!(
            code(&application.authorize(&with_cookie(&cookie)).await),
            "ok"
        );
    }
    assert_eq!(transport.count(), 10, "kept for their time");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_requests_run_at_a_time_and_who_waits_too_long_is_sent_away() {
    let transport = Scripted::new(&[(200, GRANTED)]);
    let options = ApplicationOptions {
        concurrency: 3,
        queue_timeout: Duration::from_millis(300),
        ..ApplicationOptions::default()
    };
    let application = application(&transport, options);
    transport.hold();
    let clients: Vec<_> = (0..20)
        .map(|n| {
            let application = application.clone();
            let cookie = format!("session={n}");
            tokio::spawn(async move { application.authorize(&with_cookie(&cookie)).await })
        })
        .collect();
    until(|| transport.count() == 3).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    transport.release();
    let mut codes = Vec::new();
    for client in clients {
        codes.push(code(&client.await.unwrap()));
    }
    let admitted = codes.iter().filter(|code| **code == "ok").count();
    assert_eq!(admitted, 3, "{codes:?}");
    assert!(
        codes
            .iter()
            .all(|code| matches!(*code, "ok" | "authorization_unavailable"))
    );
    let most = transport
        .most_running
        .load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(most, 3);
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_stop_the_request_of_others() {
    let transport = Scripted::new(&[(200, GRANTED)]);
    let application = application(&transport, ApplicationOptions::default());
    transport.hold();
    let credentials = with_cookie("session=1");
    let gone = tokio::time::timeout(
        Duration::from_millis(50),
        application.authorize(&credentials),
    );
    assert!(gone.await.is_err());
    transport.release();
    assert_eq!(code(&application.authorize(&credentials).await), "ok");
    assert_eq!(transport.count(), 1);
}

#[tokio::test]
async fn refusals_are_kept_briefly() {
    for (status, expected) in [
        (401, "not_signed_in"),
        (302, "not_signed_in"),
        (303, "not_signed_in"),
        (403, "forbidden"),
    ] {
        let transport = Scripted::new(&[(status, "")]);
        let options = ApplicationOptions {
            refusal_ttl: Duration::from_millis(200),
            ..ApplicationOptions::default()
        };
        let application = application(&transport, options);
        for _ in 0..5 {
            let refused = application.authorize(&with_cookie("session=1")).await;
            assert_eq!(code(&refused), expected);
        }
        assert_eq!(transport.count(), 1, "{status}");
        tokio::time::sleep(Duration::from_millis(250)).await;
        transport.answer(&[Ok((200, GRANTED))]);
        assert_eq!(
            code(&application.authorize(&with_cookie("session=1")).await),
            "ok"
        );
    }
}

#[tokio::test]
async fn a_fault_of_the_application_is_temporary_not_kept_and_takes_no_grants_away() {
    let transport = Scripted::new(&[(200, GRANTED)]);
    let application = application(&transport, ApplicationOptions::default());
    let admitted = application
        .authorize(&with_cookie("session=1"))
        .await
        .unwrap();
    let faults = [
        Err("connection refused"),
        Ok((500, "")),
        Ok((502, "")),
        Ok((404, "")),
        Ok((301, "")),
        Ok((307, "")),
        Ok((429, "")),
        Ok((204, "")),
        Ok((200, "")),
        Ok((200, "<html>")),
        Ok((200, "[]")),
        Ok((200, r#"{"ttl": 0}"#)),
        Ok((200, r#"{"ttl": "60"}"#)),
        Ok((200, r#"{"user": []}"#)),
        Ok((200, r#"{"subscribe": "chat"}"#)),
        Ok((200, r#"{"subscribe": [""]}"#)),
        Ok((200, r#"{"publish": [{"urlpattern": "("}]}"#)),
    ];
    for (at, fault) in faults.into_iter().enumerate() {
        transport.answer(&[fault]);
        let count = transport.count();
        let cookie = format!("session=new{at}");
        for _ in 0..2 {
            let refused = application
                .authorize(&with_cookie(&cookie))
                .await
                .unwrap_err();
            assert_eq!(refused.code(), "authorization_unavailable", "{fault:?}");
            assert_eq!(refused.status(), 503);
            assert!(refused.is_temporary());
        }
        assert_eq!(transport.count(), count + 2, "{fault:?}");
        let again = application
            .authorize(&with_cookie("session=1"))
            .await
            .unwrap();
        assert!(
            Arc::ptr_eq(&admitted, &again),
            "those who were admitted stay"
        );
    }
}

#[tokio::test]
async fn grants_end_after_their_ttl_which_is_bounded() {
    let transport = Scripted::new(&[(200, r#"{"ttl": 1}"#)]);
    let options = ApplicationOptions {
        default_ttl: Duration::from_secs(77),
        ..ApplicationOptions::default()
    };
    let application = application(&transport, options);
    let first = application.authorize(&with_cookie("s=1")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(first.is_expired(std::time::Instant::now()));
    let ttl = async |cookie: &str, body: &str| {
        transport.answer(&[Ok((200, body))]);
        let grants = application.authorize(&with_cookie(cookie)).await.unwrap();
        let left = grants
            .expires_at()
            .unwrap()
            .duration_since(SystemTime::now());
        left.unwrap().as_secs() + 1
    };
    assert_eq!(ttl("s=1", r#"{"ttl": 100}"#).await, 100);
    assert_eq!(ttl("s=2", "{}").await, 77);
    assert_eq!(
        ttl("s=3", r#"{"ttl": 1e300, "user": 5}"#).await,
        application::MAX_TTL.as_secs()
    );
    assert_eq!(transport.count(), 4);
}

#[tokio::test]
async fn only_the_cookies_of_the_session_tell_sessions_apart() {
    let transport = Scripted::new(&[(200, GRANTED)]);
    let options = ApplicationOptions {
        cookies: vec!["session".to_owned()],
        ..ApplicationOptions::default()
    };
    let application = application(&transport, options);
    for cookie in ["session=1; _ga=5", "_ga=6; session=1", "session=1"] {
        assert_eq!(
            code(&application.authorize(&with_cookie(cookie)).await),
            "ok"
        );
    }
    assert_eq!(transport.count(), 1);
    application
        .authorize(&with_cookie("session=2"))
        .await
        .unwrap();
    assert_eq!(transport.count(), 2);
    application.authorize(&with_cookie("_ga=7")).await.unwrap();
    assert_eq!(transport.count(), 2, "nothing to send");
    let long = format!("session={}", "a".repeat(20_000));
    assert_eq!(
        code(&application.authorize(&with_cookie(&long)).await),
        "credentials_too_large"
    );
}

#[tokio::test]
async fn after_a_revocation_the_application_is_asked_again() {
    let transport = Scripted::new(&[(200, GRANTED)]);
    let revocations = Arc::new(Revocations::new(Duration::from_secs(60)));
    let options = ApplicationOptions {
        revocations: Some(revocations.clone()),
        ..ApplicationOptions::default()
    };
    let application = application(&transport, options);
    let first = application.authorize(&with_cookie("s=1")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    revocations.add(Rule::new().user("17")).unwrap();
    assert!(revocations.is_revoked(&first));
    tokio::time::sleep(Duration::from_millis(5)).await;
    let second = application.authorize(&with_cookie("s=1")).await.unwrap();
    assert!(!revocations.is_revoked(&second), "it was issued later");
    assert_eq!(transport.count(), 2);
    transport.answer(&[Ok((401, ""))]);
    tokio::time::sleep(Duration::from_millis(5)).await;
    revocations.add(Rule::new().user("17")).unwrap();
    assert_eq!(
        code(&application.authorize(&with_cookie("s=1")).await),
        "not_signed_in"
    );
}

#[tokio::test]
async fn a_token_counts_before_the_session_and_a_bad_one_does_not_fall_back_to_it() {
    let transport = Scripted::new(&[(200, GRANTED)]);
    let application = application(&transport, ApplicationOptions::default());
    let issuers = Issuers::new([Issuer::new("i", Keys::parse(SECRET).unwrap())]);
    let both = TokensElseApplication::new(Arc::new(Tokens::new(issuers)), application);
    let of = async |header: Option<&str>| {
        let mut credentials = with_cookie("session=1");
        if let Some(header) = header {
            credentials = credentials.authorization(header.as_bytes());
        }
        let grants = both.authorize(&credentials).await;
        grants
            .map(|grants| grants.user().unwrap_or_default().to_owned())
            .map_err(|why| why.code())
    };
    let good = format!("Bearer {}", token(serde_json::json!({"sub": "token"})));
    assert_eq!(of(Some(&good)).await, Ok("token".to_owned()));
    for bad in ["Bearer x", "Basic x", &format!("{good}x")] {
        assert!(of(Some(bad)).await.is_err(), "{bad}");
    }
    assert_eq!(transport.count(), 0);
    assert_eq!(of(None).await, Ok("17".to_owned()));
}

#[test]
fn grants_are_asked_for_anew_once_streams_may_have_been_cut_for_their_end() {
    let now = Instant::now();
    let seconds = Duration::from_secs;
    for (ttl, used) in [(1_000, 990), (50, 40), (10, 8), (0, 0)] {
        assert_eq!(
            used_until(now + seconds(ttl), now),
            now + seconds(used),
            "{ttl} s"
        );
    }
}
