//! IPv6: listeners, names, origins, limits, and the commands.

use std::{
    io::Write as _,
    net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream},
};

use super::{addresses, connected, refused, servers};
use crate::support::{PATIENCE, Response, Server, Stream, command, socket::Socket};

fn on(listen: &str, args: &[&str]) -> Server {
    let mut command = command(&["--listen", listen, "--admin-key", super::KEY]);
    command.args(args);
    Server::spawn(command)
}

fn run(args: &[&str]) -> (bool, String) {
    let output = command(args).output().expect("the binary runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn a_server_on_an_address_of_ipv6_is_reached_by_it_and_by_names_of_this_machine() {
    for direct in [&[][..], &["--no-direct"]] {
        let server = on("[::1]:0", direct);
        assert!(server.address.is_ipv6());
        let port = server.address.port();
        for host in [
            format!("[::1]:{port}"),
            "[0:0::1]".to_owned(),
            format!("localhost:{port}"),
        ] {
            assert_eq!(
                server.status_line_of("GET /events HTTP/1.1", &host),
                200,
                "{host}"
            );
        }
        for host in [
            "evil.example",
            "[::1",
            "[::1]x",
            "[fe80::1%25lo]",
            "[::1%lo]",
        ] {
            assert_eq!(
                server.status_line_of("GET /events HTTP/1.1", host),
                403,
                "{host}"
            );
        }
        let own = format!("http://[::1]:{port}");
        let publish = |origin: &str| {
            let head = format!("POST /events HTTP/1.1\nContent-Type: text/plain\nOrigin: {origin}");
            server.raw(&head, &format!("[::1]:{port}"), b"x").status
        };
        assert_eq!(publish(&own), 200);
        assert_eq!(publish("http://[::2]"), 403);
        assert_eq!(publish(&format!("http://[::1]:{}", port ^ 1)), 403);
        let page = format!("Origin: {own}");
        let socket = Socket::try_open(server.connect(), "/ws", &format!("[::1]:{port}"), &[&page]);
        assert!(socket.is_ok());
    }
}

#[test]
fn origins_and_hosts_may_be_literals_of_ipv6() {
    let origin = "http://[2001:db8::7]:3000";
    let names = ["--cors-origin", origin, "--host", "[2001:db8::1]"];
    for server in servers(&names) {
        let stream = server.subscribe_with("/events", &format!("Origin: {origin}"));
        assert_eq!(stream.header("access-control-allow-origin"), Some(origin));
        assert_eq!(
            server.status_line_of("GET /events HTTP/1.1", "[2001:DB8:0::1]:80"),
            200
        );
    }
    for (setting, right) in [
        ("http://[2001:DB8:0::7]:80", "http://[2001:db8::7]"),
        ("http://2001:db8::7", "https://app.example.com"),
    ] {
        let (done, text) = run(&["--listen", "127.0.0.1:0", "--cors-origin", setting]);
        assert!(!done && text.contains(right), "{text}");
    }
}

#[test]
fn a_listener_on_all_addresses_shows_clients_of_ipv4_by_their_own_addresses() {
    let server = on(
        "[::]:0",
        &[
            "--allow-anonymous-publish",
            "--max-subscribers-per-address",
            "1",
            "--trusted-proxy",
            "127.0.0.1",
        ],
    );
    let _stream = connected(&server, "/events", "");
    assert_eq!(addresses(&server), ["127.0.0.1"], "not ::ffff:127.0.0.1");
    assert_eq!(refused(&server, "/events", ""), 503);
    // It is a trusted proxy by its own address, too.
    let _stream = connected(&server, "/events", "X-Forwarded-For: 2001:db8::7");
    let address = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], server.address.port()));
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
        .write_all(b"GET /events HTTP/1.1\r\nHost: [::1]\r\n\r\n")
        .unwrap();
    let _stream = Stream::open(socket);
    let mut found = addresses(&server);
    found.sort();
    assert_eq!(found, ["127.0.0.1", "2001:db8::7", "::1"]);
}

#[test]
fn an_address_with_a_zone_is_one_to_listen_on() {
    let Some((address, index, name)) = link_local() else {
        // A machine without an interface of its own has no such address.
        return;
    };
    for zone in [index.to_string(), name] {
        let listen = format!("[{address}%{zone}]:0");
        let server = on(&listen, &["--no-publish", "--admin-listen", "127.0.0.1:0"]);
        let at = SocketAddrV6::new(address, server.address.port(), 0, index);
        let mut socket = TcpStream::connect(at).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let request =
            format!("GET /topics HTTP/1.1\r\nHost: [{address}]\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        assert_eq!(Response::read(socket).status, 200, "{listen}");
    }
}

/// An address that is local to a link of this machine, with the number and the name of its interface.
fn link_local() -> Option<(Ipv6Addr, u32, String)> {
    let text = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    let line = text.lines().find(|line| line.starts_with("fe80"))?;
    let words: Vec<_> = line.split_whitespace().collect();
    let address = u128::from_str_radix(words.first()?, 16).ok()?;
    let index = u32::from_str_radix(words.get(1)?, 16).ok()?;
    Some((address.into(), index, (*words.last()?).to_owned()))
}

#[test]
fn the_commands_reach_a_server_by_an_address_of_ipv6() {
    let server = on("[::1]:0", &[]);
    let url = format!("http://[::1]:{}", server.address.port());
    let listen = server.address.to_string();
    for (args, text) in [
        (&["health", "--url", &url][..], ""),
        (&["publish", "hello", "--topic", "a", "--url", &url], "-"),
        (
            &[
                "subscribe",
                "--topic",
                "a",
                "--until",
                "head",
                "--url",
                &url,
            ],
            "hello",
        ),
        (
            &["--listen", &listen, "publish", "hello", "--topic", "a"],
            "-",
        ),
        (
            &[
                "bench",
                "--url",
                &url,
                "--subscribers",
                "2",
                "--rate",
                "50",
                "--duration",
                "200ms",
                "--yes",
            ],
            "",
        ),
    ] {
        let (done, said) = run(args);
        assert!(done && said.contains(text), "{args:?}: {said}");
    }
}

#[test]
fn what_the_server_calls_may_be_at_an_address_of_ipv6() {
    let listener = TcpListener::bind("[::1]:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let keys = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            std::io::Read::read_exact(&mut socket, &mut byte).unwrap();
            read.push(byte[0]);
        }
        let body = r#"{"keys":[]}"#;
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        socket
            .write_all(format!("{head}{body}").as_bytes())
            .unwrap();
        String::from_utf8(read).unwrap()
    });
    let url = format!("http://[::1]:{port}/keys");
    let server = Server::start(&["--token-jwks-url", &url]);
    let request = keys.join().unwrap();
    assert!(
        request
            .to_lowercase()
            .contains(&format!("host: [::1]:{port}")),
        "{request}"
    );
    assert_eq!(server.get("/health/live").status, 200);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sse-broadcaster.toml");
    for setting in [
        "redis-url = \"redis://user:password@[2001:db8::1]:6379/0\"",
        "postgres-url = \"postgres://user:password@[2001:db8::1]:5432/database\"",
        "authorize-url = \"http://[2001:db8::1]:9000/access\"",
        "otlp-endpoint = \"http://[2001:db8::1]:4318\"",
    ] {
        std::fs::write(&file, setting).unwrap();
        let (done, text) = run(&["config", "check", file.to_str().unwrap()]);
        assert!(done, "{setting}: {text}");
    }
}
