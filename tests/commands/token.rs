//! The command `token`.

use std::{fs, path::PathBuf, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    commands::running::{Running, run},
    support::tokens::{OTHER_SECRET, SECRET},
};

/// A folder with a key in a file.
fn key(text: &str) -> (TempDir, PathBuf) {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    (folder, file)
}

fn create(args: &[&str]) -> String {
    let mut lines = run(&[&["token"], args].concat()).succeeded();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

/// The claims that the explanation of a token shows, and the other lines.
fn check(token: &str, args: &[&str]) -> (Value, Vec<String>) {
    let mut running = Running::start(&[&["token", "--check"], args].concat());
    running.write(token);
    let lines = running.end().succeeded();
    let claims = lines.iter().find_map(|line| line.strip_prefix("claims:"));
    (serde_json::from_str(claims.unwrap()).unwrap(), lines)
}

#[test]
fn a_token_with_the_rights_of_an_operator_is_made_and_named_by_the_check() {
    let (_folder, file) = key(SECRET);
    let file = file.to_str().unwrap();
    for kind in [&[][..], &["--mercure"]] {
        let token = create(&[&["--key-file", file, "--sub", "17", "--admin"], kind].concat());
        let arguments = ["--token-key-file", file, "--topic", "any"];
        let (claims, lines) = check(&token, &arguments);
        assert_eq!(claims["sse"], json!({ "admin": true }));
        let has = |line: &str| lines.iter().any(|found| found == line);
        assert!(has("admin:     yes, everything is granted"), "{lines:?}");
        assert!(
            has("topic \"any\": subscribe, publish, presence"),
            "{lines:?}"
        );
        assert!(
            !lines.iter().any(|line| line.starts_with("warning")),
            "{lines:?}"
        );
    }
    let (_, lines) = check(
        &create(&["--key-file", file, "--publish", "a"]),
        &["--token-key-file", file],
    );
    assert!(
        !lines.iter().any(|line| line.starts_with("admin")),
        "{lines:?}"
    );
}

#[test]
fn a_created_token_is_accepted_by_the_check_which_says_what_it_grants_and_until_when() {
    let (_folder, file) = key(&format!("# of the tests\n{SECRET}\n{OTHER_SECRET}\n"));
    let file = file.to_str().unwrap();
    let token = create(&[
        "--key-file",
        file,
        "--sub",
        "17",
        "--subscribe",
        "users/17/{+rest}",
        "--subscribe",
        "{\"urlpattern\":\"https://example.com/:id\"}",
        "--publish",
        "news",
        "--presence",
        "*",
        "--expires",
        "10m",
        "--token-id",
        "t1",
        "--claims",
        "{\"name\":\"Anna\"}",
    ]);
    let (claims, lines) = check(
        &format!("Bearer {token}\n"),
        &[
            "--token-key-file",
            file,
            "--topic",
            "users/17/a",
            "--topic",
            "news",
        ],
    );
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        600
    );
    assert_eq!(
        (&claims["sub"], &claims["jti"], &claims["name"]),
        (&json!("17"), &json!("t1"), &json!("Anna"))
    );
    let grants = json!({
        "subscribe": ["users/17/{+rest}", { "urlpattern": "https://example.com/:id" }],
        "publish": ["news"],
        "presence": ["*"],
    });
    assert_eq!(claims["sse"], grants);
    for line in [
        "topic \"users/17/a\": subscribe, presence",
        "topic \"news\": publish, presence",
    ] {
        assert!(lines.iter().any(|shown| shown == line), "{lines:?}");
    }
    let until = lines.last().unwrap();
    assert!(
        until.starts_with("until:") && until.contains("Z (in 10m"),
        "{until}"
    );
}

#[test]
fn a_refused_token_is_exit_code_1_with_the_check_that_failed() {
    let (_folder, file) = key(SECRET);
    let file = file.to_str().unwrap();
    let by_other = |args: &[&str]| {
        let variables = [("SSE_BROADCASTER_TOKEN_KEY", OTHER_SECRET)];
        Running::start_with(&variables, &[&["token", "--subscribe", "*"], args].concat())
            .end()
            .succeeded()
            .remove(0)
    };
    let create =
        |args: &[&str]| create(&[&["--key-file", file, "--subscribe", "*"], args].concat());
    let good = create(&[]);
    for (token, settings, code) in [
        (
            by_other(&[]),
            &["--token-key-file", file][..],
            "token_signature",
        ),
        (
            create(&["--expires", "never"]),
            &["--token-key-file", file],
            "token_claim",
        ),
        (
            create(&["--claims", "{\"exp\":1}"]),
            &["--token-key-file", file],
            "token_expired",
        ),
        (
            good.clone(),
            &["--token-key-file", file, "--token-audience", "b"],
            "token_audience",
        ),
        (
            good.clone(),
            &["--token-key-file", file, "--token-issuer", "a"],
            "token_issuer",
        ),
        (
            good.clone(),
            &["--token-key-file", file, "--token-lifetime", "1m"],
            "token_claim",
        ),
        (
            "x".to_owned(),
            &["--token-key-file", file],
            "token_malformed",
        ),
    ] {
        let args = [&["token", "--check", &token], settings].concat();
        let ended = run(&args);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let expected = format!("sse-broadcaster: the token is refused: {code}");
        assert_eq!(ended.complaints, [expected], "{ended:?}");
        assert!(
            ended.output.iter().any(|line| line.starts_with("refused:")),
            "{ended:?}"
        );
    }
}

#[test]
fn tokens_of_both_versions_of_mercure_are_created() {
    let (_folder, file) = key(SECRET);
    let file = file.to_str().unwrap();
    let token = create(&[
        "--key-file",
        file,
        "--mercure",
        "--subscribe",
        "books/{id}",
        "--publish",
        "*",
    ]);
    let (claims, _) = check(&token, &["--token-key-file", file]);
    assert_eq!(
        claims["mercure"],
        json!({ "subscribe": ["books/{id}"], "publish": ["*"] })
    );
    let endless = ["--mercure", "--publish", "a", "--expires", "never"];
    let endless = create(&[&["--key-file", file][..], &endless].concat());
    let (_, lines) = check(&endless, &["--mercure", "--token-key-file", file]);
    assert_eq!(lines.last().unwrap(), "until:     without end");

    let named = [
        "--token-issuer",
        "https://a.example",
        "--token-audience",
        "hub",
    ];
    let settings = [&["--token-key-file", file][..], &named].concat();
    let token = create(
        &[
            &settings[..],
            &["--access-token", "--subscribe", "books", "--publish", "*"],
        ]
        .concat(),
    );
    let (claims, lines) = check(&token, &settings);
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&json!("https://a.example"), &json!("hub"))
    );
    assert_eq!(
        claims["authorization_details"][0]["topics"],
        json!([{ "match": "books" }])
    );
    assert!(lines[0].contains("Mercure 1.0"), "{lines:?}");
}

#[test]
fn a_private_key_in_pem_signs_and_its_public_key_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (private, public) = (path("key.pem"), path("key.pub.pem"));
    let openssl = |args: &[&str]| {
        let done = Command::new("openssl")
            .args(args)
            .output()
            .expect("openssl runs");
        assert!(done.status.success(), "{done:?}");
    };
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", &private]);
    openssl(&["pkey", "-in", &private, "-pubout", "-out", &public]);
    let token = create(&[
        "--key-file",
        &private,
        "--key-id",
        "2026",
        "--subscribe",
        "*",
    ]);
    let (_, lines) = check(&token, &["--token-key-file", &public]);
    assert!(
        lines.contains(&"algorithm: \"EdDSA\"".to_owned()),
        "{lines:?}"
    );
    assert!(
        lines.contains(&"key id:    \"2026\"".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn wrong_arguments_are_exit_code_2_with_what_would_be_right_and_no_key() {
    let (_folder, file) = key(SECRET);
    let file = file.to_str().unwrap();
    for (args, reason) in [
        (&["--sub", "1"][..], "give --key-file"),
        (&["--key-file", "/nonexistent"], "/nonexistent: "),
        (&["--key-file", file, "--access-token"], "give --iss"),
        (
            &["--key-file", file, "--alg", "RS256"],
            "is not for this key",
        ),
        (
            &["--key-file", file, "--claims", "[]"],
            "give a JSON object",
        ),
        (
            &[
                "--key-file",
                file,
                "--sub",
                "1",
                "--claims",
                "{\"sub\":\"2\"}",
            ],
            "another flag sets",
        ),
        (
            &[
                "--key-file",
                file,
                "--mercure",
                "--publish",
                "{\"urlpattern\":\"/a\"}",
            ],
            "Mercure 0.x",
        ),
        (&["--key-file", file, "--expires", "soon"], "or never"),
        (&["--check"], "no keys to check"),
        (&["--check", "--key-file", file], "cannot be used with"),
        (&["a-token"], "--check"),
    ] {
        let line = run(&[&["token"], args].concat()).failed(2);
        assert!(line.contains(reason), "{args:?}: {line}");
        assert!(!line.contains("0123456789"), "{line}");
    }
}

#[test]
fn what_grants_nothing_is_reported_when_a_token_is_created_and_when_it_is_checked() {
    let (_folder, file) = key(SECRET);
    let file = file.to_str().unwrap();
    let misspelt = "{\"sse\":{\"subscribe\":[\"a\"],\"publsh\":[\"x\"]}}";
    for (args, warning) in [
        (&["--sub", "1"][..], "no claim grants anything"),
        (
            &["--claims", misspelt],
            "the claim \"sse\" has an unknown member \"publsh\"; it may have subscribe, publish, presence, payload and admin",
        ),
    ] {
        let ended = run(&[&["token", "--key-file", file], args].concat());
        assert_eq!(
            (ended.code, ended.complaints.len()),
            (Some(0), 1),
            "{ended:?}"
        );
        assert!(ended.complaints[0].contains(warning), "{ended:?}");
        let (_, lines) = check(&ended.output[0], &["--token-key-file", file]);
        let shown = lines.iter().find(|line| line.starts_with("warning:"));
        assert!(
            shown.is_some_and(|line| line.contains(warning)),
            "{lines:?}"
        );
        assert!(lines.contains(&"accepted".to_owned()), "{lines:?}");
    }
    let granting = run(&["token", "--key-file", file, "--subscribe", "a"]);
    assert!(granting.complaints.is_empty(), "{granting:?}");
}
