//! Clocks that jump: events keep the time of their publish, which decides their age.

use crate::{
    disk::log::Log,
    support::shim::{ahead, with_clock},
    support::{Server, clock, command, wait_until},
};

#[test]
fn a_clock_that_was_a_year_ahead_spoils_no_read_by_time_in_memory() {
    let log = Log::new();
    let file = log.beside("clock");
    clock::set(&file, 0);
    let args = ["--listen", "127.0.0.1:0", "--history-age", "1h"];
    clock::goes_back(&Server::spawn(with_clock(command(&args), &file)), &file);
}

#[test]
fn a_clock_that_was_a_year_ahead_spoils_no_read_by_time_on_disk_and_after_a_restart() {
    let log = Log::new();
    let file = log.beside("clock");
    clock::set(&file, 0);
    let args = ["--history-age", "1h", "--window-events", "16"];
    let start = || Server::spawn(with_clock(log.command(&args), &file));
    let events = clock::goes_back(&start(), &file);
    let server = start();
    assert_eq!(clock::read(&server, "since=earliest"), events, "times too");
    wait_until("all of it is older than a second", || {
        clock::data(&server, "since=1s").is_empty()
    });
    assert_eq!(clock::data(&server, "since=1h").len(), events.len());
}

/// Events of a clock that was ahead, and of the same clock set right, are dropped by age.
fn all_grow_too_old(start: impl Fn() -> Server, clock: &std::path::Path) {
    clock::set(clock, clock::YEAR);
    let server = start();
    for n in 0..20 {
        server.publish("a", &n.to_string());
    }
    clock::set(clock, 0);
    server.publish("a", "right");
    wait_until("all is dropped", || server.metric("history_events") == 0);
}

#[test]
fn events_of_a_clock_that_was_ahead_grow_too_old_in_memory() {
    let log = Log::new();
    let file = log.beside("clock");
    let args = ["--listen", "127.0.0.1:0", "--history-age", "2s"];
    let start = || Server::spawn(with_clock(command(&args), &file));
    all_grow_too_old(start, &file);
}

#[test]
fn events_of_a_clock_that_was_ahead_grow_too_old_on_disk_also_after_a_restart() {
    let log = Log::new();
    let file = log.beside("clock");
    let args = ["--history-age", "2s", "--window-events", "16"];
    let start = || Server::spawn(with_clock(log.command(&args), &file));
    all_grow_too_old(start, &file);
    let restarted = Log::new();
    let server = Server::spawn(ahead(restarted.command(&[]), 31_536_000));
    for n in 0..100 {
        server.publish("a", &n.to_string());
    }
    drop(server);
    let server = restarted.start(&args);
    wait_until("all is dropped", || server.metric("history_events") == 0);
}
