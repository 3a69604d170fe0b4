//! `publish TEXT`, and what every publish sends and prints, against a fake server.

use std::fs;

use crate::{commands::fake_server::Fake, commands::running::Running};

const TAKEN: &str = r#"{"id":"5-1"}"#;

fn publish(fake: &Fake, variables: &[(&str, &str)], args: &[&str]) -> Running {
    let url = fake.url();
    Running::start_with(variables, &[&["publish", "--url", &url], args].concat())
}

/// The key that is sent with these variables and arguments.
fn key(variables: &[(&str, &str)], args: &[&str]) -> Option<String> {
    let fake = Fake::start();
    let running = publish(&fake, variables, &[args, &["x"]].concat());
    let request = fake.response("200 OK", "application/json", TAKEN);
    running.end().succeeded();
    request.header("authorization").map(str::to_owned)
}

/// What is said of this response, with exit code 1.
fn complaint(args: &[&str], status: &str, content_type: &str, body: &str) -> String {
    let fake = Fake::start();
    let running = publish(&fake, &[], args);
    fake.response(status, content_type, body);
    running.end().failed(1)
}

#[test]
fn a_text_is_published_as_an_object_and_its_id_printed() {
    let fake = Fake::start();
    let args = [
        "--topic",
        "a",
        "--topic",
        "b",
        "--event",
        "news",
        "say \"hi\"",
    ];
    let running = publish(&fake, &[], &args);
    let request = fake.response("200 OK", "application/json", TAKEN);
    assert_eq!(request.target(), "POST /events");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("authorization"), None);
    assert_eq!(
        request.body,
        r#"{"topics":["a","b"],"event":"news","data":"say \"hi\""}"#
    );
    assert_eq!(running.end().succeeded(), ["5-1"]);
}

#[test]
fn several_texts_are_published_as_one_array_and_their_ids_printed() {
    let fake = Fake::start();
    let running = publish(&fake, &[], &["one", "two"]);
    let request = fake.response("200 OK", "application/json", r#"{"ids":["5-1","5-2"]}"#);
    assert_eq!(request.body, r#"[{"data":"one"},{"data":"two"}]"#);
    assert_eq!(running.end().succeeded(), ["5-1", "5-2"]);
}

#[test]
fn the_publish_key_is_the_first_that_is_not_empty() {
    let variable = "SSE_BROADCASTER_PUBLISH_KEY";
    assert_eq!(key(&[(variable, "")], &[]), None);
    assert_eq!(key(&[(variable, "one")], &[]).unwrap(), "Bearer one");
    assert_eq!(
        key(&[(variable, ", two,three")], &[]).unwrap(),
        "Bearer two"
    );
    assert_eq!(
        key(&[(variable, "one")], &["--publish-key", "-flag"]).unwrap(),
        "Bearer -flag"
    );
    assert_eq!(
        key(&[(variable, "one")], &["--publish-key", ""]).unwrap(),
        "Bearer one"
    );
}

#[test]
fn the_publish_key_may_be_in_a_file() {
    let folder = std::env::temp_dir().join(format!("sse-broadcaster-keys-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("key");
    fs::write(&file, "\n filed \nother\n").unwrap();
    let path = file.to_str().unwrap();
    let variables = [("SSE_BROADCASTER_PUBLISH_KEY_FILE", path)];
    let (of_variable, of_flag) = (
        key(&variables, &[]),
        key(&[], &["--publish-key-file", path]),
    );
    let of_both = key(&variables, &["--publish-key", "given"]);
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(of_variable.unwrap(), "Bearer filed");
    assert_eq!(of_flag.unwrap(), "Bearer filed");
    assert_eq!(of_both.unwrap(), "Bearer given");
}

#[test]
fn a_token_is_sent_as_subscribe_does_and_a_key_comes_before_the_one_of_the_variable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "filed\n").unwrap();
    let file = file.to_str().unwrap();
    let token = ("SSE_BROADCASTER_TOKEN", "variable");
    let of_key = ("SSE_BROADCASTER_PUBLISH_KEY", "key");
    let sent = |variables: &[_], args: &[_]| key(variables, args).unwrap();
    assert_eq!(sent(&[token], &[]), "Bearer variable");
    assert_eq!(sent(&[token, of_key], &[]), "Bearer key");
    assert_eq!(sent(&[of_key], &["--token", "flag"]), "Bearer flag");
    assert_eq!(sent(&[of_key], &["--token-file", file]), "Bearer filed");
    let fake = Fake::start();
    for args in [
        &["--token", "t", "--publish-key", "k", "x"][..],
        &["--token-file", file, "--publish-key-file", file, "x"],
        &["--token-file", "/nonexistent", "x"],
    ] {
        let line = publish(&fake, &[], args).end().failed(2);
        assert!(line.contains("--token"), "{line}");
    }
}

#[test]
fn a_401_to_a_token_names_the_settings_of_the_token() {
    let problem = r#"{"code":"token_expired","detail":"the token has expired"}"#;
    let args = ["--token", "secret", "x"];
    let kind = "application/problem+json";
    let line = complaint(&args, "401 Unauthorized", kind, problem);
    assert!(
        line.contains("check --token, --token-file and SSE_BROADCASTER_TOKEN"),
        "{line}"
    );
    assert!(!line.contains("secret"), "{line}");
}

#[test]
fn a_401_names_the_settings_of_the_publish_key() {
    let problem = r#"{"code":"unauthorized","detail":"a key is needed"}"#;
    let line = complaint(
        &["x"],
        "401 Unauthorized",
        "application/problem+json",
        problem,
    );
    assert!(line.starts_with("a key is needed (unauthorized)"), "{line}");
    assert!(
        line.contains("--publish-key") && line.contains("SSE_BROADCASTER_PUBLISH_KEY"),
        "{line}"
    );
}

#[test]
fn a_wrong_publish_key_is_not_repeated() {
    let problem = r#"{"code":"unauthorized","detail":"the key is wrong"}"#;
    let args = ["--publish-key", "secret", "x"];
    let line = complaint(
        &args,
        "401 Unauthorized",
        "application/problem+json",
        problem,
    );
    assert!(
        line.contains("--publish-key") && !line.contains("secret"),
        "{line}"
    );
}

#[test]
fn a_publish_key_that_no_header_can_carry_is_not_repeated() {
    let fake = Fake::start();
    let line = publish(&fake, &[], &["--publish-key", "se\u{7}cret", "x"])
        .end()
        .failed(2);
    assert!(line.contains("key") && !line.contains("cret"), "{line}");
}

#[test]
fn a_rejection_is_printed_with_its_detail_and_code_in_one_line() {
    let problem = r#"{"code":"reserved_topic","detail":"the topic $x\r\nbegins with $","more":1}"#;
    let status = "422 Unprocessable Content";
    let line = complaint(
        &["x"],
        status,
        "application/problem+json; charset=utf-8",
        problem,
    );
    assert_eq!(line, "the topic $x  begins with $ (reserved_topic)");
}

#[test]
fn a_response_of_a_proxy_is_reported_by_its_status() {
    let line = complaint(&["x"], "502 Bad Gateway", "text/html", "<h1>oops</h1>");
    assert_eq!(line, "the server responded 502 Bad Gateway");
    let line = complaint(
        &["x"],
        "503 Service Unavailable",
        "application/problem+json",
        "{",
    );
    assert_eq!(line, "the server responded 503 Service Unavailable");
}

#[test]
fn a_web_page_at_the_url_is_reported_as_a_wrong_url() {
    let line = complaint(&["x"], "200 OK", "text/html", "<h1>welcome</h1>");
    assert!(line.contains("URL"), "{line}");
}

#[test]
fn a_redirect_is_reported_and_not_followed() {
    let line = complaint(
        &["x"],
        "301 Moved\r\nLocation: https://host/events",
        "text/html",
        "",
    );
    assert!(
        line.contains("https://host/events") && line.contains("--url"),
        "{line}"
    );
}

#[test]
fn a_publish_without_a_response_has_an_unknown_outcome() {
    let fake = Fake::start();
    let running = publish(&fake, &[], &["x"]);
    drop(fake.request());
    let line = running.end().failed(1);
    assert!(line.contains("not known"), "{line}");
}

#[test]
fn an_unreachable_server_is_reported_as_connection_rejected() {
    let url = "http://127.0.0.1:1";
    for args in [
        &["publish", "--url", url, "x"][..],
        &["health", "--url", url],
    ] {
        let line = Running::start(args).end().failed(1);
        assert!(line.ends_with(": connection refused"), "{line}");
    }
}
