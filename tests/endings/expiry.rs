//! Streams and sockets whose tokens expire.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sse_broadcaster_access::mint::{NewToken, SigningKey};

use crate::support::{
    End, Server,
    socket::{self, Socket},
    tokens::{SECRET, bearer},
    wait_until,
};

const SETTINGS: [&str; 6] = [
    "--subscribe-access",
    "closed",
    "--token-key",
    SECRET,
    "--token-leeway",
    "0s",
];
/// Tokens end at whole seconds.
const LIFETIME: Duration = Duration::from_secs(4);
const UNAUTHORIZED: u16 = 3000;

fn brief_token() -> String {
    let claims = json!({ "sse": { "subscribe": ["a", "$signal/a"], "publish": ["a"] } });
    let token = NewToken::new(&claims).unwrap().lifetime(LIFETIME);
    bearer(&token.create(&SigningKey::parse(SECRET).unwrap()).unwrap())
}

fn is_within_lifetime(secs: &Value) -> bool {
    secs.as_u64()
        .is_some_and(|secs| (1..=LIFETIME.as_secs()).contains(&secs))
}

#[test]
fn a_stream_is_sent_expiring_and_is_cut_when_its_token_expires() {
    for arguments in [&[][..], &["--no-direct"]] {
        let server = Server::start(&[&SETTINGS[..], arguments].concat());
        let begun = Instant::now();
        let paths = [
            "/events?topic=a",
            "/events?topic=a&format=json&since=earliest",
        ];
        let mut streams = paths.map(|path| server.subscribe_with(path, &brief_token()));
        for (stream, path) in streams.iter_mut().zip(paths) {
            let connected = stream.until("connected");
            let expiring = stream.next().expect("it goes on");
            assert_eq!(
                (expiring.name.as_str(), &expiring.id),
                ("expiring", &connected.id)
            );
            let data: Value = serde_json::from_str(&expiring.data).unwrap();
            assert!(is_within_lifetime(&data["in"]), "{path}: {data}");
            assert_eq!(stream.next(), None, "{path}");
            assert_eq!(stream.end, Some(End::Cut), "{path}");
            assert_eq!(stream.last_id, connected.id, "{path}");
        }
        assert!(begun.elapsed() >= LIFETIME / 4);
        wait_until("both are counted", || server.ended("grant_ended") == 2);
        assert_eq!(server.ended("gone"), 0);
        // A browser comes back with what it has.
        let refused = server.request("GET /events?topic=a HTTP/1.1", b"");
        assert_eq!(refused.status, 401);
    }
}

#[test]
fn a_stream_of_signals_that_ends_with_its_token_is_counted_as_that() {
    let server = Server::start(&SETTINGS);
    let mut stream = server.subscribe_with("/signals?name=a", &brief_token());
    while stream.next().is_some() {}
    assert_eq!(stream.end, Some(End::Cut));
    wait_until("it is counted", || server.ended("grant_ended") == 1);
    assert_eq!(server.ended("gone"), 0);
}

#[test]
fn a_socket_is_sent_expiring_and_is_closed_when_its_token_expires() {
    let server = Server::start(&SETTINGS);
    let mut socket = Socket::open_with(&server, "/ws?topic=a", &[&brief_token()]);
    socket.until("connected");
    let expiring = socket.next();
    assert_eq!(expiring["type"], "expiring");
    assert!(is_within_lifetime(&expiring["in"]), "{expiring}");
    assert_eq!(expiring.get("id"), None);
    let socket::End::Close(UNAUTHORIZED, reason) = socket.end() else {
        panic!("it is not closed for that");
    };
    let reason: Value = serde_json::from_str(&reason).expect("JSON");
    assert!(reason["retry"].is_u64(), "{reason}");
    drop(socket);
    wait_until("it is counted", || server.ended("grant_ended") == 1);
    assert_eq!(
        reason["detail"],
        "the grant has ended; connect with a new one"
    );
}
