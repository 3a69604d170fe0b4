//! Settings with which the server does not start: one line with the reason, and nothing else.

use std::{
    fs,
    net::TcpListener,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{PATIENCE, command};

/// The one line with which this command refuses to start.
fn refusal(mut command: Command) -> String {
    let mut child = command
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.code().is_some_and(|code| code > 0), "{said}");
    assert!(output.stdout.is_empty(), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.starts_with("sse-broadcaster: ") && said.ends_with('\n'),
        "{said}"
    );
    for internal in ["panicked", "backtrace", "src/", "Err(", "Some("] {
        assert!(!said.contains(internal), "{said}");
    }
    said
}

fn refused(args: &[&str]) -> String {
    let has_address = args.iter().any(|arg| arg.starts_with("--listen"));
    let listen: &[&str] = if has_address {
        &[]
    } else {
        &["--listen", "127.0.0.1:0"]
    };
    refusal(command(&[listen, args].concat()))
}

fn assert_names_the_three_settings(line: &str) {
    for name in [
        "--publish-key",
        "SSE_BROADCASTER_PUBLISH_KEY=",
        "--allow-anonymous-publish",
        "SSE_BROADCASTER_ALLOW_ANONYMOUS_PUBLISH=true",
        "--no-publish",
        "SSE_BROADCASTER_NO_PUBLISH=true",
    ] {
        assert!(line.contains(name), "no {name} in {line}");
    }
}

#[test]
fn a_public_address_needs_a_publish_policy() {
    for listen in ["0.0.0.0:0", "127.0.0.1:0,0.0.0.0:0"] {
        assert_names_the_three_settings(&refused(&["--listen", listen]));
    }
    let admin = ["--admin-listen", "0.0.0.0:0"];
    assert_names_the_three_settings(&refused(&admin));
    if TcpListener::bind("[::]:0").is_ok() {
        assert_names_the_three_settings(&refused(&["--listen", "[::]:0"]));
    }
    let mut by_variable = command(&[]);
    by_variable.env("SSE_BROADCASTER_LISTEN", "0.0.0.0:0");
    assert_names_the_three_settings(&refusal(by_variable));
}

/// Who refuses these variables, with the line that says why.
fn refused_variables(variables: &[(&str, &str)], args: &[&str]) -> String {
    let mut by_variable = command(&[&["--listen", "127.0.0.1:0"], args].concat());
    by_variable.envs(variables.iter().copied());
    refusal(by_variable)
}

#[test]
fn settings_for_proxies_that_could_not_work_are_rejected_with_what_would_be_right() {
    for (args, why) in [
        (
            &["--trusted-proxy", "10.1.2.3/8"][..],
            "write 10.0.0.0/8, or 10.1.2.3 for one address",
        ),
        (
            &["--trusted-proxy", "10.0.0.1,proxy.internal"],
            "proxy.internal is no address of a proxy",
        ),
        (&["--trusted-proxy-header", "x-real-ip"], "x-forwarded-for"),
        (&["--base-path", "live"], "live does not begin with a slash"),
        (&["--base-path", "/live/"], "write /live"),
        (&["--base-path", "/a/../b"], "the segment \"..\""),
        (
            &["--base-path", "/a%20b"],
            "other characters than letters, digits",
        ),
        (&["--proxy-protocol", "--no-publish"], "add --trusted-proxy"),
    ] {
        let line = refused(args);
        assert!(line.contains(why) && line.contains(args[0]), "{line}");
    }
    let line = refused(&["--proxy-protocol", "--trusted-proxy", "127.0.0.1"]);
    assert!(line.contains("--proxy-protocol"), "{line}");
    assert_names_the_three_settings(&line);
}

#[test]
fn an_empty_setting_is_rejected_on_loopback_too() {
    for flag in [
        "--publish-key",
        "--publish-key-file",
        "--admin-listen",
        "--cors-origin",
        "--publish-origin",
        "--data-dir",
        "--redis-url",
        "--redis-prefix",
        "--postgres-url",
        "--postgres-schema",
        "--history-events",
        "--drain-time",
    ] {
        let line = refused(&[&format!("{flag}=")]);
        assert!(line.contains(flag), "{line}");
        let variable = variable(flag);
        let line = refused_variables(&[(&variable, "")], &[]);
        assert!(line.contains(&variable), "{line}");
    }
    for empty in [" ", ",", " , "] {
        let line = refused(&["--publish-key", empty]);
        assert!(line.contains("--publish-key is empty"), "{line}");
    }
}

#[test]
fn a_pattern_of_topics_that_can_match_none_is_rejected() {
    let key = "HS256 a-key-of-some-application-with-32-bytes";
    let access = ["--subscribe-access", "private-events", "--token-key", key];
    for args in [
        ["--protected-topic", "users/*"],
        ["--presence", "users/*"],
        ["--topic-rule", "users/*=latest"],
    ] {
        let line = refused(&[&args[..], &access].concat());
        assert!(line.contains(args[0]), "{line}");
        assert!(line.contains("users/* matches nothing"), "{line}");
    }
}

fn variable(flag: &str) -> String {
    let name = flag.trim_start_matches('-').replace('-', "_");
    format!("SSE_BROADCASTER_{}", name.to_uppercase())
}

#[test]
fn an_unknown_variable_is_rejected_with_a_suggestion() {
    for (wrong, right) in [
        ("DATADIR", "SSE_BROADCASTER_DATA_DIR"),
        ("PORT", "SSE_BROADCASTER_LISTEN"),
        ("LOG_LEVEL", "SSE_BROADCASTER_LOG"),
    ] {
        let wrong = format!("SSE_BROADCASTER_{wrong}");
        let line = refused_variables(&[(&wrong, "8000")], &[]);
        assert!(line.contains(&wrong) && line.contains(right), "{line}");
    }
    let both = [
        ("SSE_BROADCASTER_A9", "x"),
        ("SSE_BROADCASTER_B9", "\u{1b}"),
    ];
    let line = refused_variables(&both, &[]);
    assert!(
        line.contains("BROADCASTER_A9") && line.contains("BROADCASTER_B9"),
        "{line}"
    );
}

#[test]
fn a_size_in_the_environment_that_has_no_known_unit_is_rejected_with_its_variable_and_examples() {
    let line = refused_variables(&[("SSE_BROADCASTER_HISTORY_BYTES", "64 megabytes")], &[]);
    for part in [
        "'64 megabytes' for '--history-bytes <SIZE>'",
        "a whole number of bytes, or has a unit, for example 65536, 512KiB, 64MiB or 1GiB",
        "SSE_BROADCASTER_HISTORY_BYTES is set in the environment",
    ] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn a_switch_that_is_off_counts_as_none() {
    for off in ["false", "0", "no", "off"] {
        for switch in ["ALLOW_ANONYMOUS_PUBLISH", "NO_PUBLISH"] {
            let mut switched = command(&["--listen", "0.0.0.0:0"]);
            switched.env(format!("SSE_BROADCASTER_{switch}"), off);
            assert_names_the_three_settings(&refusal(switched));
        }
    }
}

#[test]
fn a_key_file_without_a_key_or_that_cannot_be_read_is_rejected() {
    let folder = std::env::temp_dir();
    for (name, text) in [
        ("empty", &b""[..]),
        ("blank", b"\n  \r\n\t\n"),
        ("comments", b"# 0123456789abcdef\n #\n"),
        ("binary", b"\xff\xfe\n"),
    ] {
        let file = folder.join(format!("keys-{name}-{}", std::process::id()));
        fs::write(&file, text).unwrap();
        let line = refused(&["--publish-key-file", file.to_str().unwrap()]);
        assert!(line.contains("--publish-key-file"), "{line}");
        let with_a_key = [
            "--publish-key",
            "0123456789abcdef",
            "--publish-key-file",
            file.to_str().unwrap(),
        ];
        assert!(refused(&with_a_key).contains("--publish-key-file"));
        fs::remove_file(file).unwrap();
    }
    for unreadable in ["/nonexistent/keys", folder.to_str().unwrap()] {
        let line = refused(&["--publish-key-file", unreadable]);
        assert!(
            line.contains("--publish-key-file") && line.contains(unreadable),
            "{line}"
        );
    }
}

#[test]
fn a_short_publish_key_is_rejected_with_a_command_that_makes_one() {
    let refused_for = |line: String, part: &str| {
        assert!(
            line.contains(part) && line.contains("at least 16") && line.contains("openssl rand"),
            "{line}"
        );
        assert!(!line.contains("0123456789abcde"), "{line}");
    };
    let short = "0123456789abcde";
    refused_for(refused(&["--publish-key", short]), "--publish-key:");
    let long = "0123456789abcdef";
    let second = ["--publish-key", long, "--publish-key", "x"];
    refused_for(refused(&second), "--publish-key, key 2 of 2:");
    let variable = "SSE_BROADCASTER_PUBLISH_KEY";
    refused_for(refused_variables(&[(variable, short)], &[]), variable);
    // Whoever has a key with a comma sees why one half of it is refused.
    let halves = refused_variables(&[(variable, "a-key-with,a-comma")], &[]);
    assert!(halves.contains("commas separate keys"), "{halves}");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("# keys\n\n{long}\n{short}\n")).unwrap();
    let path = file.path().to_str().unwrap();
    refused_for(
        refused(&["--publish-key-file", path]),
        &format!("--publish-key-file {path}, line 4:"),
    );
}

#[test]
fn no_key_is_suggested_for_the_command_line_which_everybody_can_read() {
    let line = refused(&["--listen", "0.0.0.0:0"]);
    assert!(line.contains("--publish-key-file"), "{line}");
    assert!(
        !line.contains("--publish-key \"") && !line.contains("$("),
        "{line}"
    );
    let help = command(&["--help"]).output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    assert!(!help.contains("--publish-key \""), "{help}");
}

#[test]
fn an_address_in_use_is_reported_with_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--admin-listen"] {
        let line = refused(&[flag, &address]);
        assert!(line.contains(&address) && line.contains("in use"), "{line}");
    }
    let line = refused(&["--listen", &format!("127.0.0.1:0,{address}")]);
    assert!(line.contains(&address) && line.contains("in use"), "{line}");
}

#[test]
fn an_invalid_address_is_reported() {
    for bad in [
        "nonsense",
        "127.0.0.1",
        "127.0.0.1:99999",
        ":8000",
        "256.1.1.1:80",
        "http://127.0.0.1:80",
    ] {
        let line = refused(&["--listen", bad]);
        assert!(line.contains("--listen") && line.contains(bad), "{line}");
        let line = refused(&["--admin-listen", bad]);
        assert!(line.contains("--admin-listen"), "{line}");
    }
    // For documentation only: no machine has it.
    let line = refused(&["--listen", "192.0.2.1:80", "--no-publish"]);
    assert!(line.contains("192.0.2.1:80"), "{line}");
    assert!(refused(&["--listen", ""]).contains("--listen"));
    let mut by_variable = command(&[]);
    by_variable.env("SSE_BROADCASTER_LISTEN", "");
    assert!(refusal(by_variable).contains("SSE_BROADCASTER_LISTEN is empty"));
}

#[test]
fn an_invalid_value_is_reported_with_its_flag() {
    let cases = [
        ("--workers", "0"),
        ("--workers", "513"),
        ("--workers", "many"),
        ("--history-events", "-1"),
        ("--history-events", "1e6"),
        ("--history-bytes", "64 megabytes"),
        ("--max-event-bytes", "1.5MiB"),
        ("--replay-bytes-per-second", "99KB"),
        ("--history-age", "10"),
        ("--history-age", "soon"),
        ("--publish-wait", "5"),
        ("--ping-interval", "10"),
        ("--ping-interval", "0"),
        ("--ping-interval", "0s"),
        ("--stall-timeout", "0s"),
        ("--stall-timeout", "1fortnight"),
        ("--socket-buffer-bytes", "-1"),
        ("--max-subscribers", "all"),
        ("--max-subscribers-per-address", "-1"),
        ("--max-event-bytes", "1.5"),
        ("--cors-origin", "app.example.com"),
        ("--cors-origin", "null"),
        ("--publish-origin", "*"),
        ("--publish-origin", "https://*.example.com"),
        ("--publish-origin", "https://app.example.com/page"),
        ("--publish-origin", "https://app.example.com:443"),
        ("--publish-origin", "https://bücher.example"),
        ("--cors-origin", "wss://app.example.com"),
        ("--host", "https://events.example.com"),
        ("--host", "events.example.com:8000"),
        ("--drain-delay", "-5s"),
        ("--drain-time", "x"),
        ("--log-format", "xml"),
        ("--no-page", "maybe"),
    ];
    for (flag, value) in cases {
        let line = refused(&[&format!("{flag}={value}")]);
        assert!(line.contains(flag), "{flag}={value}: {line}");
        let line = refused_variables(&[(&variable(flag), value)], &[]);
        assert!(line.contains(flag), "{flag}={value}: {line}");
    }
}

#[test]
fn an_unknown_flag_or_argument_is_reported() {
    for bad in [
        &["--nonsense"][..],
        &["--publsih-key", "x"],
        &["-x"],
        &["--listen"],
    ] {
        let line = refused(bad);
        assert!(line.contains(bad[0]), "{line}");
    }
    refused(&["serve"]);
}

#[test]
fn an_invalid_log_filter_is_reported() {
    let line = refused(&["--log", "a=b=c"]);
    assert!(line.contains("--log") && line.contains("a=b=c"), "{line}");
    let line = refused_variables(&[("RUST_LOG", "sse_broadcaster=loud")], &[]);
    assert!(line.contains("RUST_LOG sse_broadcaster=loud"), "{line}");
}

#[test]
fn a_log_filter_that_matches_nothing_is_rejected_with_a_suggestion() {
    for (filter, meant) in [
        ("warning", "is warn meant?"),
        ("info,sse-broadcaster=debug", "is sse_broadcaster meant?"),
        ("verbose", "error, warn, info, debug"),
    ] {
        let line = refused(&["--log", filter]);
        assert!(line.contains("--log ") && line.contains(meant), "{line}");
        let line = refused_variables(&[("SSE_BROADCASTER_LOG", filter)], &[]);
        assert!(
            line.contains("SSE_BROADCASTER_LOG ") && line.contains(meant),
            "{line}"
        );
    }
}

#[test]
fn a_history_too_small_for_its_events_is_rejected_with_the_size_it_needs() {
    for small in [
        &["--history-events", "15"][..],
        &["--history-bytes", "1000000"],
        &["--history-bytes", "0"],
        &["--max-event-bytes", "100000000"],
    ] {
        let line = refused(small);
        assert!(
            line.contains(small[0]) && line.contains("16 events"),
            "{line}"
        );
    }
}
