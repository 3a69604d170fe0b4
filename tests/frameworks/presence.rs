//! `/presence` of actix-web and of axum, and that streams of both join.

use std::{sync::Arc, time::Instant};

use sse_broadcaster_access::{
    PatternSet,
    authorize::Tokens,
    issuer::{Issuer, Issuers},
    keys::Keys,
};
use sse_broadcaster_actix::{AppState, Authorization, SubscribeAccess};
use sse_broadcaster_presence::{MemoryStore, Presence, PresenceOptions};

use super::{
    compare_with,
    grants::{PAGE, STREAM},
    request,
    response::{Response, Sent},
    server::Server,
};
use crate::support::{
    PATIENCE,
    tokens::{SECRET, bearer, token},
};

const LIST: &str = "/presence?topic=room&list=true";

fn configure(
    subscribe: SubscribeAccess,
) -> impl FnOnce(AppState) -> AppState + Clone + Send + 'static {
    move |state| {
        let keys = Keys::parse(SECRET).unwrap();
        let tokens = Tokens::new(Issuers::new([Issuer::new("login", keys)]));
        let topics = sse_broadcaster_access::Pattern::selector("room").unwrap();
        let options = PresenceOptions::new(PatternSet::new([topics]).unwrap());
        let presence = Presence::start(options, Arc::new(MemoryStore::new()), &state.signals);
        state
            .authorization(Authorization::new(subscribe, Arc::new(tokens)))
            .presence(presence)
    }
}

fn of_17(presence: &str) -> String {
    let grants = serde_json::json!({"subscribe": ["room"], "presence": [presence]});
    bearer(&token(
        &serde_json::json!({"sub": "17", "sse": grants, "payload": 1}),
    ))
}

/// Each request, its status, and the code of its refusal.
fn check(subscribe: SubscribeAccess, cases: &[(&str, &[&str], u16, &str)]) {
    let requests = cases
        .iter()
        .map(|(path, headers, ..)| ("GET", *path, *headers, ""));
    let requests: Vec<_> = requests.collect();
    for ((path, _, status, code), response) in cases
        .iter()
        .zip(compare_with(configure(subscribe), &requests))
    {
        assert_eq!(response.status, *status, "{path}\n{}", response.body);
        let problem: serde_json::Value = serde_json::from_str(&response.body).unwrap_or_default();
        assert_eq!(
            problem["code"].as_str().unwrap_or_default(),
            *code,
            "{path}"
        );
    }
}

#[test]
fn counts_are_for_whoever_may_read_the_topic_and_lists_and_events_need_a_grant_of_presence() {
    let (sees, sees_other) = (of_17("room"), of_17("other"));
    let (sees, sees_other) = (sees.as_str(), sees_other.as_str());
    let events = "/events?topic=$presence/room";
    let signal = "/signals/$presence%2Froom";
    for subscribe in [SubscribeAccess::Open, SubscribeAccess::PrivateEvents] {
        check(
            subscribe,
            &[
                ("/presence?topic=room", &[], 200, ""),
                (LIST, &[], 401, "grant_missing"),
                (LIST, &[sees_other], 403, "topic_not_granted"),
                (LIST, &[sees], 200, ""),
                (events, &[STREAM], 401, "grant_missing"),
                (events, &[STREAM, sees_other], 403, "topic_not_granted"),
                (events, &[STREAM, sees], 200, ""),
                (events, &[PAGE], 401, "grant_missing"),
                (events, &[PAGE, sees], 200, ""),
                (signal, &[], 404, "no_such_signal"),
            ],
        );
    }
    check(
        SubscribeAccess::Closed,
        &[
            ("/presence?topic=room", &[], 401, "grant_missing"),
            ("/presence?topic=room", &[sees_other], 200, ""),
            (LIST, &[sees_other], 403, "topic_not_granted"),
            (LIST, &[sees], 200, ""),
            ("/presence?topic=other", &[sees], 403, "topic_not_granted"),
            (events, &[STREAM, sees_other], 403, "topic_not_granted"),
            (events, &[STREAM, sees], 200, ""),
            (signal, &[], 401, "grant_missing"),
            (signal, &[sees_other], 404, "no_such_signal"),
        ],
    );
}

#[test]
fn what_is_no_request_for_presence_is_refused_in_the_same_words() {
    check(
        SubscribeAccess::Open,
        &[
            ("/presence?topic=other", &[], 404, "no_presence"),
            ("/presence", &[], 404, "no_presence"),
            ("/presence?topic=*", &[], 400, "invalid_topic"),
            ("/presence?topic=a&topic=b", &[], 400, "single_topic"),
            ("/presence?topic=room&list=yes", &[], 400, "invalid_list"),
            ("/presence?topic=room&limit=0", &[], 400, "invalid_limit"),
            ("/presence?topc=room", &[], 400, "unknown_parameter"),
            ("/presence/room", &[], 404, "not_found"),
        ],
    );
    let written = ("PUT", "/signals/$presence%2Froom", &[super::JSON][..], "1");
    let responses = compare_with(
        |state| {
            configure(SubscribeAccess::Open)(state).access(
                sse_broadcaster_actix::Access::default()
                    .publishers(sse_broadcaster_actix::Publishers::Local),
            )
        },
        &[written, ("POST", "/presence?topic=room", &[], "")],
    );
    assert!(responses[0].body.contains("reserved_signal"));
    assert_eq!(super::statuses(&responses), [422, 405]);
}

#[test]
fn streams_of_actix_and_of_axum_join_with_the_user_of_the_token() {
    let granted = of_17("room");
    let servers = [
        Server::actix(configure(SubscribeAccess::Open)),
        Server::axum(configure(SubscribeAccess::Open)),
    ];
    for server in servers {
        let send = |path: &str, headers: &[&str]| -> (Sent, Response) {
            let mut sent = Sent::new(server.address, &request("GET", path, headers, ""));
            let response = sent.response();
            (sent, response)
        };
        let open = [
            send("/events?topic=room&topic=b", &[STREAM, &granted]).0,
            send("/events?topic=room", &[STREAM, &granted]).0,
            send("/events?topic=room", &[STREAM]).0,
        ];
        let others = [
            send("/events?topic=*", &[STREAM]).0,
            send("/signals?name=$presence/room", &[STREAM]).0,
        ];
        let expected = concat!(
            r#"{"topic":"room","users":1,"connections":3,"members":[{"user":"17"}],"more":false}"#,
            "\n"
        );
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = send(LIST, &[&granted]).1.body;
            if found == expected {
                break;
            }
            assert!(Instant::now() < deadline, "{found}");
        }
        drop((open, others));
    }
}
