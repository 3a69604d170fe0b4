//! Redis over TLS, with a password: `rediss://`.

use std::path::Path;

use crate::{
    redis::nodes::history_of,
    support::redis::{DURABLE, RedisServer},
    support::{Server, certificates, command, free_port, wait_until},
};

fn node(port: u16, authority: Option<&Path>) -> Server {
    let mut command = command(&["--listen", "127.0.0.1:0"]);
    command.args([
        "--redis-url",
        &format!("rediss://:sesame@localhost:{port}/0"),
    ]);
    if let Some(authority) = authority {
        command.env("SSL_CERT_FILE", authority);
    }
    Server::spawn(command)
}

#[test]
fn redis_is_reached_over_tls_where_its_certificate_is_trusted_and_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    certificates::make(directory.path());
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let port = free_port();
    let (text, ca, its, key) = (
        port.to_string(),
        file("ca.pem"),
        file("its.pem"),
        file("its.key"),
    );
    let tls = [
        "--requirepass",
        "sesame",
        "--tls-port",
        &text,
        "--tls-ca-cert-file",
        &ca,
        "--tls-cert-file",
        &its,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
    ];
    let _redis = RedisServer::start_locked(&[&DURABLE[..], &tls].concat());

    let trusting = node(port, Some(&directory.path().join("ca.pem")));
    wait_until("Redis is reached", || history_of(&trusting) == "ok");
    let id = trusting.publish("t", "sealed");
    let mut stream = trusting.subscribe("/events?topic=t&since=earliest");
    assert_eq!(stream.event().unwrap().id, id);

    let mut distrusting = node(port, None);
    wait_until("it says why", || {
        distrusting.log().contains("invalid peer certificate")
    });
    assert_eq!(history_of(&distrusting), "unavailable");
    assert!(!distrusting.log().contains("sesame"));
}
