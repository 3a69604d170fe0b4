//! The server under systemd: the sockets that it passes, and what is reported to it.

use std::{
    collections::VecDeque,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt as _,
        unix::net::{self, UnixDatagram, UnixListener, UnixStream},
    },
    path::Path,
};

use crate::support::{PATIENCE, Response, Server, command, tunnel::Identity};

/// What receives the messages in place of systemd.
struct Manager {
    socket: UnixDatagram,
    lines: VecDeque<String>,
    all: Vec<String>,
}

impl Manager {
    fn of(socket: UnixDatagram) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            lines: VecDeque::new(),
            all: Vec::new(),
        }
    }

    fn at(path: &Path) -> Self {
        Self::of(UnixDatagram::bind(path).unwrap())
    }

    /// Waits for the next line that begins so, and returns the rest of it.
    fn wait_for(&mut self, start: &str) -> String {
        loop {
            while let Some(line) = self.lines.pop_front() {
                self.all.push(line.clone());
                if let Some(rest) = line.strip_prefix(start) {
                    return rest.to_owned();
                }
            }
            let mut message = [0; 4_096];
            let length = self.socket.recv(&mut message).unwrap_or_else(|error| {
                panic!("no {start}, {error}; {:?} was received", self.all);
            });
            let text = std::str::from_utf8(&message[..length]).unwrap();
            self.lines.extend(text.lines().map(str::to_owned));
        }
    }
}

/// Starts a server that systemd supervises.
fn supervised(args: &[&str], variables: &[(&str, &str)]) -> Server {
    let mut command = command(&["--listen", "127.0.0.1:0"]);
    command.args(args).envs(variables.iter().copied());
    Server::spawn(command)
}

#[test]
fn systemd_is_told_when_the_server_listens_reloads_works_and_drains() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let mut manager = Manager::at(&path);
    let log = directory.path().join("log");
    let args = [
        "--data-dir",
        log.to_str().unwrap(),
        "--drain-time",
        "50ms",
        "--workers",
        "3",
    ];
    let variables = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "400000"),
    ];
    let mut server = supervised(&args, &variables);
    manager.wait_for("STATUS=Opening the history");
    assert_eq!(manager.wait_for("EXTEND_TIMEOUT_USEC="), "30000000");
    manager.wait_for("READY=1");
    let opened = manager.all.len();
    manager.wait_for("STATUS=Serving 0 subscribers");
    manager.wait_for("WATCHDOG=1");
    manager.wait_for("WATCHDOG=1");
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    server.signal("-HUP");
    manager.wait_for("RELOADING=1");
    let microseconds: u64 = manager.wait_for("MONOTONIC_USEC=").parse().unwrap();
    assert!(microseconds > 0);
    manager.wait_for("READY=1");
    server.signal("-TERM");
    manager.wait_for("STOPPING=1");
    manager.wait_for("STATUS=Draining");
    let after_start = &manager.all[opened..];
    let extended = |line: &String| line.starts_with("EXTEND_TIMEOUT_USEC=");
    assert!(!after_start.iter().any(extended), "{after_start:?}");
    assert_eq!(manager.wait_for("EXTEND_TIMEOUT_USEC="), "30000000");
    assert!(server.wait().success());
}

#[test]
fn systemd_may_listen_on_an_abstract_socket_and_supervise_another_process() {
    let directory = tempfile::tempdir().unwrap();
    let name = format!("sse-broadcaster-{}", directory.path().display());
    let address = net::SocketAddr::from_abstract_name(&name).unwrap();
    let mut manager = Manager::of(UnixDatagram::bind_addr(&address).unwrap());
    let socket = format!("@{name}");
    let variables = [
        ("NOTIFY_SOCKET", socket.as_str()),
        ("WATCHDOG_USEC", "100"),
        ("WATCHDOG_PID", "1"),
    ];
    let server = supervised(&[], &variables);
    manager.wait_for("READY=1");
    server.signal("-HUP");
    manager.wait_for("RELOADING=1");
    manager.wait_for("READY=1");
    server.signal("-INT");
    manager.wait_for("STOPPING=1");
    let all = &manager.all;
    assert!(!all.contains(&"WATCHDOG=1".to_owned()), "{all:?}");
}

#[test]
fn the_server_serves_when_systemd_cannot_be_told() {
    for (socket, logged) in [
        (
            "relative",
            "NOTIFY_SOCKET is relative: a path begins with /",
        ),
        (
            "/nowhere/notify",
            "systemd cannot be told \"STATUS=Opening the history\": No such file",
        ),
    ] {
        let mut server = supervised(&[], &[("NOTIFY_SOCKET", socket), ("WATCHDOG_USEC", "1s")]);
        assert_eq!(server.get("/health/ready").status, 200);
        let log = server.log();
        assert!(log.contains(logged), "{log}");
    }
}

/// The response over a Unix socket.
fn ask(path: &Path, target: &str) -> String {
    let mut socket = UnixStream::connect(path).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn sockets_that_systemd_passes_replace_those_of_the_settings() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.sock");
    let public = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = public.local_addr().unwrap();
    let admin = UnixListener::bind(&path).unwrap();
    // These cannot be bound.
    let command = command(&[
        "--listen",
        "192.0.2.1:80",
        "--admin-listen",
        "unix:/nowhere/x",
    ]);
    let sockets = vec![public.into(), OwnedFd::from(admin)];
    let mut server =
        Server::try_spawn_with_sockets(&command, sockets, "sse-broadcaster.socket:admin").unwrap();
    assert_eq!(server.address, address);
    assert_eq!(server.get("/metrics").status, 404);
    assert!(ask(&path, "/metrics").starts_with("HTTP/1.1 200"));
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    server.publish("default", "over a passed socket");
    assert_eq!(stream.event().unwrap().data, "over a passed socket");
    for fd in [3, 4] {
        let info = fs::read_to_string(format!("/proc/{}/fdinfo/{fd}", server.pid())).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
        assert_ne!(flags & 0o2_000_000, 0, "closed in programs that it starts");
    }
    drop(stream);
    server.signal("-INT");
    assert!(server.wait().success());
    assert!(path.exists(), "the file belongs to systemd");
}

#[test]
fn a_passed_socket_redirects_to_https_in_place_of_the_setting() {
    let [public, redirect] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [https, http] = [&public, &redirect].map(|socket| socket.local_addr().unwrap());
    let own = Identity::get().arguments();
    let own: Vec<_> = own.iter().map(String::as_str).collect();
    let start = |args: &[&str], sockets| {
        let command = command(&[&own[..], args].concat());
        Server::try_spawn_with_sockets(&command, sockets, "https:redirect")
    };
    // This could not be bound.
    let setting = ["--redirect-http", "192.0.2.1:80"];
    let sockets = vec![OwnedFd::from(public), OwnedFd::from(redirect)];
    let _server = start(&setting, sockets).unwrap();
    let mut socket = TcpStream::connect(http).unwrap();
    socket
        .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let response = Response::read(socket);
    let location = format!("https://localhost:{}/events", https.port());
    assert_eq!(response.header("location"), Some(location.as_str()));
    let listener = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let refused = start(&[], vec![listener(), listener()]).err().unwrap();
    assert!(refused.contains("--redirect-http: set that"), "{refused}");
    let directory = tempfile::tempdir().unwrap();
    let unix = UnixListener::bind(directory.path().join("socket")).unwrap();
    let refused = start(&setting, vec![listener(), unix.into()])
        .err()
        .unwrap();
    assert!(
        refused.contains("redirects are served over TCP"),
        "{refused}"
    );
}

#[test]
fn connections_wait_while_a_server_with_a_passed_socket_restarts() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let start = || {
        let socket = OwnedFd::from(listener.try_clone().unwrap());
        Server::try_spawn_with_sockets(&command(&[]), vec![socket], "http").unwrap()
    };
    let mut server = start();
    assert_eq!(server.get("/health/ready").status, 200);
    server.signal("-TERM");
    assert!(server.wait().success());
    let mut waiting = TcpStream::connect(address).expect("it is not refused");
    waiting
        .write_all(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let _server = start();
    let response = Response::read(waiting);
    assert_eq!(response.status, 200);
}

#[test]
fn passed_sockets_that_are_no_listeners_are_refused_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let datagrams = || OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap());
    let listener = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let connection = || OwnedFd::from(UnixStream::pair().unwrap().0);
    let file = || OwnedFd::from(fs::File::create(directory.path().join("file")).unwrap());
    for (sockets, names, refused) in [
        (
            vec![datagrams()],
            "events",
            "file descriptor 3 (events): it is no socket for streams",
        ),
        (
            vec![listener(), connection()],
            "a:b",
            "file descriptor 4 (b): it is a connection, not a listener",
        ),
        (vec![file()], "x", "3 (x): it is no socket; a socket unit"),
        (
            vec![listener(), listener()],
            "x",
            "LISTEN_FDNAMES is \"x\": LISTEN_FDS passes 2 sockets",
        ),
    ] {
        let log = Server::try_spawn_with_sockets(&command(&[]), sockets, names).err();
        let log = log.expect("it does not start");
        assert!(log.contains(refused), "{log}");
    }
    for count in ["many", "-1", "257"] {
        let mut command = command(&[]);
        command.env("LISTEN_FDS", count);
        let log = Server::try_spawn_with_sockets(&command, vec![listener()], "x").err();
        let log = log.expect("it does not start");
        let refused = format!("LISTEN_FDS is {count:?}: it is a number of sockets, at most 256");
        assert!(log.contains(&refused), "{log}");
    }
}

#[test]
fn sockets_that_are_passed_to_another_process_are_left_alone() {
    let mut server = supervised(&[], &[("LISTEN_PID", "1"), ("LISTEN_FDS", "2")]);
    assert_eq!(server.get("/health/ready").status, 200);
    assert!(!server.log().contains("systemd"));
}
