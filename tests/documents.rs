//! The documents that have to match the code, and their commands.

mod application;
mod commands;
mod copy;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

pub fn sources() -> Vec<(String, String)> {
    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    collect(&root().join("crates"), &mut files);
    let named = files.into_iter().map(|path| {
        let name = path.strip_prefix(root()).expect("a path in the root");
        (
            name.display().to_string(),
            code(&fs::read_to_string(&path).unwrap()),
        )
    });
    named.collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text without its comments, in which anything may be named.
fn code(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_configuration_page_lists_every_setting_and_no_other() {
    let config = sources()
        .into_iter()
        .filter(|(name, _)| name.starts_with("crates/server/src/config"));
    let config: String = config.map(|(_, text)| text).collect();
    let page = include_str!("../docs/configuration.md");
    let flags_of = |text: &str, before: &str, after: char| -> Vec<String> {
        let found = text.split(before).skip(1);
        let mut flags: Vec<String> = found
            .map(|rest| {
                rest.split(after)
                    .next()
                    .unwrap()
                    .to_lowercase()
                    .replace('_', "-")
            })
            .collect();
        flags.sort();
        flags.dedup();
        flags
    };
    let settings = flags_of(&config, "env = \"SSE_BROADCASTER_", '"');
    let listed = flags_of(page, "\n| `--", '`');
    assert_eq!(settings, listed);
}

#[test]
fn the_configuration_page_has_the_default_of_each_setting() {
    let page = include_str!("../docs/configuration.md");
    let mut compared = 0;
    for (name, text) in sources() {
        if !name.starts_with("crates/server/src/config") {
            continue;
        }
        for setting in text.split("env = \"SSE_BROADCASTER_").skip(1) {
            let (variable, rest) = setting.split_once('"').unwrap();
            let Some((_, default)) = rest.split_once("default_value = \"") else {
                continue;
            };
            let default = default.split('"').next().unwrap();
            let flag = variable.to_lowercase().replace('_', "-");
            let row = format!("\n| `--{flag}` | `{default}` |");
            assert!(page.contains(&row), "no row begins with {row:?}");
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared} settings with a default");
}

#[test]
fn the_dockerfile_copies_the_manifest_of_each_crate() {
    let dockerfile = fs::read_to_string(root().join("Dockerfile")).unwrap();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let line = format!("\nCOPY crates/{name}/Cargo.toml crates/{name}/\n");
        assert!(dockerfile.contains(&line), "the Dockerfile lacks {line:?}");
    }
}

/// In the image the dependencies are built before the sources are there.
#[test]
fn the_manifests_can_be_read_without_the_sources() {
    let workspace = tempfile::tempdir().unwrap();
    let copy = |manifest: &Path, sources: &[&str]| {
        let of = root().join(manifest);
        let folder = workspace.path().join(manifest.parent().unwrap());
        fs::create_dir_all(&folder).unwrap();
        fs::copy(&of, workspace.path().join(manifest)).unwrap();
        for source in sources {
            let source = folder.join(source);
            fs::create_dir_all(source.parent().unwrap()).unwrap();
            fs::write(source, "").unwrap();
        }
    };
    copy(
        Path::new("Cargo.toml"),
        &["src/lib.rs", "examples/support/mod.rs"],
    );
    copy(Path::new("examples/Cargo.toml"), &[]);
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let name = entry.unwrap().file_name();
        copy(
            &Path::new("crates").join(name).join("Cargo.toml"),
            &["src/lib.rs", "src/main.rs"],
        );
    }
    let read = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--offline",
            "--no-deps",
            "--format-version",
            "1",
        ])
        .current_dir(workspace.path())
        .output()
        .unwrap();
    assert!(
        read.status.success(),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
}

/// What makes an error with a code, which is its first string.
const ERRORS: [&str; 11] = [
    "Problem::new(",
    "Refusal::new(",
    "Self::new(StatusCode",
    "Self::new(status",
    "bad_request(",
    "unauthorized(",
    "forbidden(",
    "unprocessable(",
    "Invalid::new(",
    "refused(",
    "unavailable(",
];

/// Crates whose errors are not responses of the server.
const WITHOUT_ROUTES: [&str; 2] = ["crates/bench", "crates/cli"];

fn is_code(text: &str) -> bool {
    text.len() > 3
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The string that `text` has first, with nothing but names and commas before it.
fn first_string(text: &str) -> Option<&str> {
    let (before, rest) = text.split_once('"')?;
    let plain = |c: char| c.is_alphanumeric() || "_:,.".contains(c) || c.is_whitespace();
    before
        .chars()
        .all(plain)
        .then(|| rest.split('"').next().unwrap_or(""))
}

/// The codes that a source file gives to errors, by constructors and in `fn code`.
fn codes_of(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]").next().unwrap_or("");
    let made = ERRORS
        .iter()
        .flat_map(|name| text.split(name).skip(1))
        .filter_map(first_string);
    let matched = text
        .split("pub fn code(&self) -> &'static str {")
        .skip(1)
        .flat_map(|body| {
            body.split("\n    }\n")
                .next()
                .unwrap_or("")
                .split("=> \"")
                .skip(1)
        })
        .filter_map(|rest| rest.split('"').next());
    let found = made.chain(matched).filter(|code| is_code(code));
    found.map(str::to_owned).collect()
}

#[test]
fn the_list_of_error_codes_is_that_of_the_code() {
    // Of the library alone, or replaced before a response is made.
    let internal = ["publish", "subscribe", "would_block"];
    let document = include_str!("../docs/errors.md");
    let documented: BTreeSet<String> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect();
    let sources = sources();
    let used: BTreeSet<String> = sources
        .iter()
        .filter(|(name, _)| !WITHOUT_ROUTES.iter().any(|part| name.starts_with(part)))
        .flat_map(|(_, text)| codes_of(text))
        .filter(|code| !internal.contains(&code.as_str()))
        .collect();
    let missing: Vec<_> = used.difference(&documented).collect();
    assert!(missing.is_empty(), "docs/errors.md lacks {missing:?}");
    let unused: Vec<_> = documented
        .iter()
        .filter(|code| {
            !sources
                .iter()
                .any(|(_, text)| text.contains(&format!("\"{code}\"")))
        })
        .collect();
    assert!(
        unused.is_empty(),
        "docs/errors.md has {unused:?}, which no source has"
    );
}
