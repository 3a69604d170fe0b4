//! What becomes of the log if nobody reads it.

use std::{
    io::{BufRead as _, BufReader},
    process::{ChildStderr, Stdio},
};

use crate::support::{Server, command};

/// A server, and its log after the first line.
fn start(args: &[&str]) -> (Server, BufReader<ChildStderr>) {
    let mut child = command(&[&["--listen", "127.0.0.1:0"], args].concat())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it listens");
    }
    let address = line.split("http://").nth(1).unwrap();
    let end = address.find(|char: char| !char.is_ascii_digit() && !".:".contains(char));
    let address = address[..end.unwrap_or(address.len())].parse().unwrap();
    (Server::adopt(child, address), log)
}

#[test]
fn a_closed_log_pipe_does_not_end_the_server() {
    let (server, log) = start(&[]);
    drop(log);
    for signal in ["-HUP", "-USR1", "-HUP"] {
        server.signal(signal);
        assert_eq!(server.get("/health/live").status, 200);
    }
}

#[test]
fn a_log_pipe_that_nobody_reads_stops_nothing_and_tells_later_how_many_lines_were_dropped() {
    for format in ["text", "json"] {
        let (server, log) = start(&["--log", "debug", "--log-format", format]);
        let dropped = || server.metric("log_lines_dropped_total");
        // More than a pipe holds, by far.
        for _ in 0..2_000 {
            assert_eq!(server.get("/events?last=nothing").status, 400);
        }
        assert!(dropped() > 0);
        let mut lines = log.lines().map(Result::unwrap);
        let mut asked = 0;
        let report = lines.find(|line| {
            // The rest of the pipe has room by now, for a line that tells of those before.
            asked += 1;
            if asked % 100 == 0 {
                assert_eq!(server.get("/events?last=nothing").status, 400);
            }
            line.contains("lines were not logged")
        });
        let report = report.unwrap();
        let (before, _) = report.split_once(" lines were not logged").unwrap();
        let count: String = before
            .chars()
            .rev()
            .take_while(char::is_ascii_digit)
            .collect();
        let count: u64 = count.chars().rev().collect::<String>().parse().unwrap();
        assert!((1..=dropped()).contains(&count), "{report}");
        assert_eq!(report.starts_with('{'), format == "json", "{report}");
        assert!(
            lines.next().unwrap().contains("invalid_last"),
            "the log goes on"
        );
    }
}
