//! Settings of access control that are refused at the start, and keys that are read again.

use std::{fs, time::Duration};

use serde_json::json;
use tempfile::TempDir;

use super::why_not_started;
use crate::support::{
    Server,
    tokens::{Application, OTHER_SECRET, SECRET, bearer, token, token_by},
    wait_until,
};

#[test]
fn a_refused_key_or_url_names_its_flag_and_what_would_be_right() {
    let app = ["--presence", "a", "--webhook-secret-file", "/nonexistent/s"];
    for (args, reason) in [
        (
            &["--token-key-file", "/nonexistent/keys"][..],
            "; this makes one: (umask 077; echo \"HS256 $(openssl rand -hex 32)\" > /nonexistent/keys)",
        ),
        (
            &["--admin-key-file", "/nonexistent/admin"],
            "; this makes one: (umask 077; openssl rand -hex 32 > /nonexistent/admin)",
        ),
        (
            &["--token-issuer", "https://a,keys=/nonexistent/keys"],
            "--token-issuer /nonexistent/keys: ",
        ),
        (&["--token-key", "{\"keys\":[]}"], ": the set is empty"),
        (
            &["--authorize-url", "app"],
            "--authorize-url: \"app\" is not a URL with http or https, such as \"http://127.0.0.1:9000/sse/access\"",
        ),
        (
            &[&app[..], &["--webhook-url", "localhost:9/"]].concat(),
            "such as \"https://app.example.com/sse/webhook\"",
        ),
    ] {
        let log = why_not_started(args);
        assert!(log.contains(reason), "{args:?}: {log}");
    }
}

#[test]
fn an_address_that_a_setting_would_serve_is_404_with_that_setting() {
    let server = Server::start(&[]);
    for (path, flag) in [
        ("/admin/revocations", "--admin-key-file"),
        ("/.well-known/mercure", "--mercure"),
        ("/presence?topic=a", "--presence"),
    ] {
        let response = server.get(path);
        assert_eq!(response.status, 404, "{path}");
        assert!(
            response.text().contains(flag),
            "{path}: {}",
            response.text()
        );
    }
}

#[test]
fn a_hub_that_nobody_can_subscribe_to_is_reported_at_the_start() {
    let publisher = ["--mercure", "--mercure-publisher-key", SECRET];
    let mut server = Server::start(&publisher);
    let warning = "--mercure: no client can subscribe to the hub";
    assert!(server.log().contains(warning));
    let mut server = Server::start(&[&publisher[..], &["--mercure-anonymous"]].concat());
    assert!(!server.log().contains(warning));
}

#[test]
fn settings_of_access_that_contradict_each_other_are_refused_with_what_would_be_right() {
    let key = ["--token-key", SECRET];
    let refused: [(&[&str], &str); 17] = [
        (
            &["--subscribe-access", "closed"],
            "no client could get a grant",
        ),
        (
            &["--subscribe-access", "private-events"],
            "--token-key-file",
        ),
        (
            &["--protected-topic", "a"],
            "--protected-topic protects nothing",
        ),
        (
            &["--token-issuer", "https://a.example"],
            "there are no keys",
        ),
        (
            &["--token-issuer", "https://a.example,key=f"],
            "neither keys= nor audience=",
        ),
        (&["--token-key", "HS256 short"], "needs at least 32"),
        (
            &[
                key[0],
                key[1],
                "--subscribe-access",
                "private-events",
                "--protected-topic",
                "users/{id",
            ],
            "--protected-topic: \"users/{id\" has braces and is not a URI template",
        ),
        (&["--presence", "rooms/{id"], "is not a URI template"),
        (
            &["--presence", "$x"],
            "topics that begin with $ have no presence",
        ),
        (
            &["--token-key", "fedcba9876543210fedcba9876543210"],
            "begins with HS256",
        ),
        (
            &["--token-key-file", "/nonexistent/keys"],
            "--token-key-file /nonexistent/keys: ",
        ),
        (
            &["--token-jwks-url", "file:///keys"],
            "is not a URL with http or https",
        ),
        (&["--authorize-url", "app"], "--authorize-url: "),
        (
            &[key[0], key[1], "--token-cookie", "a b"],
            "not the name of a cookie",
        ),
        (
            &[
                "--authorize-url",
                "http://127.0.0.1:1/",
                "--authorize-header",
                "Host",
            ],
            "cannot be sent on",
        ),
        (
            &[
                "--authorize-url",
                "http://127.0.0.1:1/",
                "--authorize-header",
                "cookie",
            ],
            "--authorize-cookie",
        ),
        (
            &[
                key[0],
                key[1],
                "--subscribe-access",
                "closed",
                "--protected-topic",
                "{\"x\":1}",
            ],
            "a pattern must be",
        ),
    ];
    for (args, reason) in refused {
        let log = why_not_started(args);
        assert!(log.contains(reason), "{args:?}: {log}");
        assert!(!log.contains("fedcba98"), "{log}");
    }
}

#[test]
fn a_setting_of_access_without_effect_is_reported() {
    let mut server = Server::start(&["--token-cookie", "a", "--authorize-header", "X-A"]);
    let log = server.log();
    for flag in ["--token-cookie", "--authorize-header"] {
        assert!(
            log.contains(&format!("{flag} has no effect without")),
            "{log}"
        );
    }
}

/// A server on which everything needs a grant, by the keys in a file.
fn closed_with_file(keys: &str) -> (Server, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    replace(&folder, keys);
    let file = file.to_str().unwrap();
    let server = Server::start(&["--subscribe-access", "closed", "--token-key-file", file]);
    (server, folder)
}

fn replace(folder: &TempDir, keys: &str) {
    use std::os::unix::fs::PermissionsExt as _;

    let (new, file) = (folder.path().join("new"), folder.path().join("keys"));
    fs::write(&new, keys).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(new, file).unwrap();
}

fn status(server: &Server, token: &str) -> u16 {
    let head = format!(
        "GET /events?topic=a&until=head HTTP/1.1\nAccept: application/json\n{}",
        bearer(token)
    );
    server.request(&head, b"").status
}

#[test]
fn keys_of_tokens_are_read_again_without_cutting_streams_and_a_broken_file_keeps_those_of_before() {
    let claims = json!({ "sse": { "subscribe": ["*"], "publish": ["*"] } });
    let old = token_by(SECRET, &claims);
    let new = token_by(OTHER_SECRET, &claims);
    let (mut server, folder) = closed_with_file(SECRET);
    let mut stream = server.subscribe_with("/events?topic=a", &bearer(&old));
    assert_eq!((status(&server, &old), status(&server, &new)), (200, 401));
    replace(&folder, &format!("{SECRET}\n{OTHER_SECRET}\n"));
    server.signal("-HUP");
    server.wait_for_log("2 token keys");
    assert_eq!((status(&server, &old), status(&server, &new)), (200, 200));
    replace(&folder, OTHER_SECRET);
    // Without a signal.
    wait_until("the old key is gone", || status(&server, &old) == 401);
    for broken in ["HS256 short", "", "{\"keys\":[]}"] {
        replace(&folder, broken);
        server.signal("-HUP");
        let why = server.wait_for_log("the token keys stay as they were");
        assert!(why.contains("--token-key-file"), "{why}");
        assert_eq!(status(&server, &new), 200, "{broken}");
    }
    let head = format!("POST /events?topic=a HTTP/1.1\n{}", bearer(&new));
    assert_eq!(server.request(&head, b"still open").status, 200);
    assert_eq!(stream.event().unwrap().data, "still open");
}

#[test]
fn the_start_line_says_who_may_read_and_who_may_publish() {
    let token_key = ["--token-key", SECRET];
    let publish_key = ["--publish-key", "s3cret-of-sixteen"];
    let private = ["--subscribe-access", "private-events"];
    let closed = ["--subscribe-access", "closed"];
    let protected = ["--protected-topic", "staff"];
    let by_grant = "clients whose token or session grants it";
    let both = format!("clients with the publish key, and {by_grant}");
    let every = "every client that reaches this address";
    let cases: [(&[&[&str]], &str, &str); 5] = [
        (&[&publish_key], every, "clients with the publish key"),
        (&[&token_key], every, by_grant),
        (&[&token_key, &closed], "everything needs a grant", by_grant),
        (
            &[&token_key, &private, &publish_key],
            "private events need a grant",
            &both,
        ),
        (
            &[&token_key, &private, &protected],
            "private events and protected topics need a grant",
            by_grant,
        ),
    ];
    for (args, readers, publishers) in cases {
        let mut server = Server::start(&args.concat());
        let log = server.log();
        let access = format!(", who may read: {readers}, who may publish: {publishers}");
        assert!(
            log.lines().any(|line| line.ends_with(&access)),
            "{access}: {log}"
        );
    }
}

#[test]
fn the_refusal_of_a_missing_or_wrong_publish_key_names_grants_only_where_there_are_some() {
    let key = ["--publish-key", "s3cret-of-sixteen"];
    for (settings, has_grants) in [(&[][..], false), (&["--token-key", SECRET], true)] {
        let server = Server::start(&[&key, settings].concat());
        for (lines, code) in [
            ("", "key_missing"),
            ("Authorization: Bearer no", "wrong_key"),
        ] {
            let head = format!("POST /events?topic=a HTTP/1.1\n{lines}");
            let refused = server.request(&head, b"x");
            assert_eq!((refused.status, refused.code().as_str()), (401, code));
            let text = refused.text();
            assert!(text.contains("--publish-key"), "{text}");
            assert_eq!(
                text.contains("a token or a session that grants"),
                has_grants,
                "{text}"
            );
        }
    }
}

#[test]
fn keys_by_url_are_fetched_at_the_start_and_a_failure_does_not_stop_the_server() {
    let keys = Application::start(|_| {
        let key = json!({"kty": "oct", "k": "c2VjcmV0"});
        (200, json!({ "keys": [key] }).to_string())
    });
    let url = keys.url("/jwks.json");
    let mut server = Server::start(&["--subscribe-access", "closed", "--token-jwks-url", &url]);
    // A secret that everybody can fetch is no key.
    wait_until("the failure is logged", || {
        let log = server.log();
        let mut lines = log.lines();
        lines.any(|line| line.contains("a public set must not have") && line.contains(&url))
    });
    let any = token(&json!({ "sse": { "subscribe": ["*"] } }));
    assert_eq!(status(&server, &any), 503);
    let head = keys.heads().remove(0);
    assert!(head.starts_with("GET /jwks.json HTTP/1.1"), "{head}");
}

#[test]
fn sighup_fetches_the_keys_by_url_at_once_and_each_fetch_is_logged() {
    let keys = Application::start(|_| {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "a",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        (200, json!({ "keys": [key] }).to_string())
    });
    let url = keys.url("/jwks.json");
    let mut server = Server::start(&["--subscribe-access", "closed", "--token-jwks-url", &url]);
    let fetched = format!("fetched 1 token keys from {url}");
    wait_until("they are fetched at the start", || {
        server.log().contains(&fetched)
    });
    for requests in 2..5 {
        server.signal("-HUP");
        server.wait_for_log("received SIGHUP");
        server.wait_for_log(&fetched);
        assert_eq!(keys.heads().len(), requests);
    }
}

#[test]
fn issuers_have_keys_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    replace(&folder, OTHER_SECRET);
    let issuer = format!(
        "https://login.example.com,keys={},audience=events",
        file.display()
    );
    let server = Server::start(&[
        "--subscribe-access",
        "closed",
        "--token-key",
        SECRET,
        "--token-issuer",
        &issuer,
    ]);
    let with = |iss: Option<&str>, aud: &str| {
        let mut claims = json!({ "aud": aud, "sse": { "subscribe": ["*"] } });
        if let Some(iss) = iss {
            claims["iss"] = iss.into();
        }
        claims
    };
    let login = Some("https://login.example.com");
    for (key, claims, expected) in [
        (SECRET, with(None, "any"), 200),
        (OTHER_SECRET, with(login, "events"), 200),
        (OTHER_SECRET, with(login, "other"), 401),
        (OTHER_SECRET, with(None, "events"), 401),
        (SECRET, with(login, "events"), 401),
    ] {
        assert_eq!(
            status(&server, &token_by(key, &claims)),
            expected,
            "{claims}"
        );
    }
}

#[test]
fn a_token_that_lasts_longer_than_the_setting_allows_is_refused() {
    let server = Server::start(&[
        "--subscribe-access",
        "closed",
        "--token-key",
        SECRET,
        "--token-lifetime",
        "10m",
    ]);
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    let at = |minutes: u64| (now + Duration::from_secs(60 * minutes)).as_secs();
    let with = |exp: u64| token(&json!({ "exp": exp, "sse": { "subscribe": ["*"] } }));
    assert_eq!(status(&server, &with(at(10))), 200);
    assert_eq!(status(&server, &with(at(11))), 401);
}
