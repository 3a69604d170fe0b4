//! Publish keys: where they may come from, and that no output shows one.

use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio};

use tempfile::TempDir;

use crate::{
    support::socket::Socket,
    support::{Response, Server, command, wait_until},
};

const KEY: &str = "a-key-that-nobody-may-see";
const OLD: &str = "an-older-key-of-the-same-kind";

#[test]
fn the_publish_keys_of_all_settings_are_combined() {
    let file = std::env::temp_dir().join(format!("keys-{}", std::process::id()));
    fs::File::create(&file)
        .and_then(|mut f| writeln!(f, "\n  in-file-number-1  \r\nin-file-number-2\n"))
        .unwrap();
    let mut listening = command(&["--listen", "127.0.0.1:0", "--publish-key-file"]);
    listening.arg(&file).env(
        "SSE_BROADCASTER_PUBLISH_KEY",
        "by-variable-number-1, by-variable-number-2,,",
    );
    let server = Server::spawn(listening);
    let publish = |key: &str| {
        let head = format!("POST /events HTTP/1.1\nAuthorization: Bearer {key}");
        server.request(&head, b"x").status
    };
    for key in [
        "in-file-number-1",
        "in-file-number-2",
        "by-variable-number-1",
        "by-variable-number-2",
    ] {
        assert_eq!(publish(key), 200, "{key}");
    }
    for key in [
        "",
        "in-file-number-1 in-file-number-2",
        "by-variable-number-1, by-variable-number-2",
        ",",
    ] {
        assert_eq!(publish(key), 401, "{key}");
    }
    fs::remove_file(file).unwrap();
}

#[test]
fn no_output_ever_holds_a_key() {
    for level in ["debug", "trace"] {
        let mut listening = command(&["--listen", "127.0.0.1:0", "--log", level]);
        listening.env("SSE_BROADCASTER_PUBLISH_KEY", format!("{KEY},{OLD}"));
        let mut server = Server::spawn(listening);
        let mut stream = server.subscribe("/events?topic=*&format=json");
        let mut said = String::new();
        for key in [KEY, OLD, "a-key-that-nobody-may-sea"] {
            for request in [
                "POST /events HTTP/1.1",
                "GET /events/x HTTP/1.1",
                "GET /none HTTP/1.1",
            ] {
                let response =
                    server.request(&format!("{request}\nAuthorization: Bearer {key}"), b"x");
                said += &(response.head.clone() + &response.text());
            }
        }
        for path in [
            "/",
            "/page.js",
            "/metrics",
            "/health/live",
            "/health/ready",
            "/events/x",
        ] {
            let response = server.get(path);
            said += &(response.head.clone() + &response.text());
        }
        for _ in 0..4 {
            said += &stream.event().unwrap().data;
        }
        server.signal("-INT");
        server.wait();
        server.wait_for_log("draining");
        said += &server.log();
        assert!(!said.contains(KEY) && !said.contains(OLD), "{said}");
    }
}

#[test]
fn neither_help_nor_an_error_at_start_shows_a_key() {
    let attempts: [&[&str]; 6] = [
        &["--help"],
        &["-h"],
        &["--nonsense"],
        &["--history-events", "1"],
        &["--log", "a=b=c"],
        &["--publish-key", OLD, "--publish-key-file", "/nonexistent"],
    ];
    for attempt in attempts {
        let output = command(&["--listen", "127.0.0.1:0"])
            .args(attempt)
            .env("SSE_BROADCASTER_PUBLISH_KEY", KEY)
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(
            !said.is_empty() && !said.contains(KEY) && !said.contains(OLD),
            "{said}"
        );
    }
}

const ONE: &str = "the-key-number-one";
const TWO: &str = "the-key-number-two";
const THREE: &str = "the,key,number,three";

/// A server with a key file that holds this.
fn with_file(text: &str) -> (Server, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, text);
    let file = folder.path().join("keys");
    let server = Server::start(&["--publish-key-file", file.to_str().unwrap()]);
    (server, folder)
}

/// Takes the place of the file in one step, as Kubernetes and careful editors do.
fn write(folder: &TempDir, text: &str) {
    let (new, file) = (folder.path().join("new"), folder.path().join("keys"));
    fs::write(&new, text).unwrap();
    set_mode(&new, 0o600);
    fs::rename(new, file).unwrap();
}

fn set_mode(file: &Path, mode: u32) {
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}

fn status(server: &Server, key: &str) -> u16 {
    let head = format!("POST /events HTTP/1.1\nAuthorization: Bearer {key}");
    server.request(&head, b"x").status
}

#[test]
fn a_key_file_has_comments_and_keys_with_commas() {
    let (server, _folder) = with_file(&format!("# {ONE}\n\n{TWO}\n  #{ONE}\n{THREE}\n"));
    assert_eq!(status(&server, TWO), 200);
    assert_eq!(status(&server, THREE), 200);
    for no_key in [ONE, &format!("# {ONE}"), "the", "number", "#"] {
        assert_eq!(status(&server, no_key), 401, "{no_key}");
    }
}

#[test]
fn sighup_reads_the_key_file_again_and_a_bad_one_leaves_the_keys() {
    let (mut server, folder) = with_file(ONE);
    write(&folder, &format!("{ONE}\n{TWO}\n"));
    server.signal("-HUP");
    server.wait_for_log("2 publish keys, 1 added, 0 removed");
    assert_eq!((status(&server, ONE), status(&server, TWO)), (200, 200));
    write(&folder, TWO);
    server.signal("-HUP");
    server.wait_for_log("1 publish keys, 0 added, 1 removed");
    assert_eq!((status(&server, ONE), status(&server, TWO)), (401, 200));
    for bad in ["", "# nothing", "short"] {
        write(&folder, bad);
        server.signal("-HUP");
        let why = server.wait_for_log("the publish keys stay as they were");
        assert!(
            why.contains("--publish-key-file") && !why.contains("short\n"),
            "{why}"
        );
        assert_eq!(status(&server, TWO), 200, "{bad}");
    }
    fs::remove_file(folder.path().join("keys")).unwrap();
    server.signal("-HUP");
    server.wait_for_log("the publish keys stay as they were");
    assert_eq!(status(&server, TWO), 200);
}

#[test]
fn a_key_file_that_changes_is_read_again_without_a_signal() {
    let (mut server, folder) = with_file(ONE);
    write(&folder, TWO);
    wait_until("the new key is taken", || status(&server, TWO) == 200);
    assert_eq!(status(&server, ONE), 401);
    write(&folder, "short");
    server.wait_for_log("the publish keys stay as they were");
    assert_eq!(status(&server, TWO), 200);
    // In place, as an editor may.
    fs::write(folder.path().join("keys"), format!("{THREE}\n")).unwrap();
    wait_until("the new key is taken", || status(&server, THREE) == 200);
}

#[test]
fn a_warning_is_logged_for_a_key_file_that_others_can_read() {
    for (mode, who) in [
        (0o600, None),
        (0o400, None),
        (0o640, Some("the group of the file")),
        (0o644, Some("every user of this machine")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        fs::write(&file, ONE).unwrap();
        set_mode(&file, mode);
        let mut server = Server::start(&["--publish-key-file", file.to_str().unwrap()]);
        let log = server.log();
        assert_eq!(log.contains("chmod 600"), who.is_some(), "{mode:o}: {log}");
        assert!(who.is_none_or(|who| log.contains(who)), "{mode:o}: {log}");
    }
}

#[test]
fn a_removed_key_no_longer_publishes_over_open_connections() {
    let (mut server, folder) = with_file(&format!("{ONE}\n{TWO}"));
    let bearer = format!("Authorization: Bearer {ONE}");
    let mut socket = Socket::open_with(&server, "/ws?topic=none", &[&bearer]);
    let event = serde_json::json!({ "data": "x" });
    assert_eq!(socket.publish(&event)["type"], "published");
    let mut upload = server.connect();
    let head = format!(
        "POST /events HTTP/1.1\r\nHost: {}\r\n{bearer}\r\nContent-Type: application/x-ndjson\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        server.address
    );
    let line = "{\"data\":\"x\"}\n";
    let chunk = format!("{:x}\r\n{line}\r\n", line.len());
    upload.write_all((head + &chunk).as_bytes()).unwrap();
    wait_until("the line is taken", || {
        server.metric("published_events_total") == 2
    });
    write(&folder, TWO);
    server.signal("-HUP");
    server.wait_for_log("1 removed");
    let refused = socket.publish(&event);
    assert_eq!(
        (&refused["type"], &refused["code"]),
        (&"refused".into(), &"wrong_key".into())
    );
    upload.write_all(chunk.as_bytes()).unwrap();
    let response = Response::read(upload);
    assert_eq!(
        (response.status, response.code().as_str()),
        (401, "wrong_key")
    );
    assert_eq!(response.json()["count"], 1);
}
