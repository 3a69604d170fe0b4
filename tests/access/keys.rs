//! Keys: where they may come from, and that nothing ever shows one.

use std::{fs, io::Write as _, process::Stdio};

use crate::support::{Server, command};

const KEY: &str = "a-key-that-nobody-may-see";
const OLD: &str = "an-older-key-of-the-same-kind";

#[test]
fn keys_of_every_setting_are_taken_together() {
    let file = std::env::temp_dir().join(format!("keys-{}", std::process::id()));
    fs::File::create(&file)
        .and_then(|mut f| writeln!(f, "\n  in-file-1  \r\nin-file-2\n"))
        .unwrap();
    let mut listening = command(&["--listen", "127.0.0.1:0", "--publish-key-file"]);
    listening.arg(&file).env(
        "SSE_BROADCASTER_PUBLISH_KEY",
        "by-variable-1, by-variable-2,,",
    );
    let server = Server::spawn(listening);
    let publish = |key: &str| {
        let head = format!("POST /events HTTP/1.1\nAuthorization: Bearer {key}");
        server.request(&head, b"x").status
    };
    for key in ["in-file-1", "in-file-2", "by-variable-1", "by-variable-2"] {
        assert_eq!(publish(key), 200, "{key}");
    }
    for key in [
        "",
        "in-file-1 in-file-2",
        "by-variable-1, by-variable-2",
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
                let answer =
                    server.request(&format!("{request}\nAuthorization: Bearer {key}"), b"x");
                said += &(answer.head.clone() + &answer.text());
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
            let answer = server.get(path);
            said += &(answer.head.clone() + &answer.text());
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
