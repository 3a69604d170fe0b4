//! `--proxy-protocol`: the header that a trusted proxy sends before the first byte of a connection.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv6Addr, TcpStream},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
};

use super::{TRUSTED, addresses, server, servers};
use crate::support::{
    PATIENCE, Response, Server, Stream, certificates, command, socket::Socket, wait_until,
};

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const SETTINGS: [&str; 3] = ["--proxy-protocol", "--admin-listen", "127.0.0.1:0"];
const LOCAL: [u8; 4] = [0x20, 0, 0, 0];

/// A server that operators reach at a second address, without the PROXY protocol.
fn proxied(args: &[&str]) -> Vec<(Server, Server)> {
    let all = servers(&[&SETTINGS, &TRUSTED[..], args].concat());
    all.into_iter().map(with_operators).collect()
}

/// A second handle of the server, at its address for operators.
fn with_operators(mut server: Server) -> (Server, Server) {
    let log = server.log();
    let listening = log.split("http://").nth(2).expect("a second address");
    let address = listening.split([' ', ',']).next().unwrap();
    let nothing = Command::new("true").spawn().unwrap();
    let operators = Server::adopt(nothing, address.parse().unwrap());
    (server, operators)
}

fn connect(server: &Server, header: &[u8]) -> TcpStream {
    let mut socket = server.connect();
    socket.write_all(header).unwrap();
    socket
}

fn v1(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 192.0.2.1 4711 80\r\n").into_bytes()
}

fn v2(rest: &[u8]) -> Vec<u8> {
    let mut header = [V2, &[0x21, 0x21]].concat();
    let length = u16::try_from(36 + rest.len()).unwrap();
    header.extend(length.to_be_bytes());
    header.extend("2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
    header.extend([0; 20]);
    header.extend(rest);
    header
}

fn subscribe(mut socket: TcpStream) -> Stream {
    socket
        .write_all(b"GET /events HTTP/1.1\r\nHost: events.example\r\n\r\n")
        .unwrap();
    let mut stream = Stream::open(socket);
    stream.until("connected");
    stream
}

/// Whether the connection is closed without a byte.
fn is_closed(mut socket: TcpStream) -> bool {
    let _ = socket.write_all(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut byte = [0];
    match socket.read(&mut byte) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

fn health(mut socket: TcpStream) -> u16 {
    let request = b"GET /topics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    socket.write_all(request).unwrap();
    Response::read(socket).status
}

#[test]
fn the_client_of_a_connection_is_that_of_its_header_on_every_path() {
    for (server, operators) in proxied(&["--max-subscribers-per-address", "1"]) {
        let stream = subscribe(connect(&server, &v1("203.0.113.7")));
        assert_eq!(addresses(&operators), ["203.0.113.7"]);
        let mut second = connect(&server, &v1("203.0.113.7"));
        second
            .write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        assert_eq!(Response::read(second).status, 503);
        drop(stream);
        wait_until("it is gone", || addresses(&operators).is_empty());
        let tlvs = [&[0x04, 1, 0][..], &[0; 256]].concat();
        let stream = subscribe(connect(&server, &v2(&tlvs)));
        assert_eq!(addresses(&operators), ["2001:db8::7"]);
        drop(stream);
        wait_until("it is gone", || addresses(&operators).is_empty());
        let host = "events.example";
        let socket = Socket::try_open(connect(&server, &v1("203.0.113.8")), "/ws", host, &[]);
        assert!(socket.is_ok());
        assert_eq!(addresses(&operators), ["203.0.113.8"]);
    }
}

#[test]
fn publishes_follow_the_header_in_one_piece_with_it_or_byte_by_byte() {
    for (server, operators) in proxied(&[]) {
        let mut stream = operators.subscribe("/events?topic=a");
        stream.until("connected");
        let publish = |data: &str| {
            let length = data.len();
            let head =
                format!("POST /events?topic=a HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n");
            [
                head.as_bytes(),
                b"Content-Type: text/plain\r\nConnection: close\r\n\r\n",
                data.as_bytes(),
            ]
            .concat()
        };
        let at_once = [v1("203.0.113.7"), publish("at once")].concat();
        assert_eq!(Response::read(connect(&server, &at_once)).status, 200);
        let mut socket = server.connect();
        socket.set_nodelay(true).unwrap();
        for byte in [v2(&[]), publish("byte by byte")].concat() {
            socket.write_all(&[byte]).unwrap();
        }
        assert_eq!(Response::read(socket).status, 200);
        assert_eq!(stream.data(2), ["at once", "byte by byte"]);
    }
}

#[test]
fn a_proxys_own_connection_and_one_of_an_unknown_client_are_served() {
    for (server, operators) in proxied(&["--max-subscribers-per-address", "1"]) {
        let local = [V2, &LOCAL].concat();
        assert_eq!(health(connect(&server, &local)), 200);
        let mut stream = connect(&server, &local);
        stream
            .write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let stream = Stream::open(stream);
        wait_until("it is listed", || addresses(&operators) == ["127.0.0.1"]);
        drop(stream);
        wait_until("it is gone", || addresses(&operators).is_empty());
        // Its headers are its client's, and all such clients count as one.
        let mut stream = connect(&server, b"PROXY UNKNOWN\r\n");
        let request = b"GET /events HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n";
        stream.write_all(request).unwrap();
        let _stream = Stream::open(stream);
        wait_until("it is listed", || addresses(&operators) == ["null"]);
        let mut second = connect(&server, b"PROXY UNKNOWN\r\n");
        second.write_all(request).unwrap();
        assert_eq!(Response::read(second).status, 503);
    }
}

#[test]
fn a_header_of_the_request_counts_where_the_client_of_the_connection_is_a_trusted_proxy() {
    for (server, operators) in proxied(&["--trusted-proxy", "203.0.113.0/24"]) {
        for (proxy, client) in [
            ("203.0.113.7", "198.51.100.1"),
            ("203.0.114.7", "203.0.114.7"),
        ] {
            let mut socket = connect(&server, &v1(proxy));
            let request =
                b"GET /events HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n";
            socket.write_all(request).unwrap();
            let stream = Stream::open(socket);
            wait_until("it is listed", || addresses(&operators) == [client]);
            drop(stream);
            wait_until("it is gone", || addresses(&operators).is_empty());
        }
    }
}

#[test]
fn a_connection_without_a_header_is_closed_and_logged_and_those_of_operators_have_none() {
    for (mut server, operators) in proxied(&[]) {
        for bytes in [
            &b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"PROXY TCP4 203.0.113.7 192.0.2.1 x 80\r\n",
            b"\x16\x03\x01\x02\x00\x01",
            &[V2, &[0x31, 0x11, 0, 12]].concat(),
            &[V2, &[0x21, 0x11, 0xff, 0xff]].concat(),
            &[b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat(),
        ] {
            assert!(is_closed(connect(&server, bytes)), "{bytes:?}");
        }
        let line = server.wait_for_log("closed a connection of 127.0.0.1:");
        assert!(
            line.contains("does not begin with a header of the PROXY protocol"),
            "{line}"
        );
        assert_eq!(operators.get("/health/live").status, 200);
        let counted = operators.metric("refused_requests_total{status=\"400\",code=\"other\"}");
        assert_eq!(counted, 6);
        // One that only looks whether the port is open is no refusal.
        drop(server.connect());
        assert_eq!(health(connect(&server, &v1("203.0.113.7"))), 200);
        assert_eq!(server.log().matches("closed a connection").count(), 1);
    }
}

#[test]
fn a_header_that_does_not_come_holds_its_connection_for_as_long_as_a_head_may() {
    let (mut server, _operators) = proxied(&[]).remove(0);
    let begun = std::time::Instant::now();
    assert!(is_closed_after(connect(&server, b"PROXY ")));
    assert!(begun.elapsed() >= std::time::Duration::from_secs(4) && begun.elapsed() < PATIENCE);
    server.wait_for_log("took longer than 5 s");
}

fn is_closed_after(mut socket: TcpStream) -> bool {
    matches!(socket.read(&mut [0]), Ok(0))
}

#[test]
fn connections_of_a_peer_that_is_not_trusted_are_closed_whatever_they_send() {
    let settings = [
        "--proxy-protocol",
        "--trusted-proxy",
        "10.0.0.0/8",
        "--allow-anonymous-publish",
    ];
    let mut server = Server::start(&settings);
    assert!(is_closed(connect(&server, &v1("203.0.113.7"))));
    assert!(is_closed(server.connect()));
    let line = server.wait_for_log("closed a connection of 127.0.0.1:");
    assert!(line.contains("none of --trusted-proxy"), "{line}");
}

#[test]
fn a_public_unix_socket_has_the_header_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.sock");
    let listen = format!("unix:{}", path.display());
    let of_socket = ["--listen", &listen, "--trusted-proxy", "unix"];
    let (_server, operators) = with_operators(server(&[&SETTINGS[..], &of_socket].concat()));
    let mut socket = UnixStream::connect(&path).unwrap();
    socket.write_all(&v2(&[])).unwrap();
    socket
        .write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    wait_until("it is listed", || addresses(&operators) == ["2001:db8::7"]);
}

#[test]
fn the_header_comes_before_the_handshake_of_tls() {
    let directory = tempfile::tempdir().unwrap();
    certificates::make(directory.path());
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (certificate, key, authority) = (path("its.pem"), path("its.key"), path("ca.pem"));
    let mut command = command(&[
        "--listen",
        "127.0.0.1:0",
        "--proxy-protocol",
        "--no-publish",
    ]);
    command.args(TRUSTED);
    command.args(["--tls-cert", &certificate, "--tls-key", &key]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = lines.map(|line| line.expect("the log is text"));
    let listening = lines.find(|line| line.contains("listening on https://"));
    let port = listening.as_deref().and_then(|line| {
        line.split("https://")
            .nth(1)?
            .split([',', ' '])
            .next()?
            .rsplit(':')
            .next()
    });
    let url = format!("https://localhost:{}/events?last=x", port.expect("a port"));
    let status = |options: &[&str]| {
        let mut curl = Command::new("curl");
        let curl = curl.args([
            "-s4o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--cacert",
            &authority,
        ]);
        let output = curl.args(options).arg(&url).output().expect("curl runs");
        String::from_utf8(output.stdout).unwrap()
    };
    let statuses = [status(&["--haproxy-protocol"]), status(&[])];
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(statuses, ["400", "000"]);
}
