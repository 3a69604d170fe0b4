//! Completions and man pages.

use std::{fs, process::Command};

use crate::commands::running::run;

#[test]
fn bash_completes_commands_flags_and_values() {
    let script = run(&["completions", "bash"]).succeeded().join("\n");
    for (line, completed) in [
        ("sse-broadcaster subs", "subscribe"),
        ("sse-broadcaster config ch", "check"),
        ("sse-broadcaster --drain-d", "--drain-delay"),
        ("sse-broadcaster --log-format j", "json"),
    ] {
        let complete = format!(
            "{script}
            COMP_WORDS=({line}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
            function=$(complete -p sse-broadcaster | sed 's/.* -F \\([^ ]*\\).*/\\1/')
            $function sse-broadcaster \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\" 2>/dev/null
            echo \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash")
            .args(["-c", &complete])
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            completed,
            "{line}"
        );
    }
    for shell in ["zsh", "fish"] {
        let script = run(&["completions", shell]).succeeded().join("\n");
        assert!(script.contains("drain-delay"), "{shell}");
    }
    let refused = run(&["completions", "csh"]).failed(2);
    assert!(refused.contains("bash, elvish, fish"), "{refused}");
}

#[test]
fn there_is_a_man_page_for_every_command() {
    let page = run(&["man"]).succeeded().join("\n");
    assert!(page.contains(".TH sse-broadcaster 1"), "{page}");
    for text in [
        "drain\\-delay",
        "SSE_BROADCASTER_DRAIN_DELAY",
        "sse\\-broadcaster\\-publish(1)",
    ] {
        assert!(page.contains(text), "{text}");
    }
    let directory = tempfile::tempdir().unwrap();
    run(&["man", directory.path().to_str().unwrap()]).succeeded();
    let written = fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> = written
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in [
        "sse-broadcaster.1",
        "sse-broadcaster-publish.1",
        "sse-broadcaster-config-check.1",
    ] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    let missing = directory.path().join("missing");
    let refused = run(&["man", missing.to_str().unwrap()]).failed(1);
    assert!(refused.contains("missing: No such file"), "{refused}");
}
