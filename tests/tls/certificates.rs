use std::{fs, path::Path};

use super::*;
use crate::support::{command, wait_until};

/// Writes a certificate for this name, and its key, as `FILE.crt` and `FILE.key`; returns the certificate.
fn write(directory: &Path, file: &str, name: &str) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let path = directory.join(file);
    fs::write(path.with_extension("key"), made.signing_key.serialize_pem()).unwrap();
    fs::write(path.with_extension("crt"), made.cert.pem()).unwrap();
    made.cert.der().to_vec()
}

/// The certificate that a client gets which asks for this name.
fn served(server: &Server, name: &str) -> Vec<u8> {
    let mut client = connect_as(server, &Identity::trusting_all(), name);
    client
        .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    client.conn.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn a_client_gets_the_certificate_of_its_name_from_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let [a, b] = ["a.example", "b.example"].map(|name| write(path, name, name));
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--tls-dir",
        path.to_str().unwrap(),
    ];
    let server = Server::spawn(command(&args));
    assert_eq!(served(&server, "a.example"), a);
    assert_eq!(served(&server, "b.example"), b);
    assert_eq!(served(&server, "c.example"), a);
    let c = write(path, "c.example", "c.example");
    wait_until("a new pair is served", || served(&server, "c.example") == c);
}

#[test]
fn renewed_certificates_are_served_without_cutting_streams_and_invalid_ones_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let first = write(path, "own", "localhost");
    let files = ["own.crt", "own.key"].map(|file| path.join(file).to_str().unwrap().to_owned());
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        &files[0],
        "--tls-key",
        &files[1],
    ];
    let mut server = Server::spawn(command(&args));
    let mut stream = connect_as(&server, &Identity::trusting_all(), "localhost");
    stream
        .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    assert_eq!(served(&server, "localhost"), first);
    let second = write(path, "own", "localhost");
    wait_until("the renewed one is served", || {
        served(&server, "localhost") == second
    });
    server.wait_for_log("read the certificates again");
    fs::write(&files[1], "no key").unwrap();
    server.signal("-HUP");
    server.wait_for_log("the certificates stay as they were: TLS: ");
    assert_eq!(served(&server, "localhost"), second);
    let third = write(path, "own", "localhost");
    server.signal("-HUP");
    wait_until("that is served", || served(&server, "localhost") == third);
    let client = connect_as(&server, &Identity::trusting_all(), "localhost");
    request(client, "POST /events HTTP/1.1", "on the old stream");
    read_until(&mut stream, "data: on the old stream");
}

#[test]
fn a_server_does_not_start_with_settings_of_tls_that_cannot_be_used() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write(path, "own", "localhost");
    write(path, "other", "localhost");
    let file = |name: &str| path.join(name).to_str().unwrap().to_owned();
    fs::create_dir(path.join("empty")).unwrap();
    let [own, other] =
        ["own", "other"].map(|name| [file(&format!("{name}.crt")), file(&format!("{name}.key"))]);
    for (args, expected) in [
        (vec!["--tls-cert", &*own[0]], "--tls-cert needs --tls-key"),
        (vec!["--tls-key", &*own[1]], "--tls-key needs --tls-cert"),
        (
            vec!["--tls-cert", &*own[0], "--tls-key", &*other[1]],
            "is not that of the first certificate in",
        ),
        (
            vec!["--tls-cert", "/missing.crt", "--tls-key", &*own[1]],
            "/missing.crt cannot be read: No such file",
        ),
        (
            vec!["--tls-dir", &*file("empty")],
            "there is no certificate with its key",
        ),
        (
            vec!["--tls-dir", "/missing"],
            "--tls-dir /missing: No such file",
        ),
    ] {
        let log = Server::try_spawn(command(&[&["--listen", "127.0.0.1:0"], &args[..]].concat()));
        let log = log.err().expect("it does not start");
        assert!(log.contains(expected), "{args:?}: {log}");
    }
}

#[test]
fn the_expiry_of_the_certificate_is_a_metric_and_an_expired_one_is_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    fs::write(
        path.join("own.crt"),
        params.self_signed(&key).unwrap().pem(),
    )
    .unwrap();
    fs::write(path.join("own.key"), key.serialize_pem()).unwrap();
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--tls-dir",
        path.to_str().unwrap(),
    ];
    let mut server = Server::spawn(command(&args));
    assert!(
        server
            .log()
            .contains("own.crt has expired, on 2021-01-01T00:00:00Z")
    );
    let server = https(&[]);
    let expires: f64 = metric(&server, "sse_broadcaster_tls_certificate_expires_seconds");
    assert!(expires > 1.7e9, "{expires}");
}
