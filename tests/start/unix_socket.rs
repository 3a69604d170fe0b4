//! `--listen unix:/path`.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::Path,
    process::Command,
};

use crate::support::{Server, command};

/// The response to a request whose connection is to close.
fn ask(path: &Path, head: &str, body: &str) -> String {
    let mut socket = UnixStream::connect(path).unwrap();
    let length = body.len();
    let rest =
        format!("Host: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    socket
        .write_all(format!("{head}\r\n{rest}").as_bytes())
        .unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).unwrap();
    response
}

/// A stream, read up to this text.
fn read_until(path: &Path, target: &str, text: &str) -> UnixStream {
    let mut socket = UnixStream::connect(path).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: events.internal\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    read_on(&mut socket, text);
    socket
}

fn read_on(socket: &mut UnixStream, text: &str) {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        let mut space = [0; 1_024];
        let length = socket.read(&mut space).unwrap();
        assert!(length > 0, "{}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&space[..length]);
    }
}

#[test]
fn a_unix_socket_serves_streams_and_publishes_and_is_removed_at_the_end() {
    for settings in [&[][..], &["--no-direct"]] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.sock");
        let listen = format!("unix:{}", path.display());
        let limits = ["--max-subscribers-per-address", "1", "--listen", &listen];
        let mut server = Server::start(&[settings, &limits].concat());
        let file = fs::symlink_metadata(&path).unwrap();
        assert!(file.file_type().is_socket());
        assert_eq!(file.permissions().mode() & 0o777, 0o660);
        // A Unix socket has no addresses, so that none has a limit.
        let mut streams: Vec<_> = (0..3)
            .map(|_| read_until(&path, "/events", "event: connected"))
            .collect();
        let published = ask(&path, "POST /events HTTP/1.1", "over a socket");
        assert!(published.starts_with("HTTP/1.1 200"), "{published}");
        for stream in &mut streams {
            read_on(stream, "data: over a socket\n");
        }
        let curl = Command::new("curl")
            .args(["-sS", "--unix-socket"])
            .arg(&path)
            .args(["-d", "by curl", "http://localhost/events"])
            .output()
            .expect("curl runs");
        assert!(curl.status.success(), "{curl:?}");
        for stream in &mut streams {
            read_on(stream, "data: by curl\n");
        }
        // A proxy without a key or leave publishes for nobody.
        let proxied = ask(
            &path,
            "POST /events HTTP/1.1\r\nX-Forwarded-For: 192.0.2.1",
            "x",
        );
        assert!(proxied.contains("not_local"), "{proxied}");
        drop(streams);
        server.signal("-TERM");
        assert!(server.wait().success());
        assert!(!path.exists());
    }
}

#[test]
fn a_stale_socket_file_is_replaced_and_no_other_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.sock");
    let listen = format!("unix:{}", path.display());
    let refused = || {
        let ended = command(&["--listen", "127.0.0.1:0", "--listen", &listen])
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        String::from_utf8_lossy(&ended.stderr).into_owned()
    };
    fs::write(&path, "kept").unwrap();
    assert!(refused().contains("is not a socket"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
    fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    assert!(refused().contains("is in use by another program"));
    assert!(path.exists());
    drop(other);
    let _server = Server::start(&["--listen", &listen]);
    read_until(&path, "/events", "event: connected");
}

#[test]
fn the_admin_listener_may_be_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.sock");
    let server = Server::start(&["--admin-listen", &format!("unix:{}", path.display())]);
    assert_eq!(server.get("/metrics").status, 404);
    let metrics = ask(&path, "GET /metrics HTTP/1.1", "");
    assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
}
