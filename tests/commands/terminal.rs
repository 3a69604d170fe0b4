//! Text from servers on a terminal.

use std::process::Stdio;

use crate::{
    commands::fake_server::Fake,
    commands::running::Running,
    support::terminal::Terminal,
    support::{Server, command},
};

/// Sets the title, clears the screen by C1, shows text backwards, and goes back in its line.
const HOSTILE: &str = "a\u{1b}]0;owned\u{7}b\u{9b}2Jc\u{202e}d\u{2066}e\rf\u{8}\tg\nh é";
const STEERS: [char; 7] = [
    '\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\u{2066}', '\r', '\u{8}',
];

/// What these arguments show where standard output is a terminal.
fn shown(args: &[&str]) -> String {
    let terminal = Terminal::open();
    let mut child = command(args);
    child.stdin(Stdio::null()).stdout(terminal.end());
    let started = child.spawn().unwrap();
    // Its own handle of the terminal.
    drop(child);
    terminal.read(started)
}

fn with_event() -> (Server, String) {
    let server = Server::start(&[]);
    let url = format!("http://{}", server.address);
    let event = serde_json::json!({ "data": HOSTILE }).to_string();
    assert_eq!(
        server.post("/events", "application/json", &event).status,
        200
    );
    (server, url)
}

#[test]
fn data_on_a_terminal_is_shown_with_its_control_characters_escaped() {
    let (_server, url) = with_event();
    let all = ["subscribe", "--url", &url, "--until", "head"];
    let text = shown(&all);
    assert!(!text.contains(STEERS), "{text:?}");
    let expected = "a\\u001b]0;owned\\u0007b\\u009b2Jc\\u202ed\\u2066e\nf\\u0008\tg\nh é\n";
    assert_eq!(text, expected);
    let json = shown(&[&all[..], &["--json"]].concat());
    assert!(!json.contains(STEERS), "{json:?}");
    let event: serde_json::Value = serde_json::from_str(json.trim_end()).unwrap();
    assert_eq!(event["data"], HOSTILE);
}

#[test]
fn data_for_another_program_stays_as_it_is() {
    let (_server, url) = with_event();
    let output = command(&["subscribe", "--url", &url, "--until", "head", "--json"]).output();
    let event: serde_json::Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    assert_eq!(event["data"], HOSTILE);
    let output = command(&["subscribe", "--url", &url, "--until", "head"]).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(
        text.contains('\u{1b}') && text.contains('\u{9b}'),
        "{text:?}"
    );
}

#[test]
fn a_response_of_a_hostile_server_cannot_control_a_terminal() {
    let fake = Fake::start();
    let url = fake.url();
    let answering = std::thread::spawn(move || {
        let id = serde_json::json!({ "id": HOSTILE }).to_string();
        fake.response("200 OK", "application/json", &id);
        let problem = serde_json::json!({ "code": HOSTILE, "detail": HOSTILE }).to_string();
        fake.response(
            "422 Unprocessable Content",
            "application/problem+json",
            &problem,
        );
    });
    let publish = ["publish", "--url", &url, "x"];
    let id = shown(&publish);
    assert!(!id.contains(STEERS) && id.contains("\\u001b"), "{id:?}");
    let refused = Running::start(&publish).end().failed(1);
    assert!(
        !refused.contains(STEERS) && refused.contains("\\u202e"),
        "{refused:?}"
    );
    answering.join().unwrap();
}
