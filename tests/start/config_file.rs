//! The configuration file, and the command that checks and shows settings.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::support::{Server, command};

const KEY: &str = "0123456789abcdef";
const OTHER_KEY: &str = "fedcba9876543210";

/// A directory with this configuration file.
fn written(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sse-broadcaster.toml");
    fs::write(&path, text).unwrap();
    (directory, path)
}

fn with_file(path: &Path, args: &[&str]) -> Command {
    let mut command = command(args);
    command.env("SSE_BROADCASTER_CONFIG", path);
    command
}

fn run(mut command: Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn config(args: &[&str]) -> (Option<i32>, String, String) {
    run(command(&[&["config"], args].concat()))
}

fn publish(server: &Server, key: &str, body: &str) -> u16 {
    let head = format!("POST /events HTTP/1.1\nAuthorization: Bearer {key}");
    server.request(&head, body.as_bytes()).status
}

#[test]
fn a_configuration_file_has_settings_of_every_type() {
    let (_directory, path) = written(&format!(
        "listen = \"127.0.0.1:0\"\nno-page = true\nmax-subscribers = 1\nmax-event-bytes = \"1KiB\"\n\
         publish-key = [\"{KEY}\", \"a key, with a comma\"]\nping-interval = \"50ms\"\nlog-format = \"json\"\n\
         cors-origin = [\"https://a.example\", \"https://b.example\"]\n"
    ));
    let mut server = Server::spawn(with_file(&path, &[]));
    assert_eq!(server.get("/").status, 404);
    assert_eq!(publish(&server, KEY, "x"), 200);
    assert_eq!(
        publish(&server, "a key, with a comma", &"x".repeat(1_025)),
        413
    );
    let mut stream = server.subscribe_with("/events", "Origin: https://b.example");
    assert_eq!(
        stream.header("access-control-allow-origin"),
        Some("https://b.example")
    );
    stream.until("connected");
    stream.text_until(": ping\n");
    assert!(server.log().starts_with('{'));
}

#[test]
fn a_variable_wins_over_the_configuration_file_and_a_flag_over_both() {
    let text =
        "listen = \"127.0.0.1:0\"\nno-page = true\nmax-event-bytes = 10\nhistory-events = 16\n";
    let (_directory, path) = written(text);
    let mut command = with_file(&path, &["--max-event-bytes", "30"]);
    command
        .env("SSE_BROADCASTER_MAX_EVENT_BYTES", "20")
        .env("SSE_BROADCASTER_NO_PAGE", "false");
    let mut server = Server::spawn(command);
    assert_eq!(server.get("/").status, 200);
    assert_eq!(publish(&server, "", &"x".repeat(30)), 200);
    assert_eq!(publish(&server, "", &"x".repeat(31)), 413);
    assert!(server.log().contains("(16 events,"));
}

#[test]
fn what_is_wrong_in_a_configuration_file_is_reported_with_its_line_and_what_would_be_right() {
    for (text, line, why) in [
        ("\nlisten = ", 2, "must be quoted"),
        (
            "lisen = \"x\"",
            1,
            "there is no setting lisen; listen is similar",
        ),
        (
            "data_dir = \"x\"",
            1,
            "there is no setting data_dir; data-dir is similar",
        ),
        (
            "qqq = 1",
            1,
            "there is no setting qqq; sse-broadcaster config example lists all",
        ),
        ("config = \"x\"", 1, "names this file"),
        (
            "[history]\nevents = 1",
            1,
            "[history] is a section; settings are in none",
        ),
        (
            "# a\nno-page = \"true\"",
            2,
            "no-page takes true or false, not a text",
        ),
        (
            "max-subscribers = 1.5",
            1,
            "max-subscribers takes a whole number, not 1.5",
        ),
        (
            "max-subscribers = [1]",
            1,
            "max-subscribers takes one value, not a list",
        ),
        (
            "listen = [[\"x\"]]",
            1,
            "listen takes a text in quotation marks, not a list in a list",
        ),
        (
            "ping-interval = true",
            1,
            "ping-interval takes a text such as \"30s\", not true",
        ),
        (
            "no-page = true\nping-interval = \"soon\"",
            2,
            "a duration has a unit",
        ),
        ("max-subscribers = \"many\"", 1, "invalid digit"),
        ("log-format = \"xml\"", 1, "[possible values: text, json]"),
        (
            "cors-origin = \"\"",
            1,
            "is empty: give it a value, or leave the line out",
        ),
    ] {
        let (_directory, path) = written(text);
        let (code, out, error) = run(with_file(&path, &[]));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{text}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        let place = format!("{}, line {line}", path.display());
        assert!(
            error.contains(&place) && error.contains(why),
            "{text}: {error}"
        );
    }
    let missing = with_file(Path::new("/nowhere/x.toml"), &[]);
    let (code, _, error) = run(missing);
    assert_eq!(code, Some(2));
    assert!(
        error.contains("/nowhere/x.toml") && error.contains("config example"),
        "{error}"
    );
}

#[test]
fn the_file_of_the_documents_is_valid() {
    let document = include_str!("../../docs/configuration.md");
    let block = document.split("```toml\n").nth(1).expect("a block");
    let (_directory, path) = written(block.split("```").next().expect("its end"));
    let (code, _, error) = config(&["check", path.to_str().unwrap()]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
}

#[test]
fn a_setting_of_the_file_without_effect_is_warned_of_with_its_line() {
    let (_directory, path) = written("listen = \"127.0.0.1:0\"\nsync = \"never\"\n");
    let mut server = Server::spawn(with_file(&path, &[]));
    let expected = format!(
        "sync ({}, line 2) has no effect without --data-dir",
        path.display()
    );
    assert!(server.log().contains(&expected));
}

#[test]
fn config_check_accepts_what_the_server_would_start_with_and_refuses_the_rest() {
    let (directory, path) = written("");
    let at = path.to_str().unwrap();
    let check = |text: &str| {
        fs::write(&path, text).unwrap();
        config(&["check", at])
    };
    let valid = "the settings are valid\n".to_owned();
    assert_eq!(check(""), (Some(0), valid.clone(), String::new()));
    let (code, out, warning) = check("sync = \"never\"");
    assert_eq!((code, out), (Some(0), valid));
    assert!(
        warning.contains("sync") && warning.contains("has no effect"),
        "{warning}"
    );
    let key = directory.path().join("key");
    fs::write(&key, "short").unwrap();
    for (text, why) in [
        ("listen = \"0.0.0.0:0\"", "choose who may publish"),
        ("listen = \"nowhere\"", "give an address and a port"),
        (
            "subscribe-access = \"closed\"",
            "no client could get a grant",
        ),
        ("publish-key = \"short\"", "it needs at least 16"),
        (
            &format!("publish-key-file = {key:?}"),
            "it needs at least 16",
        ),
        ("token-key-file = \"/nowhere/key\"", "/nowhere/key"),
        ("redis-url = \"http://x\"", "--redis-url"),
        (
            "data-dir = \"/x\"\nredis-url = \"redis://x\"",
            "give one of them",
        ),
        ("presence = \"$x\"", "--presence"),
        (
            "presence = \"x\"\nwebhook-url = \"http://x\"",
            "--webhook-secret-file",
        ),
        ("log = \"loud\"", "neither a level"),
        ("history-events = 1", "--history-events"),
        ("mercure = true", "--mercure"),
    ] {
        let (code, out, error) = check(text);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{text}: {error}");
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn config_print_shows_where_each_value_comes_from_and_hides_secrets() {
    let (_directory, path) = written(&format!(
        "max-subscribers = 5\npublish-key = \"{KEY}\"\nredis-url = \"redis://:secret@h\"\n\
         authorize-url = \"http://user:secret@h/x\"\nprotected-topic = [\"a,b\", \"c\"]\n"
    ));
    let at = path.to_str().unwrap();
    let mut print = command(&["--ping-interval", "2s", "config", "print", at]);
    print.env("SSE_BROADCASTER_LOG", "warn");
    let (code, out, error) = run(print);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    for line in [
        format!("max-subscribers = 5  # {at}, line 1"),
        format!("protected-topic = [\"a,b\", \"c\"]  # {at}, line 5"),
        format!("authorize-url = \"http://user:hidden@h/x\"  # {at}, line 4"),
        format!("# publish-key is set, and hidden  # {at}, line 2"),
        "ping-interval = \"2s\"  # command line".to_owned(),
        "log = \"warn\"  # SSE_BROADCASTER_LOG".to_owned(),
        "stall-timeout = \"30s\"  # default".to_owned(),
        "no-page = false  # default".to_owned(),
        "# data-dir is not set".to_owned(),
    ] {
        assert!(
            out.lines().any(|shown| shown == line),
            "no {line} in\n{out}"
        );
    }
    assert!(!out.contains(":secret") && !out.contains(KEY), "{out}");
    let (_other_directory, printed) = written(&out);
    let (code, again, error) = config(&["print", printed.to_str().unwrap()]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(again.contains("max-subscribers = 5 "), "{again}");
}

#[test]
fn each_line_of_the_example_can_be_used_as_it_stands() {
    let (code, example, _) = config(&["example"]);
    assert_eq!(code, Some(0));
    let (_directory, path) = written(&example);
    let at = path.to_str().unwrap().to_owned();
    assert_eq!(config(&["check", &at]).0, Some(0), "as it is");
    let is_setting = |line: &&str| line.starts_with('#') && !line.starts_with("# ");
    let settings: Vec<_> = example.lines().filter(is_setting).collect();
    assert!(settings.len() > 60, "{example}");
    let uncommented = settings
        .iter()
        .map(|line| &line[1..])
        .collect::<Vec<_>>()
        .join("\n");
    fs::write(&path, &uncommented).unwrap();
    let (code, printed, error) = config(&["print", &at]);
    assert_eq!(code, Some(0), "{error}");
    let of_file = printed.lines().filter(|line| line.contains(&at));
    assert_eq!(of_file.count(), settings.len(), "{printed}");
}

#[test]
fn the_schema_has_a_property_for_each_setting_of_the_example() {
    let (_, example, _) = config(&["example"]);
    let (code, schema, _) = config(&["schema"]);
    assert_eq!(code, Some(0));
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    let properties = schema["properties"].as_object().unwrap();
    let named = example
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once(" = "));
    let named: Vec<_> = named
        .map(|(name, _)| name)
        .filter(|name| !name.contains(' '))
        .collect();
    assert_eq!(properties.len(), named.len());
    for name in named {
        assert!(
            !properties[name]["description"].as_str().unwrap().is_empty(),
            "{name}"
        );
    }
    assert_eq!(properties["no-page"]["type"], "boolean");
    assert_eq!(
        properties["log-format"]["enum"],
        serde_json::json!(["text", "json"])
    );
    assert_eq!(properties["ping-interval"]["default"], "4s");
    assert_eq!(properties["window-events"]["default"], 100_000);
    assert_eq!(properties["listen"]["anyOf"][1]["type"], "array");
}

#[test]
fn a_secret_can_come_from_a_credential_of_systemd() {
    let credentials = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(credentials.path().join(name), text).unwrap();
    write("publish-key", KEY);
    write("token-key", "HS256 0123456789abcdef0123456789abcdef\n");
    write("unrelated", "x");
    let with_credentials = |args: &[&str]| {
        let mut command = command(&[&["--listen", "127.0.0.1:0"], args].concat());
        command.env("CREDENTIALS_DIRECTORY", credentials.path());
        command
    };
    let server = Server::spawn(with_credentials(&["--subscribe-access", "closed"]));
    assert_eq!(publish(&server, KEY, "x"), 200);
    assert_eq!(publish(&server, OTHER_KEY, "x"), 401);
    let server = Server::spawn(with_credentials(&["--publish-key", OTHER_KEY]));
    assert_eq!(publish(&server, OTHER_KEY, "x"), 200, "a flag wins");
    assert_eq!(publish(&server, KEY, "x"), 401);
    let (_, out, _) = run(with_credentials(&["config", "print"]));
    assert!(
        out.contains("publish-key\"  # credential publish-key"),
        "{out}"
    );
}

#[test]
fn the_url_of_redis_can_come_from_a_file_or_a_credential() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("redis-url");
    let by_file = format!("--redis-url-file={}", file.display());
    let listening = ["--listen", "127.0.0.1:0"];
    for (text, why) in [
        ("", "one line"),
        ("a\nb", "one line"),
        ("http://x\n", "--redis-url"),
    ] {
        fs::write(&file, text).unwrap();
        let (code, _, error) = run(command(&[&listening[..], &[&by_file]].concat()));
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains(why), "{error}");
    }
    fs::write(&file, "redis://127.0.0.1:9/\n").unwrap();
    let twice = command(&["--redis-url", "redis://h", &by_file, "config", "check"]);
    let (code, _, error) = run(twice);
    assert!(
        code == Some(1) && error.contains("give one of them"),
        "{error}"
    );
    let mut server = Server::spawn(command(&[&listening[..], &[&by_file]].concat()));
    assert!(
        server
            .log()
            .contains("history in Redis at redis://127.0.0.1:9/0")
    );
    let mut by_credential = command(&listening);
    by_credential.env("CREDENTIALS_DIRECTORY", directory.path());
    let mut server = Server::spawn(by_credential);
    assert!(
        server
            .log()
            .contains("history in Redis at redis://127.0.0.1:9/0")
    );
}

#[test]
fn client_commands_read_the_configuration_file_and_token_check_has_its_keys() {
    let (directory, path) = written("");
    let key = directory.path().join("key");
    fs::write(&key, "HS256 0123456789abcdef0123456789abcdef").unwrap();
    let server = Server::start(&["--publish-key", KEY]);
    fs::write(
        &path,
        format!(
            "listen = \"{}\"\npublish-key = \"{KEY}\"\ntoken-key-file = {key:?}\n",
            server.address
        ),
    )
    .unwrap();
    let (code, out, error) = run(with_file(&path, &["publish", "hello"]));
    assert_eq!(code, Some(0), "{error}{out}");
    let (_, token, _) = run(with_file(&path, &["token", "--subscribe", "*"]));
    let (code, out, error) = run(with_file(&path, &["token", "--check", token.trim()]));
    assert_eq!(code, Some(0), "{error}{out}");
}
