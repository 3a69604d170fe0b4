//! Which address serves which routes.

use std::net::SocketAddr;

use crate::support::{
    ADMIN_PATHS, Server, command,
    tokens::{SECRET, bearer},
};

/// All addresses that the first line of the log names.
fn addresses(server: &mut Server) -> Vec<SocketAddr> {
    let log = server.log();
    let named = log.lines().next().unwrap().split([' ', ',']);
    let named = named.filter_map(|word| word.strip_prefix("http://"));
    named
        .map(|address| address.parse().expect("an address"))
        .collect()
}

fn statuses(server: &Server) -> Vec<u16> {
    let status = |path: &&str| server.get(path).status;
    ADMIN_PATHS.iter().map(status).collect()
}

#[test]
fn one_address_serves_every_route() {
    let server = Server::start(&[]);
    assert_eq!(statuses(&server), [200; 7]);
}

#[test]
fn with_an_admin_address_the_others_have_neither_page_nor_metrics_nor_health() {
    let args = ["--admin-listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"];
    let mut server = Server::start(&args);
    let all = addresses(&mut server);
    assert_eq!(all.len(), 3, "{all:?}");
    for public in &all[..2] {
        server.address = *public;
        assert_eq!(statuses(&server), [404; 7]);
        assert_eq!(server.get("/").code(), "not_found");
    }
    let mut streams: Vec<_> = all
        .iter()
        .map(|address| {
            server.address = *address;
            let mut stream = server.subscribe("/events");
            stream.until("connected");
            stream
        })
        .collect();
    assert_eq!(statuses(&server), [200; 7]);
    for address in &all {
        server.address = *address;
        let data = address.to_string();
        server.publish("default", &data);
        for stream in &mut streams {
            assert_eq!(stream.event().unwrap().data, data);
        }
    }
}

#[test]
fn with_an_admin_address_grants_are_revoked_there_alone() {
    let key = "the-key-of-an-operator";
    let mut server = Server::start(&[
        "--token-key",
        SECRET,
        "--admin-key",
        key,
        "--admin-listen",
        "127.0.0.1:0",
    ]);
    let revoke = |server: &Server| {
        let head = format!("POST /admin/revoke HTTP/1.1\n{}", bearer(key));
        server.request(&head, br#"{"sub":"anna"}"#).status
    };
    assert_eq!(revoke(&server), 404);
    server.address = addresses(&mut server)[1];
    assert_eq!(revoke(&server), 200);
}

#[test]
fn several_addresses_serve_the_same_events() {
    let listen = "127.0.0.2:0,127.0.0.3:0";
    let mut server = Server::start(&["--listen", listen]);
    let all = addresses(&mut server);
    assert!(all.len() == 3, "{all:?}");
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    for address in all {
        server.address = address;
        assert_eq!(statuses(&server), [200; 7]);
        server.publish("default", "x");
        assert_eq!(stream.event().unwrap().data, "x");
    }
}

#[test]
fn the_page_can_be_switched_off_alone() {
    let server = Server::start(&["--no-page"]);
    assert_eq!(statuses(&server), [404, 404, 404, 404, 200, 200, 200]);
    let mut server = Server::start(&["--no-page", "--admin-listen", "127.0.0.1:0"]);
    server.address = addresses(&mut server)[1];
    assert_eq!(statuses(&server), [404, 404, 404, 404, 200, 200, 200]);
}

#[test]
fn every_address_serves_the_client_for_browsers_which_they_revalidate() {
    let mut server = Server::start(&["--no-page", "--admin-listen", "127.0.0.1:0"]);
    for address in addresses(&mut server) {
        server.address = address;
        let script = server.get("/client.js");
        assert_eq!(script.status, 200, "{script:?}");
        let kind = script.header("content-type").unwrap();
        assert!(kind.starts_with("text/javascript"), "{kind}");
        assert_eq!(script.header("cache-control"), Some("no-cache"));
        assert_eq!(script.header("access-control-allow-origin"), Some("*"));
        let tag = script.header("etag").expect("a tag").to_owned();
        let again = |tags: &str| {
            let head = format!("GET /client.js HTTP/1.1\nIf-None-Match: {tags}");
            server.request(&head, b"")
        };
        for tags in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let unchanged = again(&tags);
            assert_eq!((unchanged.status, unchanged.body.len()), (304, 0), "{tags}");
            assert_eq!(unchanged.header("etag"), Some(tag.as_str()));
        }
        assert_eq!(again("\"x\"").body, script.body);
        let head = server.request("HEAD /client.js HTTP/1.1", b"");
        let length = script.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(length.as_str()));
        assert_eq!(server.post("/client.js", "text/plain", "x").status, 405);
    }
}

#[test]
fn the_page_loads_nothing_from_other_servers() {
    let server = Server::start(&[]);
    let page = server.get("/");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    for (path, kind) in [
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/page/stream.js", "text/javascript"),
        ("/page/signals.js", "text/javascript"),
    ] {
        let part = server.get(path);
        assert!(
            part.header("content-type")
                .is_some_and(|header| header.starts_with(kind))
        );
        let absolute = [
            "src=\"/",
            "href=\"/",
            "url(/",
            "\"/events",
            "'/events",
            "`/events",
        ];
        for text in [page.text(), part.text()] {
            assert!(!absolute.iter().any(|link| text.contains(link)), "{path}");
            assert!(
                !text.contains("src=\"http") && !text.contains("@import"),
                "{path}"
            );
        }
    }
}

#[test]
fn health_and_metrics_have_the_formats_that_load_balancers_and_prometheus_expect() {
    let server = Server::start(&[]);
    assert_eq!(server.get("/health/live").json()["status"], "live");
    let ready = server.get("/health/ready").json();
    assert_eq!(
        (&ready["status"], &ready["history"]),
        (&"ready".into(), &"ok".into())
    );
    let text = server.get("/metrics");
    let kind = text.header("content-type").expect("a type");
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    assert_eq!(text.header("vary"), Some("Accept"));
    let counter = "# TYPE sse_broadcaster_published_events_total counter\nsse_broadcaster_published_events_total ";
    assert!(text.text().contains(counter), "{}", text.text());
    assert!(!text.text().contains("# EOF"));
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let metrics = server.request(&format!("GET /metrics HTTP/1.1\n{accept}"), b"");
    let kind = metrics.header("content-type").expect("a type");
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(metrics.text().ends_with("# EOF\n"));
}

/// Starts on these addresses, in which `P` stands for a port that is free for all of them.
fn start_on_one_port(addresses: &[&str]) -> (Server, u16) {
    for _ in 0..20 {
        let port = std::net::TcpListener::bind("[::]:0")
            .and_then(|listener| listener.local_addr())
            .expect("IPv6")
            .port();
        let listen = addresses.join(",").replace('P', &port.to_string());
        if let Ok(server) = Server::try_spawn(command(&["--no-publish", "--listen", &listen])) {
            return (server, port);
        }
    }
    panic!("no port is free for {addresses:?}");
}

#[test]
fn ipv4_and_ipv6_are_listened_on_at_one_port() {
    for addresses in [
        &["0.0.0.0:P", "[::]:P"][..],
        &["[::]:P", "0.0.0.0:P"],
        &["[::]:P", "127.0.0.1:P"],
        &["[::]:P"],
    ] {
        let (_server, port) = start_on_one_port(addresses);
        for host in ["127.0.0.1", "::1"] {
            let socket = std::net::TcpStream::connect((host, port));
            let mut socket = socket.unwrap_or_else(|error| panic!("{addresses:?} {host}: {error}"));
            let request = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
            std::io::Write::write_all(&mut socket, request.as_bytes()).unwrap();
            crate::support::Stream::open(socket).until("connected");
        }
    }
}
