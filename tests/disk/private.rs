//! A log is readable by its owner only: modes of its directory and files, and links in place of them.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    disk::log::{Log, refusal, replay},
    support::Server,
};

/// Everything of a directory, it included, with its mode.
fn modes(path: &Path) -> Vec<(PathBuf, u32)> {
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    let mut found = vec![(path.to_owned(), mode(path))];
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(modes(&path));
        } else {
            found.push((path.clone(), mode(&path)));
        }
    }
    found
}

fn assert_private(path: &Path) {
    let modes = modes(path);
    assert!(modes.len() > 5, "{modes:?}");
    for (path, mode) in modes {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{}: {mode:o}", path.display());
    }
}

/// A server that its caller lets create what everybody may read and write.
fn under_open_umask(log: &Log) -> Server {
    let binary = log.command(&[]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 000; exec \"$0\" \"$@\""]);
    shell.arg(binary.get_program()).args(binary.get_args());
    Server::spawn(shell)
}

fn widen(path: &Path) {
    for (path, mode) in modes(path) {
        let mode = if path.is_dir() { 0o755 } else { mode | 0o044 };
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn files_of_a_log_are_readable_by_their_owner_only() {
    let log = Log::new();
    for _ in 0..2 {
        let server = under_open_umask(&log);
        server.publish("a", "kept");
        assert_private(&log.path());
    }
    let mut server = log.start(&[]);
    assert!(!server.log().contains("WARN"), "{}", server.log());
}

#[test]
fn a_log_that_others_could_read_is_tightened_with_a_warning() {
    let log = Log::new();
    log.start(&[]).publish("a", "kept");
    widen(&log.path());
    let mut server = log.start(&[]);
    let path = log.path();
    let warned = format!(
        "--data-dir {}: others than its owner could use",
        path.display()
    );
    assert!(server.log().contains(&warned), "{}", server.log());
    assert_private(&path);
    assert_eq!(replay(&server).len(), 1);
    drop(server);
    // A directory that is its operator's own, and empty.
    let log = Log::new();
    fs::create_dir(log.path()).unwrap();
    log.start(&[]).publish("a", "kept");
    assert_private(&log.path());
}

#[test]
fn a_directory_that_holds_no_log_keeps_its_modes() {
    let log = Log::new();
    fs::create_dir(log.path()).unwrap();
    fs::write(log.path().join("letter"), "mine").unwrap();
    let before = modes(&log.path());
    refusal(log.command(&[]));
    let after = modes(&log.path());
    assert!(
        before.iter().all(|entry| after.contains(entry)),
        "{after:?}"
    );
}

#[test]
fn a_link_in_place_of_a_file_of_the_log_is_rejected_and_not_followed() {
    for name in ["lock", "format", "head"] {
        let (log, elsewhere) = (Log::new(), Log::new());
        if name == "head" {
            log.start(&[]).publish("a", "kept");
            fs::remove_file(log.path().join(name)).unwrap();
        } else {
            fs::create_dir(log.path()).unwrap();
        }
        let target = elsewhere.path();
        symlink(&target, log.path().join(name)).unwrap();
        let said = refusal(log.command(&[]));
        let link = log.path().join(name);
        let named = said.contains(link.to_str().unwrap()) || name == "format";
        assert!(named, "{said}");
        assert!(!target.exists(), "{name} was followed");
        if name != "format" {
            assert!(said.contains("symbolic link"), "{said}");
        }
    }
}

#[test]
fn a_pipe_in_place_of_the_lock_is_rejected_at_once() {
    let log = Log::new();
    fs::create_dir(log.path()).unwrap();
    let lock = log.path().join("lock");
    let made = Command::new("mkfifo").arg(&lock).status().unwrap();
    assert!(made.success());
    let said = refusal(log.command(&[]));
    assert!(
        said.contains(lock.to_str().unwrap()) && said.contains("no regular file"),
        "{said}"
    );
}

#[test]
fn the_directory_itself_may_be_a_link() {
    let (log, elsewhere) = (Log::new(), Log::new());
    fs::create_dir(elsewhere.path()).unwrap();
    symlink(elsewhere.path(), log.path()).unwrap();
    log.start(&[]).publish("a", "kept");
    assert_private(&elsewhere.path());
    assert_eq!(replay(&log.start(&[])).len(), 1);
}
