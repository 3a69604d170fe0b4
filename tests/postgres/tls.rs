//! PostgreSQL over TLS.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::{
    redis::nodes::history_of,
    support::postgres::PostgresServer,
    support::{Server, certificates, command, wait_until},
};

fn node(server: &PostgresServer, mode: &str, authority: Option<&Path>) -> Server {
    let mut command = command(&["--listen", "127.0.0.1:0", "--workers", "1"]);
    let port = server.port;
    command.arg("--postgres-url");
    command.arg(format!(
        "postgres://postgres@localhost:{port}/postgres{mode}"
    ));
    if let Some(authority) = authority {
        command.env("SSL_CERT_FILE", authority);
    }
    Server::spawn(command)
}

#[test]
fn postgres_is_reached_over_tls_where_its_certificate_is_trusted_and_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    certificates::make(directory.path());
    let mut server = PostgresServer::prepare(&["-c", "ssl=on"]);
    for (from, to) in [("its.pem", "server.crt"), ("its.key", "server.key")] {
        let to = server.data().join(to);
        fs::copy(directory.path().join(from), &to).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
    }
    server.give_away();
    server.run();
    let authority = directory.path().join("ca.pem");
    let trusting = node(&server, "?sslmode=verify-full", Some(&authority));
    wait_until("it is reached", || history_of(&trusting) == "ok");
    let id = trusting.publish("t", "sealed");
    let mut stream = trusting.subscribe("/events?topic=t&since=earliest");
    assert_eq!(stream.event().unwrap().id, id);
    let encrypted = "SELECT count(*) >= 3 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
        WHERE ssl AND application_name = 'sse-broadcaster'";
    assert_eq!(server.ask(encrypted), "t");

    for mode in ["?sslmode=verify-full", "?sslmode=require"] {
        let mut distrusting = node(&server, mode, None);
        wait_until("it says why", || {
            distrusting.log().contains("invalid peer certificate")
        });
        assert_eq!(history_of(&distrusting), "unavailable");
    }
    // As with other clients: encrypted if the server can, without a check of its certificate.
    let preferring = node(&server, "", None);
    wait_until("it is reached", || history_of(&preferring) == "ok");
}

#[test]
fn postgres_without_tls_is_refused_where_tls_is_required() {
    let server = PostgresServer::start();
    let mut requiring = node(&server, "?sslmode=require", None);
    wait_until("it says why", || {
        requiring.log().contains("does not support TLS")
    });
    let preferring = node(&server, "", None);
    wait_until("it is reached", || history_of(&preferring) == "ok");
}
