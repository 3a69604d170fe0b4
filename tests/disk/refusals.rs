//! Directories with which a server does not start: one sentence with what to do, and nothing is changed.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    disk::log::{Log, refusal, replay},
    support::Server,
    support::shim::faulty,
};

/// What is said holds all of these.
fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}

fn a_log(log: &Log) {
    let server = log.start(&[]);
    server.publish("a", "kept");
}

#[test]
fn a_directory_of_another_process_is_waited_for_and_then_rejected() {
    let log = Log::new();
    let first = log.start(&[]);
    let began = Instant::now();
    let said = refusal(log.command(&["--data-dir-wait", "300ms"]));
    assert!(began.elapsed() >= Duration::from_millis(300));
    let path = log.path();
    assert_says(
        &said,
        &[
            "waiting",
            path.to_str().unwrap(),
            "in use by another process",
            "--data-dir-wait",
        ],
    );
    first.publish("a", "still works");
}

#[test]
fn a_directory_is_opened_once_another_process_releases_it() {
    let log = Log::new();
    let first = log.start(&[]);
    first.publish("a", "kept");
    let mut second = log
        .command(&["--data-dir-wait", "10m"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It says that it waits before it is let in.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(second.stderr.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().contains("waiting")));
    drop(first);
    assert!(lines.any(|line| line.unwrap().contains("listening on")));
    second.kill().unwrap();
    second.wait().unwrap();
    assert_eq!(replay(&log.start(&[])).len(), 1);
}

#[test]
fn a_directory_of_a_newer_version_is_rejected() {
    let log = Log::new();
    a_log(&log);
    fs::write(log.path().join("format"), "sse-broadcaster log 5\n").unwrap();
    let said = refusal(log.command(&[]));
    assert_says(
        &said,
        &[
            "newer version",
            "another directory",
            log.path().to_str().unwrap(),
        ],
    );
    fs::write(log.path().join("format"), "sse-broadcaster log 4\n").unwrap();
    assert_eq!(replay(&log.start(&[])).len(), 1, "it was not touched");
}

#[test]
fn the_files_of_a_newer_engine_are_rejected() {
    let log = Log::new();
    a_log(&log);
    let version = log.path().join("log/version");
    let mut bytes = fs::read(&version).unwrap();
    *bytes.last_mut().unwrap() += 1;
    fs::write(&version, bytes).unwrap();
    let said = refusal(log.command(&[]));
    assert_says(&said, &["version", log.path().to_str().unwrap()]);
}

#[test]
fn a_directory_without_a_log_of_ours_is_rejected_and_left_unchanged() {
    let log = Log::new();
    fs::create_dir(log.path()).unwrap();
    fs::write(log.path().join("letters"), "dear").unwrap();
    let said = refusal(log.command(&[]));
    assert_says(
        &said,
        &["holds files, but no log", log.path().to_str().unwrap()],
    );
    assert_eq!(fs::read(log.path().join("letters")).unwrap(), b"dear");
    assert!(!log.path().join("log").exists());
}

#[test]
fn a_path_that_is_a_file_is_rejected() {
    let log = Log::new();
    fs::write(log.path(), "dear").unwrap();
    let said = refusal(log.command(&[]));
    assert_says(
        &said,
        &[
            "cannot be written",
            "--data-dir",
            log.path().to_str().unwrap(),
        ],
    );
    assert_eq!(fs::read(log.path()).unwrap(), b"dear");
}

#[test]
fn a_disk_that_is_read_only_or_full_at_the_start_is_rejected() {
    for existing in [false, true] {
        for error in ["EROFS", "ENOSPC"] {
            let log = Log::new();
            if existing {
                a_log(&log);
            }
            fs::write(log.beside("fault"), error).unwrap();
            let command = faulty(log.command(&[]), &log.path(), &log.beside("fault"));
            let said = refusal(command);
            assert_says(&said, &["cannot be written", log.path().to_str().unwrap()]);
            fs::remove_file(log.beside("fault")).unwrap();
            assert_eq!(replay(&log.start(&[])).len(), usize::from(existing));
        }
    }
}

#[test]
fn a_directory_without_the_right_to_write_is_rejected() {
    let log = Log::new();
    a_log(&log);
    let set = |mode: &str| {
        let status = Command::new("chmod")
            .args(["-R", mode])
            .arg(log.path())
            .status();
        assert!(status.unwrap().success());
    };
    set("a-w");
    // Whoever may write everywhere is not refused.
    let is_free = fs::File::create(log.path().join("probe")).is_ok();
    if is_free {
        fs::remove_file(log.path().join("probe")).unwrap();
        drop(Server::spawn(log.command(&[])));
    } else {
        let said = refusal(log.command(&[]));
        assert_says(&said, &["cannot be written", log.path().to_str().unwrap()]);
    }
    set("u+w");
    assert_eq!(replay(&log.start(&[])).len(), 1);
}
