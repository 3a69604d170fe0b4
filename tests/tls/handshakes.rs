use super::*;
use crate::support::wait_until;

#[test]
fn a_client_that_speaks_http_is_told_to_use_https() {
    let server = https(&[]);
    let mut socket = server.connect();
    socket
        .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
    assert!(
        response.contains("\"code\":\"https_required\""),
        "{response}"
    );
    assert_eq!(handshakes(&server, "not_tls"), 1);
}

#[test]
fn a_session_is_resumed_with_a_ticket_by_tls_1_3_and_1_2() {
    let server = https(&[]);
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let before = handshakes(&server, "resumed");
        let config = Identity::get().config_of(version);
        for _ in 0..2 {
            let client = connect_as(&server, &config, "localhost");
            let response = request(client, "GET /health/live HTTP/1.1", "");
            assert!(response.starts_with("HTTP/1.1 "), "{response}");
        }
        assert!(handshakes(&server, "resumed") > before, "{version:?}");
    }
}

#[test]
fn slow_handshakes_hold_nobody_up_and_time_out() {
    const SLOW: usize = 200;
    let server = https(&[]);
    let slow: Vec<_> = (0..SLOW)
        .map(|_| {
            let mut socket = server.connect();
            // The beginning of a record.
            socket.write_all(&[22, 3, 1]).unwrap();
            socket
        })
        .collect();
    let response = request(connect(&server), "POST /events HTTP/1.1", "hello");
    assert!(response.contains("\"id\""), "{response}");
    for mut socket in slow {
        assert_eq!(socket.read(&mut [0; 9]).unwrap(), 0);
    }
    wait_until("all have timed out", || {
        handshakes(&server, "timed_out") == SLOW
    });
}

#[test]
fn garbage_ends_its_own_connection_alone() {
    let server = https(&[]);
    let mut stream = connect(&server);
    stream
        .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut broken = connect(&server);
    broken
        .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut space = [0; 4096];
    let read = broken.read(&mut space).unwrap();
    assert!(space[..read].starts_with(b"HTTP/1.1 200"));
    broken.sock.write_all(&[23, 3, 3, 0, 40]).unwrap();
    broken.sock.write_all(&[7; 40]).unwrap();
    // The alert, and the end.
    let mut rest = Vec::new();
    assert!(broken.read_to_end(&mut rest).is_err());
    request(connect(&server), "POST /events HTTP/1.1", "still here");
    read_until(&mut stream, "data: still here");
}

#[test]
fn a_page_of_https_publishes_with_its_own_origin() {
    let server = https(&[]);
    let head = |origin| format!("POST /events HTTP/1.1\nOrigin: {origin}");
    let publish = |origin| request(connect(&server), &head(origin), "x");
    assert!(publish("https://localhost").starts_with("HTTP/1.1 200"));
    // The second could have been written by anybody on the network.
    for origin in ["https://evil.example", "http://localhost"] {
        assert!(publish(origin).starts_with("HTTP/1.1 403"), "{origin}");
    }
    let socket = |origin| {
        let handshake = format!(
            "GET /ws HTTP/1.1\nOrigin: {origin}\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        );
        request(connect(&server), &handshake, "")
    };
    assert!(socket("http://localhost").starts_with("HTTP/1.1 403"));
}

#[test]
fn the_command_health_reaches_a_server_of_https_by_its_settings() {
    let server = https(&[]);
    let own = Identity::get().arguments();
    let mut health = crate::support::command(&["health"]);
    health.env("SSE_BROADCASTER_LISTEN", server.address.to_string());
    for (variable, file) in [("CERT", &own[1]), ("KEY", &own[3])] {
        health.env(format!("SSE_BROADCASTER_TLS_{variable}"), file);
    }
    let output = health.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let own: Vec<_> = own.iter().map(String::as_str).collect();
    let listen = server.address.to_string();
    let by_acme = ["--acme-domain", "localhost", "health"];
    let mut by_flags =
        crate::support::command(&[&["--listen", &listen], &own[..], &by_acme].concat());
    let output = by_flags.output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    let mut health = crate::support::command(&["health"]);
    health.env("SSE_BROADCASTER_LISTEN", server.address.to_string());
    let output = health.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("https_required"), "{error}");
}
