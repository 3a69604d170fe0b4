//! The first log line, and where settings may come from.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use crate::support::{Server, command};

const KEY: &str = "0123456789abcdef";

const VARIABLES: [(&str, &str); 10] = [
    ("LISTEN", "127.0.0.1:0"),
    ("HISTORY_EVENTS", "16"),
    ("NO_PAGE", "1"),
    ("MAX_SUBSCRIBERS", "1"),
    ("MAX_EVENT_BYTES", "100"),
    ("CORS_ORIGIN", "https://a.example,https://b.example"),
    ("PUBLISH_KEY", "the-key-number-one,the-key-number-two"),
    ("NO_GET_PUBLISH", "yes"),
    ("LOG_FORMAT", "json"),
    ("PING_INTERVAL", "50ms"),
];

fn by_variables(variables: &[(&str, &str)], args: &[&str]) -> Command {
    let mut command = command(args);
    for (name, value) in variables {
        command.env(format!("SSE_BROADCASTER_{name}"), value);
    }
    command
}

fn publish(server: &Server, key: &str, body: &str) -> u16 {
    let head = format!("POST /events HTTP/1.1\nAuthorization: Bearer {key}");
    server.request(&head, body.as_bytes()).status
}

#[test]
fn every_setting_can_come_from_the_environment() {
    let mut server = Server::spawn(by_variables(&VARIABLES, &[]));
    assert_eq!(server.get("/").status, 404);
    assert_eq!(publish(&server, "the-key-number-one", "x"), 200);
    assert_eq!(
        publish(&server, "the-key-number-two", &"x".repeat(101)),
        413
    );
    assert_eq!(server.get("/events/x").status, 401);
    let by_get = server.request(
        "GET /events/x HTTP/1.1\nAuthorization: Bearer the-key-number-one",
        b"",
    );
    assert_eq!(by_get.code(), "get_publish_disabled");
    let mut stream = server.subscribe_with("/events", "Origin: https://b.example");
    assert_eq!(
        stream.header("access-control-allow-origin"),
        Some("https://b.example")
    );
    stream.until("connected");
    assert_eq!(server.get("/events").status, 503);
    stream.text_until(": ping\n");
    for line in server.log().lines() {
        assert!(line.starts_with('{'), "{line}");
    }
}

#[test]
fn a_flag_wins_over_its_variable() {
    let flags = [
        "--publish-key",
        "the-key,number-three",
        "--max-event-bytes",
        "200",
        "--log-format",
        "text",
    ];
    let mut server = Server::spawn(by_variables(&VARIABLES, &flags));
    assert_eq!(publish(&server, "the-key-number-one", "x"), 401);
    assert_eq!(
        publish(&server, "the-key,number-three", &"x".repeat(200)),
        200
    );
    assert!(!server.log().starts_with('{'));
}

#[test]
fn a_switch_in_the_environment_may_be_off() {
    let off = [
        ("LISTEN", "127.0.0.1:0"),
        ("NO_PAGE", "false"),
        ("NO_PUBLISH", "0"),
    ];
    let server = Server::spawn(by_variables(&off, &[]));
    assert_eq!(server.get("/").status, 200);
    assert_eq!(server.get("/events/x").status, 200);
}

#[test]
fn one_line_names_the_address_the_history_and_who_may_publish() {
    let cases: [(&[&str], &str, &str); 5] = [
        (&[], "programs on this machine", ""),
        (&["--publish-key", KEY], "clients with the publish key", ""),
        (
            &["--publish-key", KEY, "--allow-anonymous-publish"],
            "clients with the publish key",
            "--allow-anonymous-publish has no effect with a publish key",
        ),
        (
            &["--allow-anonymous-publish"],
            "every client that reaches this address",
            "",
        ),
        (
            &["--no-publish", "--publish-key", KEY],
            "no client",
            "--publish-key has no effect with --no-publish",
        ),
    ];
    for (args, who, ignored) in cases {
        let args = [
            args,
            &["--history-events", "1234", "--history-bytes", "32MiB"],
        ]
        .concat();
        let mut server = Server::start(&args);
        let log = server.log();
        let lines = if ignored.is_empty() { 1 } else { 2 };
        assert!(
            log.lines().count() == lines && log.contains(ignored),
            "{log}"
        );
        for part in [
            &format!("http://{}", server.address),
            "memory",
            "1234 events",
            "32 MiB",
            who,
        ] {
            assert!(log.contains(part), "no {part} in {log}");
        }
    }
}

/// What it warns of at its start.
fn warnings(command: Command) -> Vec<String> {
    let mut server = Server::spawn(command);
    let log = server.log();
    let warnings = log.lines().filter(|line| line.contains(" WARN "));
    warnings.map(str::to_owned).collect()
}

#[test]
fn a_setting_without_effect_is_warned_of_by_the_name_that_was_used() {
    for (variable, flag, value) in [
        ("SYNC", "--sync", "never"),
        ("CACHE_BYTES", "--cache-bytes", "1000000"),
        ("DATA_DIR_WAIT", "--data-dir-wait", "1s"),
        ("HISTORY_TIMEOUT", "--history-timeout", "3s"),
        ("REDIS_PREFIX", "--redis-prefix", "other"),
        ("POSTGRES_SCHEMA", "--postgres-schema", "other"),
        ("WINDOW_EVENTS", "--window-events", "100"),
        ("WINDOW_BYTES", "--window-bytes", "1000000"),
    ] {
        let given = warnings(command(&["--listen", "127.0.0.1:0", flag, value]));
        assert_eq!(given.len(), 1, "{given:?}");
        assert!(
            given[0].contains(&format!("{flag} has no effect")),
            "{given:?}"
        );
        let given = warnings(by_variables(
            &[("LISTEN", "127.0.0.1:0"), (variable, value)],
            &[],
        ));
        let expected = format!("SSE_BROADCASTER_{variable} has no effect");
        assert!(
            given.len() == 1 && given[0].contains(&expected),
            "{given:?}"
        );
    }
    let off = [("LISTEN", "127.0.0.1:0"), ("NO_GET_PUBLISH", "false")];
    assert_eq!(warnings(by_variables(&off, &["--no-publish"])), [""; 0]);
}

#[test]
fn variables_of_a_kubernetes_service_are_no_settings() {
    let service = [
        ("LISTEN", "127.0.0.1:0"),
        ("PORT", "tcp://10.0.0.1:80"),
        ("SERVICE_HOST", "10.0.0.1"),
        ("SERVICE_PORT_HTTP", "80"),
        ("PORT_80_TCP_ADDR", "10.0.0.1"),
    ];
    assert_eq!(warnings(by_variables(&service, &[])), [""; 0]);
}

#[test]
fn a_shared_log_filter_that_logs_nothing_here_is_reported() {
    let with_filter = |filter: &str| {
        let mut command = command(&["--listen", "127.0.0.1:0"]);
        command.env("RUST_LOG", filter);
        command
    };
    let mut child = with_filter("another_program=debug")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    log.read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        line.contains("RUST_LOG another_program=debug logs nothing here"),
        "{line}"
    );
    let mut server = Server::spawn(with_filter("another_program=debug,info"));
    assert_eq!(server.log().lines().count(), 1);
}

#[test]
fn an_empty_log_setting_is_none() {
    let mut silent = command(&["--listen", "127.0.0.1:0"]);
    silent.env("SSE_BROADCASTER_LOG", "").env("RUST_LOG", "");
    assert!(Server::spawn(silent).log().contains("INFO"));
}

#[test]
fn the_json_log_has_a_level_a_time_and_a_message_in_each_line() {
    let mut server = Server::start(&["--log-format", "json", "--log", "debug"]);
    server.subscribe_with("/events", "Origin: https://evil.example\"\\");
    let refused = server.wait_for_log("--cors-origin");
    for line in server.log().lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        for member in ["time", "level", "target", "message"] {
            assert!(line[member].is_string(), "no {member} in {line}");
        }
    }
    let refused: serde_json::Value = serde_json::from_str(&refused).unwrap();
    assert_eq!(refused["level"], "WARN");
}

#[test]
fn the_log_follows_its_filter() {
    let listening = |variable: &str, args: &[&str]| {
        let mut command = command(&["--listen", "127.0.0.1:0"]);
        command.args(args).env("RUST_LOG", variable);
        Server::spawn(command)
    };
    let mut server = listening("info", &["--log", "sse_broadcaster=info"]);
    server.subscribe_with("/events", "Origin: https://evil.example");
    server.wait_for_log("--cors-origin");
    let mut server = listening("sse_broadcaster=info", &[]);
    server.signal("-INT");
    server.wait();
    server.wait_for_log("draining");
}

#[test]
fn a_signal_right_after_the_first_log_line_is_handled() {
    for signal in ["-TERM", "-INT"].into_iter().cycle().take(20) {
        let mut server = Server::start(&[]);
        server.signal(signal);
        assert!(server.wait().success(), "{signal}");
    }
}
