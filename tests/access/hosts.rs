//! DNS rebinding: the `Host` values under which a server may be read. A page whose name was pointed at this machine
//! after it had loaded has the origin of the server in its browser; only `Host` tells them apart.

use crate::{
    support::socket::Socket,
    support::{Response, Server, command, has_ordinary_streams},
};

const READS: [&str; 10] = [
    "GET /events?topic=a",
    "HEAD /events",
    "GET /events/?last=1",
    "GET /signals?name=a",
    "GET /signals/a",
    "HEAD /signals/a",
    "GET /topics",
    "GET /metrics",
    "GET /",
    "GET /page.js",
];
/// None of these is a name of this machine.
const FOREIGN: [&str; 16] = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "[::1].evil.example",
    "[::1]evil.example:80",
    "localhost:abc",
    "localhost:80@evil.example",
    "localhost@evil.example",
    "localhost:80:80",
    "localhost:65536",
    "localhost/",
    "localhost..",
    "[::1",
    "[localhost]",
    "",
];
const OWN: [&str; 8] = [
    "localhost",
    "LOCALHOST:8000",
    "app.localhost",
    "127.0.0.1:8000",
    "[::1]:8000",
    "10.0.0.7:8000",
    "0.0.0.0:8000",
    "[2001:db8::1]",
];

/// A read, of which a refusal is told from all else.
fn is_refused(server: &Server, read: &str, host: &str, lines: &str) -> bool {
    let head = format!("{read} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n");
    let mut socket = server.connect();
    std::io::Write::write_all(&mut socket, head.as_bytes()).unwrap();
    let mut start = [0; 12];
    std::io::Read::read_exact(&mut socket, &mut start).unwrap();
    start.ends_with(b" 403")
}

fn handshake(server: &Server, host: &str) -> Result<Socket, Response> {
    Socket::try_open(server.connect(), "/ws", host, &[])
}

/// The same with the header of a proxy.
fn proxied_handshake(server: &Server, host: &str) -> Result<Socket, Response> {
    Socket::try_open(
        server.connect(),
        "/ws",
        host,
        &["X-Forwarded-For: 192.0.2.1"],
    )
}

fn servers(settings: &[&str]) -> Vec<Server> {
    let mut servers = vec![Server::start(settings)];
    if !has_ordinary_streams() {
        servers.push(Server::start(&[settings, &["--no-direct"]].concat()));
    }
    servers
}

#[test]
fn on_loopback_a_foreign_host_is_rejected() {
    for server in servers(&[]) {
        for host in FOREIGN {
            for read in READS {
                assert!(is_refused(&server, read, host, ""), "{read} {host:?}");
            }
            let accepts = "Accept: application/json\r\n";
            assert!(
                is_refused(&server, "GET /events", host, accepts),
                "{host:?}"
            );
            // A proxy's header can be added by a page.
            let proxied = "X-Forwarded-For: 192.0.2.1\r\n";
            assert!(
                is_refused(&server, "GET /events", host, proxied),
                "{host:?}"
            );
            let refused = handshake(&server, host).err().expect("a refusal");
            assert_eq!(
                (refused.status, refused.code()),
                (403, "foreign_host".into()),
                "{host:?}"
            );
        }
        let refused = server.raw("GET /events HTTP/1.1", "evil.example", b"");
        assert_eq!(refused.code(), "foreign_host");
        let detail = refused.json()["detail"].to_string();
        assert!(
            detail.contains("evil.example") && detail.contains("--host"),
            "{detail}"
        );
        assert_eq!(
            server
                .raw("GET /health/ready HTTP/1.1", "evil.example", b"")
                .status,
            200
        );
    }
}

#[test]
fn on_loopback_its_own_names_and_addresses_are_accepted_as_host() {
    for server in servers(&[]) {
        for host in OWN {
            for read in READS {
                assert!(!is_refused(&server, read, host, ""), "{read} {host:?}");
            }
            assert!(handshake(&server, host).is_ok(), "{host}");
        }
        let old = server.send(b"HEAD /events HTTP/1.0\r\n\r\n");
        assert_eq!(old.status, 200, "a browser always names a host");
    }
}

#[test]
fn the_hosts_of_listed_origins_and_hosts_are_accepted() {
    let settings = [
        "--cors-origin",
        "https://app.example.com",
        "--host",
        "Events.example.com,events.internal",
    ];
    for server in servers(&settings) {
        for host in [
            "app.example.com:8000",
            "events.example.com",
            "EVENTS.internal.:80",
            "localhost",
        ] {
            assert!(!is_refused(&server, "GET /events", host, ""), "{host}");
        }
        for host in ["example.com", "a.events.example.com", "evil.example"] {
            assert!(is_refused(&server, "GET /events", host, ""), "{host}");
            let proxied = "X-Forwarded-For: 192.0.2.1\r\n";
            assert!(is_refused(&server, "GET /metrics", host, proxied), "{host}");
        }
    }
    let any = Server::start(&["--host", "*"]);
    assert!(!is_refused(&any, "GET /events", "evil.example", ""));
    let page = "POST /events HTTP/1.1\nOrigin: http://evil.example\nSec-Fetch-Site: same-origin";
    assert_eq!(any.raw(page, "evil.example", b"x").code(), "foreign_host");
}

#[test]
fn with_a_publish_policy_a_local_proxy_may_forward_any_host() {
    for settings in [
        &["--publish-key", "s3cret-of-sixteen"][..],
        &["--no-publish"],
        &["--allow-anonymous-publish"],
    ] {
        for server in servers(settings) {
            for read in READS {
                let proxied = "X-Forwarded-For: 192.0.2.1\r\n";
                assert!(
                    !is_refused(&server, read, "events.example.com", proxied),
                    "{read}"
                );
                assert!(
                    is_refused(&server, read, "events.example.com", ""),
                    "{read}"
                );
            }
            let proxied = proxied_handshake(&server, "events.example.com:8443");
            assert!(proxied.is_ok());
        }
    }
}

#[test]
fn dns_rebinding_with_proxy_headers_is_rejected_by_the_port_in_the_host() {
    for settings in [
        &["--publish-key", "s3cret-of-sixteen"][..],
        &["--no-publish"],
        &["--allow-anonymous-publish"],
    ] {
        for server in servers(settings) {
            let host = format!("evil.example:{}", server.address.port());
            for line in [
                "X-Forwarded-For: 192.0.2.1",
                "X-Forwarded-Proto: https",
                "X-Real-IP: 192.0.2.1",
                "Forwarded: for=192.0.2.1",
                "CF-Connecting-IP: 192.0.2.1",
            ] {
                for read in READS {
                    let lines = format!("{line}\r\n");
                    assert!(is_refused(&server, read, &host, &lines), "{read} {line}");
                }
            }
            let refused = proxied_handshake(&server, &host).err();
            assert_eq!(refused.expect("a refusal").code(), "foreign_host");
            // No browser can send these: what is no host and port comes from no proxy either.
            for host in ["evil.example:abc", "evil.example:80@localhost", ""] {
                let lines = "X-Forwarded-For: 192.0.2.1\r\n";
                assert!(is_refused(&server, "GET /events", host, lines), "{host:?}");
            }
            let own = format!("localhost:{}", server.address.port());
            let lines = "X-Forwarded-For: 192.0.2.1\r\n";
            assert!(!is_refused(&server, "GET /events", &own, lines));
        }
        let named = [settings, &["--host", "events.example.com"]].concat();
        for server in servers(&named) {
            let host = format!("events.example.com:{}", server.address.port());
            let lines = "X-Forwarded-For: 192.0.2.1\r\n";
            assert!(!is_refused(&server, "GET /events", &host, lines));
        }
    }
}

#[test]
fn other_listeners_accept_any_host_unless_hosts_are_listed() {
    let listen = ["--listen", "0.0.0.0:0", "--no-publish"];
    let server = Server::spawn(command(&listen));
    assert!(!is_refused(
        &server,
        "GET /events",
        "events.example.com",
        ""
    ));
    let server = Server::spawn(command(
        &[&listen[..], &["--host", "events.example.com"]].concat(),
    ));
    assert!(!is_refused(
        &server,
        "GET /events",
        "events.example.com",
        ""
    ));
    assert!(is_refused(&server, "GET /events", "evil.example", ""));
}
