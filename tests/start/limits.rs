//! Limits of connections and open files, and that other clients are served at them.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{End, PATIENCE, Response, Server, Stream, command, wait_until};

const EVENT_STREAM: &str = "Accept: text/event-stream";

/// What this test itself opens is counted against its own limit.
fn raise_own_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("the limit can be raised");
    let enough = limit.maximum.is_none_or(|limit| limit >= 2_500);
    assert!(
        enough,
        "this test opens 2,000 files; raise the hard limit (ulimit -Hn) first"
    );
}

/// The server under limits of the shell's.
fn under(limits: &str) -> Server {
    under_with(limits, &[])
}

fn under_with(limits: &str, args: &[&str]) -> Server {
    let mut binary = command(&["--listen", "127.0.0.1:0"]);
    binary.args(args);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{limits}; exec \"$0\" \"$@\"")]);
    shell.arg(binary.get_program()).args(binary.get_args());
    for (name, value) in binary.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    Server::spawn(shell)
}

/// Asserts that a stream was sent away so that its client comes back later.
fn assert_sent_away(mut stream: Stream) {
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert_eq!(stream.drain_to_farewell(), []);
    assert_eq!(stream.end, Some(End::Cut));
    assert!(
        stream
            .retry
            .is_some_and(|retry| (1_000..=60_000).contains(&retry)),
        "{:?}",
        stream.retry
    );
}

fn assert_refused(response: &Response) {
    assert_eq!(
        (response.status, response.code().as_str()),
        (503, "too_many_subscribers")
    );
    assert!(
        response
            .header("retry-after")
            .is_some_and(|wait| wait.parse::<u32>().is_ok())
    );
    assert_eq!(
        response.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

/// Whether it begins as a stream does, and not as one that is sent away.
fn is_connected(stream: &mut Stream) -> bool {
    stream
        .next()
        .is_some_and(|message| message.name == "connected")
}

fn connected(server: &Server) -> Stream {
    let mut stream = server.subscribe_with("/events", EVENT_STREAM);
    stream.until("connected");
    stream
}

#[test]
fn past_a_soft_limit_of_1024_files_the_server_works() {
    raise_own_limit();
    let server = under("ulimit -Sn 1024");
    let mut streams: Vec<_> = (0..1_200).map(|_| connected(&server)).collect();
    assert_eq!(server.get("/health/live").status, 200);
    server.publish("default", "to all");
    for stream in &mut streams {
        assert_eq!(stream.event().unwrap().data, "to all");
    }
}

#[test]
fn at_the_hard_limit_of_open_files_publishes_and_health_still_get_responses() {
    let mut server = under("ulimit -Sn 256; ulimit -Hn 256");
    let mut open = Vec::new();
    let mut sent_away = 0;
    for _ in 0..400 {
        let mut stream = server.subscribe_with("/events", EVENT_STREAM);
        if is_connected(&mut stream) {
            open.push(stream);
        } else {
            assert!(stream.drain().is_empty() && stream.retry.is_some());
            assert_eq!(stream.end, Some(End::Cut));
            sent_away += 1;
        }
    }
    assert!(
        open.len() >= 128 && sent_away >= 400 - 256,
        "{} and {sent_away}",
        open.len()
    );
    assert_refused(&server.get("/events"));
    let wildcard = server.request("GET /events HTTP/1.1\nAccept: */*", b"");
    assert_refused(&wildcard);

    // Those that only connect cannot take the places of the others, either.
    let idle: Vec<TcpStream> = (0..100).map(|_| server.connect()).collect();
    drop(idle);
    wait_until("the server has noticed that they are gone", || {
        let mut socket = server.connect();
        request_on(&mut socket).is_some()
    });
    for n in 0..20 {
        assert_eq!(server.get("/health/live").status, 200);
        assert_eq!(server.get("/health/ready").status, 200);
        server.publish("default", &n.to_string());
    }
    let expected: Vec<_> = (0..20).map(|n: u32| n.to_string()).collect();
    for stream in &mut open {
        assert_eq!(stream.data(20), expected);
    }
    assert!(!server.log().contains("panicked"));
    open.pop();
    wait_until("a place is free again", || {
        is_connected(&mut server.subscribe_with("/events", EVENT_STREAM))
    });
}

/// One request on a connection that is kept, and its response.
fn request_on(socket: &mut TcpStream) -> Option<String> {
    socket
        .write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .ok()?;
    let (mut response, mut part) = (String::new(), [0; 1_024]);
    while !response.ends_with("}\n") {
        let read = socket.read(&mut part).ok().filter(|read| *read > 0)?;
        response.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    Some(response)
}

#[test]
fn idle_connections_are_closed_to_make_room_for_others_the_oldest_first() {
    const MORE_THAN_FIT: usize = 200;
    let server = under("ulimit -Sn 128; ulimit -Hn 128");
    let mut idle = Vec::new();
    for number in 0..MORE_THAN_FIT {
        let mut socket = server.connect();
        let response = request_on(&mut socket);
        assert!(response.is_some(), "{number} finds no room");
        idle.push(socket);
    }
    let mut stream = connected(&server);
    server.publish("default", "x");
    assert_eq!(stream.event().unwrap().data, "x");
    assert_eq!(idle[0].read(&mut [0]).unwrap(), 0, "the oldest is closed");
    let newest = idle.last_mut().unwrap();
    assert!(request_on(newest).is_some(), "the newest is kept");
}

#[test]
fn an_idle_connection_is_kept_as_long_as_responses_announce() {
    let server = Server::start(&[]);
    let mut socket = server.connect();
    let response = request_on(&mut socket).unwrap();
    assert!(
        response.contains("\r\nkeep-alive: timeout=75\r\n"),
        "{response}"
    );
    // One that is to be closed is not announced as kept.
    assert_eq!(server.get("/health/live").header("keep-alive"), None);

    let server = Server::start(&["--keep-alive", "1s"]);
    let mut socket = server.connect();
    let response = request_on(&mut socket).unwrap();
    assert!(
        response.contains("\r\nkeep-alive: timeout=1\r\n"),
        "{response}"
    );
    assert_eq!(socket.read(&mut [0]).unwrap(), 0, "closed");

    let server = Server::start(&["--keep-alive", "0"]);
    let mut socket = server.connect();
    let response = request_on(&mut socket).unwrap();
    assert!(response.contains("connection: close"), "{response}");
    assert_eq!(socket.read(&mut [0]).unwrap(), 0, "closed");
}

#[test]
fn a_warning_is_logged_for_more_subscribers_than_the_limit_of_open_files_allows() {
    let mut server = under("ulimit -Sn 256; ulimit -Hn 256; set -- \"$@\" --max-subscribers 300");
    assert!(
        server
            .log()
            .contains("--max-subscribers 300 cannot be reached")
    );
}

#[test]
fn past_max_subscribers_clients_of_streams_are_sent_a_retry() {
    let server = Server::start(&["--max-subscribers", "2"]);
    let mut first = connected(&server);
    let second = connected(&server);
    for accept in [
        EVENT_STREAM,
        "Accept: text/html, text/event-stream;q=0.9",
        "accept: TEXT/event-stream",
    ] {
        assert_sent_away(server.subscribe_with("/events?topic=a", accept));
    }
    assert_refused(&server.get("/events"));
    assert_eq!(server.metric("subscribers"), 2);
    drop(second);
    wait_until("a place is free again", || {
        server.metric("subscribers") == 1
    });
    connected(&server);
    server.publish("default", "still there");
    assert_eq!(first.event().unwrap().data, "still there");
}

#[test]
fn over_http_1_0_a_rejected_subscriber_sees_a_cut_and_no_clean_end() {
    let server = Server::start(&["--max-subscribers", "0"]);
    let mut socket = server.connect();
    write!(
        socket,
        "GET /events HTTP/1.0\r\nHost: localhost\r\n{EVENT_STREAM}\r\n\r\n"
    )
    .unwrap();
    let stream = Stream::open(socket);
    assert_sent_away(stream);
}

#[test]
fn reconnection_times_of_rejected_subscribers_are_spread() {
    let server = Server::start(&["--max-subscribers", "0"]);
    let mut times: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = server.subscribe_with("/events", EVENT_STREAM);
            stream.drain_to_farewell();
            stream.retry.expect("a reconnection time")
        })
        .collect();
    times.sort_unstable();
    times.dedup();
    assert!(times.len() > 10, "{times:?}");
}

#[test]
fn one_address_may_have_a_limited_number_of_streams() {
    let server = Server::start(&["--max-subscribers-per-address", "2"]);
    let first = connected(&server);
    let _second = connected(&server);
    assert_sent_away(server.subscribe_with("/events", EVENT_STREAM));
    assert_refused(&server.get("/events"));

    let elsewhere =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    elsewhere
        .bind(&std::net::SocketAddr::from(([127, 0, 0, 2], 0)).into())
        .unwrap();
    elsewhere.connect(&server.address.into()).unwrap();
    let mut elsewhere = TcpStream::from(elsewhere);
    elsewhere.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(elsewhere, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    Stream::open(elsewhere).until("connected");

    drop(first);
    wait_until("a place is free again", || {
        is_connected(&mut server.subscribe_with("/events", EVENT_STREAM))
    });
}

#[test]
fn unfinished_uploads_leave_room_for_health_streams_and_publishes() {
    let server = under("ulimit -Sn 160; ulimit -Hn 160");
    let unfinished = |kind: &str| {
        let mut socket = server.connect();
        let head = format!(
            "POST /events HTTP/1.1\r\nHost: {}\r\nContent-Type: {kind}\r\nContent-Length: 9999\r\n\r\n ",
            server.address
        );
        // One that finds no place is closed.
        let _ = socket.write_all(head.as_bytes());
        socket
    };
    for kind in ["application/x-ndjson", "application/json"] {
        let stuck: Vec<_> = (0..140).map(|_| unfinished(kind)).collect();
        wait_until("others find a place again", || {
            let mut socket = server.connect();
            request_on(&mut socket).is_some()
        });
        for n in 0..10 {
            assert_eq!(server.get("/health/ready").status, 200);
            let mut stream = connected(&server);
            server.publish("default", &n.to_string());
            assert_eq!(stream.event().unwrap().data, n.to_string());
        }
        let refused = stuck.into_iter().rev().find_map(Response::try_read);
        let refused = refused.expect("a response");
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (503, "too_many_uploads")
        );
    }
}

#[test]
fn the_admin_address_responds_however_many_connections_the_public_address_has() {
    let mut server = under_with(
        "ulimit -Sn 160; ulimit -Hn 160",
        &["--admin-listen", "127.0.0.1:0"],
    );
    let log = server.log();
    let admin = log
        .split("http://")
        .nth(2)
        .and_then(|rest| rest.split([' ', ',']).next());
    let admin = admin.unwrap().parse().unwrap();
    let public = server.address;
    let mut crowd: Vec<_> = (0..260)
        .map(|n| {
            let mut socket = server.connect();
            if n % 2 == 0 {
                let request = format!("GET /events HTTP/1.1\r\nHost: {public}\r\n\r\n");
                let _ = socket.write_all(request.as_bytes());
            }
            socket
        })
        .collect();
    for _ in 0..20 {
        crowd.push(server.connect());
        server.address = admin;
        assert_eq!(server.get("/health/live").status, 200);
        assert_eq!(server.get("/health/ready").status, 200);
        server.address = public;
    }
}

#[test]
fn a_rejected_stream_is_closed() {
    let server = Server::start(&["--max-subscribers", "0"]);
    let mut socket = server.connect();
    write!(
        socket,
        "GET /events HTTP/1.1\r\nHost: {}\r\n\r\n",
        server.address
    )
    .unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).unwrap();
    assert!(
        response.starts_with("HTTP/1.1 503") && response.contains("connection: close"),
        "{response}"
    );
}
