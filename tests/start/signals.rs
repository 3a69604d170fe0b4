//! The effects of signals on a running server.

use std::{fs::OpenOptions, process::Command};

use crate::{
    support::terminal::Terminal,
    support::{Server, command, wait_until},
};

#[test]
fn signals_without_a_meaning_are_logged_and_streams_stay_open() {
    let mut server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    for signal in [
        "USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "XFSZ", "STKFLT", "RTMIN", "RTMIN+1",
        "RTMIN+2", "RTMIN+7", "RTMIN+24", "RTMIN+30",
    ] {
        server.signal(&format!("-{signal}"));
        server.wait_for_log(&format!("ignored SIG{signal}"));
    }
    server.signal("-HUP");
    server.wait_for_log("there is no configuration file and no key file to read again");
    server.publish("default", "still there");
    assert_eq!(stream.event().unwrap().data, "still there");
}

#[test]
fn every_signal_that_ends_the_server_drains_it_and_is_logged() {
    for signal in [
        "TERM", "INT", "QUIT", "PWR", "XCPU", "RTMIN+3", "RTMIN+4", "RTMIN+6",
    ] {
        let mut server = Server::start(&["--drain-time", "50ms"]);
        let mut stream = server.subscribe("/events");
        stream.until("connected");
        server.signal(&format!("-{signal}"));
        stream.drain_to_farewell();
        assert!(stream.retry.is_some(), "{signal}");
        server.wait_for_log(&format!("received SIG{signal}"));
        assert!(server.wait().success(), "{signal}");
        server.wait_for_log("draining 1 stream");
    }
}

/// A server whose standard input is this terminal.
fn in_terminal(terminal: &str) -> Server {
    let slave = OpenOptions::new()
        .read(true)
        .write(true)
        .open(terminal)
        .unwrap();
    // Server::spawn gives its command no input.
    let mut shell = Command::new("sh");
    let binary = command(&["--listen", "127.0.0.1:0"]);
    shell.args(["-c", "exec \"$0\" \"$@\" < \"$TERMINAL\""]);
    shell.arg(binary.get_program()).args(binary.get_args());
    shell.env("TERMINAL", terminal);
    let server = Server::spawn(shell);
    drop(slave);
    server
}

#[test]
fn a_terminal_that_is_closed_ends_the_server_in_order() {
    let terminal = Terminal::open();
    let mut server = in_terminal(&terminal.name);
    server.signal("-HUP");
    server.wait_for_log("no key file to read again");
    drop(terminal);
    // The kernel sends it to those that the terminal controls. A process that another test has forked, and that has
    // not come to its program yet, may hold the terminal open for a moment.
    wait_until("the terminal was closed", || {
        server.signal("-HUP");
        server.log().contains("the terminal was closed")
    });
    assert!(server.wait().success());
}
