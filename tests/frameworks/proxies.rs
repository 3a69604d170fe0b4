//! Trusted proxies and base paths in an application of actix-web and of axum.

use sse_broadcaster_actix::{Access, AppState, BasePath, ForwardedHeader, TrustedProxies};

use super::{
    compare_with, request,
    response::{Response, Sent},
    server::Server,
};

fn limited(state: AppState) -> AppState {
    state.access(Access::default().max_per_address(Some(1)))
}

fn trusting(header: ForwardedHeader) -> impl FnOnce(AppState) -> AppState + Clone {
    move |state| {
        let proxies = TrustedProxies::parse(["127.0.0.0/8", "10.0.0.0/8"]).unwrap();
        limited(state).trusted_proxies(proxies.header(header))
    }
}

/// A stream that stays open until it is dropped, and the response to its request.
fn stream(server: &Server, header: &str) -> (Sent, Response) {
    let mut sent = Sent::new(server.address, &request("GET", "/events", &[header], ""));
    let response = sent.response();
    (sent, response)
}

/// Whether a second stream of the client with this header is refused, and one of the other client is not.
fn tells_apart(server: &Server, header: &str, other: &str) -> bool {
    let (_open, first) = stream(server, header);
    assert_eq!(first.status, 200);
    let again = stream(server, header).1.status;
    assert_eq!(again, 503);
    stream(server, other).1.status == 200
}

#[test]
fn clients_of_trusted_proxies_have_limits_of_their_own_on_actix_and_on_axum() {
    let cases = [
        (
            ForwardedHeader::XForwardedFor,
            "x-forwarded-for: 6.6.6.6, 192.0.2.1, 10.0.0.1",
            "x-forwarded-for: 192.0.2.2",
        ),
        (
            ForwardedHeader::Forwarded,
            "forwarded: for=6.6.6.6, for=192.0.2.1",
            "forwarded: for=\"[2001:db8::1]\"",
        ),
    ];
    for (header, one, other) in cases {
        for server in [
            Server::actix(trusting(header)),
            Server::axum(trusting(header)),
        ] {
            assert!(tells_apart(&server, one, other), "{one}");
        }
    }
}

#[test]
fn without_trusted_proxies_headers_have_no_effect_on_actix_and_on_axum() {
    for server in [Server::actix(limited), Server::axum(limited)] {
        let headers = ["x-forwarded-for: 192.0.2.1", "x-forwarded-for: 192.0.2.2"];
        assert!(!tells_apart(&server, headers[0], headers[1]));
    }
}

#[test]
fn both_refuse_alike_behind_proxies_and_under_a_base_path() {
    let configure = |state: AppState| {
        let state = trusting(ForwardedHeader::XForwardedFor)(state);
        state.base_path(BasePath::parse("/api").unwrap())
    };
    let header = ["x-forwarded-for: unknown", "x-forwarded-proto: https"];
    let responses = compare_with(
        configure,
        &[
            ("GET", "/events?since=x", &header, ""),
            ("GET", "/topics", &header, ""),
        ],
    );
    assert_eq!(responses[0].status, 400);
    assert_eq!(responses[1].status, 200);
}
