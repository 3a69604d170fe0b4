//! Settings of the command line and the environment, and the messages for those that are not valid.

use crate::commands::running::{Running, run};

#[test]
fn a_bad_setting_is_one_line_and_exit_code_2() {
    let line = run(&["--drain-time", "soon"]).failed(2);
    assert!(
        line.contains("--drain-time") && line.contains("30s"),
        "{line}"
    );
    let line = run(&["--log-format", "xml", "publish", "x"]).failed(2);
    assert!(line.contains("text, json"), "{line}");
    let line = run(&["subscribe", "--last", "some"]).failed(2);
    assert!(line.contains("--last"), "{line}");
    let line = run(&["publish", "--url", "ftp://host", "x"]).failed(2);
    assert!(line.contains("http://127.0.0.1:8000"), "{line}");
}

#[test]
fn a_bad_setting_of_the_environment_names_its_variable() {
    let variables = [("SSE_BROADCASTER_PING_INTERVAL", "often")];
    let line = Running::start_with(&variables, &[]).end().failed(2);
    assert!(line.contains("SSE_BROADCASTER_PING_INTERVAL"), "{line}");
}

#[test]
fn an_unknown_variable_is_rejected_by_every_command() {
    for args in [
        &["health"][..],
        &["subscribe"],
        &["publish", "x"],
        &["bench"],
    ] {
        let variables = [("SSE_BROADCASTER_LISTN", "127.0.0.1:1")];
        let line = Running::start_with(&variables, args).end().failed(2);
        assert!(line.contains("SSE_BROADCASTER_LISTEN is similar"), "{line}");
    }
}

#[test]
fn a_server_flag_that_a_command_ignores_is_reported() {
    let args = ["--data-dir", "x", "--listen", "127.0.0.1:1", "health"];
    let ended = run(&args);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let ignored = "sse-broadcaster: --data-dir has no effect on the command health";
    assert_eq!(ended.complaints[0], ignored);
    assert_eq!(ended.complaints.len(), 2, "{ended:?}");
}

#[test]
fn an_unknown_command_is_rejected_with_the_list_of_commands() {
    let line = run(&["--publish-key", "one", "secret"]).failed(2);
    assert!(
        line.contains("subscribe, publish, bench, health, token, config, completions and man"),
        "{line}"
    );
    assert!(!line.contains("secret"), "{line}");
}

#[test]
fn every_help_has_an_example_and_shows_no_key() {
    let hidden = "what-nobody-may-see";
    for command in [
        "",
        "subscribe",
        "publish",
        "bench",
        "health",
        "token",
        "config",
        "completions",
        "man",
    ] {
        let args: Vec<_> = command.split_terminator(' ').chain(["--help"]).collect();
        let variables = [
            "PUBLISH_KEY",
            "ADMIN_KEY",
            "TOKEN_KEY",
            "MERCURE_PUBLISHER_KEY",
            "MERCURE_SUBSCRIBER_KEY",
            "REDIS_URL",
        ];
        let variables = variables.map(|name| format!("SSE_BROADCASTER_{name}"));
        let variables = variables.each_ref().map(|name| (name.as_str(), hidden));
        let help = Running::start_with(&variables, &args)
            .end()
            .succeeded()
            .join("\n");
        assert!(
            help.contains(format!("\n  sse-broadcaster {command}").trim_end()),
            "{help}"
        );
        assert!(!help.contains(hidden), "{help}");
    }
}

#[test]
fn the_version_is_printed() {
    let version = run(&["--version"]).succeeded();
    assert_eq!(
        version,
        [format!("sse-broadcaster {}", env!("CARGO_PKG_VERSION"))]
    );
}

#[test]
fn a_server_that_cannot_start_reports_why_in_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let line = run(&["--listen", &address]).failed(1);
    assert!(line.contains(&address) && line.contains("in use"), "{line}");
    let line = run(&["--listen", "0.0.0.0:0"]).failed(1);
    assert!(
        line.contains("--publish-key") && line.contains("--no-publish"),
        "{line}"
    );
}
