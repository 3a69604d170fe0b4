//! `--trusted-proxy`: limits, logs and operators see the client that a trusted proxy names, and no other.

use super::{KEY, TRUSTED, addresses, connected, open_socket, refused, server, servers};
use crate::{
    mercure,
    support::{Server, command, tokens::bearer, wait_until},
};

const LIMIT: [&str; 2] = ["--max-subscribers-per-address", "1"];

/// Three streams at once, from the clients of these headers; how many were opened.
fn opened(server: &Server, headers: [&str; 3]) -> usize {
    let mut open = Vec::new();
    for header in headers {
        if refused(server, "/events", header) == 200 {
            open.push(connected_until_counted(server, header, open.len() as u64));
        }
    }
    open.len()
}

/// Opens a stream, once the one that was only tried is gone.
fn connected_until_counted(server: &Server, header: &str, count: u64) -> crate::support::Stream {
    wait_until("the trial is over", || {
        server.metric("subscribers") == count
    });
    connected(server, "/events", header)
}

#[test]
fn an_operator_sees_the_client_that_a_trusted_proxy_names_on_every_kind_of_stream() {
    let arguments = [&TRUSTED[..], &["--trusted-proxy", "10.0.0.0/8"]].concat();
    for server in servers(&arguments) {
        let line = "X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.1.2.3";
        let stream = connected(&server, "/events", line);
        assert_eq!(addresses(&server), ["203.0.113.7"]);
        drop(stream);
        wait_until("it is gone", || addresses(&server).is_empty());
        let stream = server.subscribe_with("/signals?name=a", "X-Forwarded-For: 2001:DB8::7");
        assert_eq!(addresses(&server), ["2001:db8::7"]);
        drop(stream);
        wait_until("it is gone", || addresses(&server).is_empty());
        let socket = open_socket(&server, "/ws", &["X-Forwarded-For: ::ffff:203.0.113.8"]);
        assert!(socket.is_ok());
        assert_eq!(addresses(&server), ["203.0.113.8"]);
    }
}

#[test]
fn subscribers_of_a_hub_have_the_address_that_a_trusted_proxy_names() {
    for direct in [&[][..], &["--no-direct"]] {
        let proxied = ["--admin-key", KEY, "--mercure-anonymous", "--host", "*"];
        let server = mercure::hub(&[&proxied[..], &TRUSTED, &LIMIT, direct].concat());
        let path = "/.well-known/mercure?topic=a";
        let line = "X-Forwarded-For: 203.0.113.7";
        let _stream = server.subscribe_with(path, line);
        wait_until("it is listed", || addresses(&server) == ["203.0.113.7"]);
        assert_eq!(refused(&server, path, line), 429);
        assert_eq!(refused(&server, path, "X-Forwarded-For: 203.0.113.8"), 200);
    }
}

#[test]
fn each_client_of_a_trusted_proxy_has_a_limit_of_its_own() {
    for server in servers(&[&TRUSTED[..], &LIMIT].concat()) {
        let (one, two) = (
            "X-Forwarded-For: 203.0.113.1",
            "X-Forwarded-For: 203.0.113.2",
        );
        assert_eq!(opened(&server, [one, two, one]), 2);
        // The addresses of one network of IPv6 are those of one client.
        let of_network = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"];
        let lines = of_network.map(|address| format!("X-Forwarded-For: {address}"));
        wait_until("all are gone", || server.metric("subscribers") == 0);
        assert_eq!(opened(&server, [&lines[0], &lines[1], &lines[2]]), 2);
        // What a client wrote itself makes no further client of it.
        wait_until("all are gone", || server.metric("subscribers") == 0);
        let spoofed = [
            "6.6.6.1, 203.0.113.1",
            "6.6.6.2, 203.0.113.1",
            "6.6.6.3,203.0.113.1",
        ];
        let lines = spoofed.map(|addresses| format!("X-Forwarded-For: {addresses}"));
        assert_eq!(opened(&server, [&lines[0], &lines[1], &lines[2]]), 1);
        wait_until("all are gone", || server.metric("subscribers") == 0);
        // Nor does what cannot be read: all that have no certain address count as the proxy.
        assert_eq!(
            opened(
                &server,
                [
                    "X-Forwarded-For: unknown",
                    "X-Forwarded-For: 1.2.3.4, x",
                    ""
                ]
            ),
            1
        );
        let socket = open_socket(&server, "/ws", &["X-Forwarded-For: 203.0.113.9"]);
        let again = open_socket(&server, "/ws", &["X-Forwarded-For: 203.0.113.9"]);
        assert!(socket.is_ok());
        assert_eq!(again.err().map(|response| response.status), Some(503));
    }
}

#[test]
fn headers_have_no_effect_from_a_peer_that_is_not_trusted_and_the_other_header_never() {
    for (proxies, lines) in [
        (
            &[][..],
            [
                "X-Forwarded-For: 203.0.113.1",
                "X-Forwarded-For: 203.0.113.2",
            ],
        ),
        (
            &["--trusted-proxy", "10.0.0.0/8,::1,unix"],
            [
                "X-Forwarded-For: 203.0.113.1",
                "X-Forwarded-For: 203.0.113.2",
            ],
        ),
        (
            &TRUSTED,
            ["Forwarded: for=203.0.113.1", "Forwarded: for=203.0.113.2"],
        ),
        (
            &[
                "--trusted-proxy",
                "127.0.0.1",
                "--trusted-proxy-header",
                "forwarded",
            ],
            [
                "X-Forwarded-For: 203.0.113.1",
                "X-Forwarded-For: 203.0.113.2",
            ],
        ),
    ] {
        for server in servers(&[proxies, &LIMIT].concat()) {
            let stream = connected(&server, "/events", lines[0]);
            assert_eq!(addresses(&server), ["127.0.0.1"], "{proxies:?}");
            assert_eq!(refused(&server, "/events", lines[1]), 503, "{proxies:?}");
            drop(stream);
        }
    }
}

#[test]
fn the_client_is_read_from_forwarded_where_that_is_the_header_of_the_proxies() {
    let arguments = [&TRUSTED[..], &["--trusted-proxy-header", "forwarded"]].concat();
    for server in servers(&arguments) {
        let lines = "Forwarded: for=\"6.6.6.6\nForwarded: for=6.6.6.6, for=\"[2001:db8::7]:4711\";proto=https\n\
                     X-Forwarded-For: 6.6.6.6";
        let _stream = connected(&server, "/events", lines);
        assert_eq!(addresses(&server), ["2001:db8::7"]);
    }
}

#[test]
fn a_proxy_on_a_unix_socket_is_trusted_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    for (number, direct) in [&[][..], &["--no-direct"]].into_iter().enumerate() {
        let path = directory.path().join(format!("{number}.sock"));
        let listen = format!("unix:{}", path.display());
        let arguments = ["--trusted-proxy", "unix", "--listen", &listen];
        let server = &server(&[&arguments, direct].concat());
        let mut socket = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let request = "GET /events HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n";
        std::io::Write::write_all(&mut socket, request.as_bytes()).unwrap();
        wait_until("it is listed", || addresses(server) == ["203.0.113.7"]);
        drop(socket);
        wait_until("it is gone", || addresses(server).is_empty());
        let _over_tcp = connected(server, "/events", "X-Forwarded-For: 203.0.113.7");
        assert_eq!(addresses(server), ["127.0.0.1"]);
    }
}

#[test]
fn the_log_of_refusals_names_the_client_and_the_proxy() {
    for mut server in servers(&[&TRUSTED[..], &["--log", "debug"]].concat()) {
        for head in [
            "GET /nothing HTTP/1.1",
            "POST /events?topic=%2A HTTP/1.1\nContent-Type: text/plain",
        ] {
            let response = server.request(&format!("{head}\nX-Forwarded-For: 203.0.113.7"), b"x");
            assert!(response.status >= 400, "{response:?}");
            let line = server.wait_for_log("from 203.0.113.7 by 127.0.0.1:");
            assert!(line.contains("refused "), "{line}");
        }
        server.request("GET /nothing HTTP/1.1", b"");
        server.wait_for_log("refused GET /nothing from 127.0.0.1:");
    }
}

#[test]
fn a_publish_that_a_trusted_proxy_passes_on_is_none_of_a_local_program() {
    let server = Server::start(&TRUSTED);
    let head = "POST /events HTTP/1.1\nContent-Type: text/plain\nX-Forwarded-For: 127.0.0.1";
    let response = server.raw(head, "localhost", b"x");
    assert_eq!(
        (response.status, response.code().as_str()),
        (403, "not_local")
    );
}

#[test]
fn proxies_are_replaced_at_sighup_for_requests_from_then_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sse-broadcaster.toml");
    let settings = |proxies: &str| {
        let text = format!("admin-key = \"{KEY}\"\ntrusted-proxy = {proxies}\n");
        std::fs::write(&path, text).unwrap();
    };
    settings("[\"10.0.0.0/8\"]");
    let mut command = command(&["--listen", "127.0.0.1:0", "--config"]);
    command.arg(&path);
    let mut server = Server::spawn(command);
    let line = format!("{}\nX-Forwarded-For: 203.0.113.7", bearer(KEY));
    let _before = connected(&server, "/events", &line);
    settings("[\"127.0.0.0/8\", \"::1\"]");
    server.signal("-HUP");
    server.wait_for_log("trusted-proxy");
    let _after = connected(&server, "/events", &line);
    let mut found = addresses(&server);
    found.sort();
    assert_eq!(found, ["127.0.0.1", "203.0.113.7"]);
}
