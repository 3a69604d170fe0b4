//! Random requests, well-formed and broken: none may harm the server, or another client's stream.

mod requests;

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    thread,
};

use fastrand::Rng;

use crate::support::{Server, wait_until};
use requests::{ADMIN_KEY, Request, requests};

const REQUESTS: u64 = 4_000;
const REQUESTS_VARIABLE: &str = "RANDOM_REQUESTS";
const CONNECTIONS_AT_ONCE: u64 = 8;
/// All that a server can serve.
const EVERYTHING: [&str; 12] = [
    "--allow-anonymous-publish",
    "--mercure",
    "--mercure-anonymous",
    "--mercure-subscriptions",
    "--mercure-publisher-key",
    ADMIN_KEY,
    "--mercure-subscriber-key",
    ADMIN_KEY,
    "--presence",
    "*",
    "--admin-key",
    ADMIN_KEY,
];
/// Another seed draws other requests; a failure names its own.
const SEED_VARIABLE: &str = "RANDOM_SEED";

/// The status of the response, if there is one.
fn exchange(server: &Server, request: &Request) -> Option<u16> {
    let mut socket = server.connect();
    // It may have been refused, and the connection closed, before all was written.
    let _ = socket.write_all(&request.bytes);
    if !request.complete {
        let _ = socket.shutdown(Shutdown::Write);
    }
    status(&mut socket)
}

/// Of the first response that is final; a stream is not read on.
fn status(socket: &mut TcpStream) -> Option<u16> {
    let (mut response, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&response);
        let mut heads = text
            .split_inclusive("\r\n\r\n")
            .filter(|head| head.ends_with("\r\n\r\n"));
        if let Some(head) = heads.find(|head| !head.starts_with("HTTP/1.1 100")) {
            return head.split(' ').nth(1)?.parse().ok();
        }
        match socket.read(&mut part) {
            Ok(0) => return None,
            Ok(read) => response.extend(&part[..read]),
            Err(error) => {
                let timed_out = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut];
                assert!(!timed_out.contains(&error.kind()), "no response came");
                return None;
            }
        }
    }
}

/// The number that this variable has.
fn number_of(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

fn check_some(server: &Server, seed: u64, requests_to_send: u64) {
    let mut rng = Rng::with_seed(seed);
    for _ in 0..requests_to_send {
        let request = requests(&mut rng);
        let shown = || String::from_utf8_lossy(&request.bytes).into_owned();
        match exchange(server, &request) {
            Some(status) => {
                assert!(
                    (200..500).contains(&status),
                    "seed {seed}: {status} for {}",
                    shown()
                );
            }
            None => assert!(!request.complete, "seed {seed}: no response to {}", shown()),
        }
    }
}

#[test]
fn random_requests_cause_no_5xx_no_panic_and_no_cut_stream() {
    let seed = number_of(SEED_VARIABLE).unwrap_or(7);
    let each = number_of(REQUESTS_VARIABLE).unwrap_or(REQUESTS) / CONNECTIONS_AT_ONCE;
    let settings: [&[&str]; 3] = [
        &["--allow-anonymous-publish"],
        &["--no-get-publish"],
        &EVERYTHING,
    ];
    for settings in settings {
        let mut server = Server::start(&[settings, &["--log", "debug"]].concat());
        let mut stream = server.subscribe("/events?topic=*");
        stream.until("connected");
        thread::scope(|scope| {
            for index in 0..CONNECTIONS_AT_ONCE {
                let server = &server;
                scope.spawn(move || check_some(server, seed * 1_000 + index, each));
            }
        });
        assert_eq!(server.get("/health/live").status, 200);
        server.publish("default", "the last one");
        assert_is_in_order(&stream.text_until("data: the last one\n"));
        wait_until("those that are gone are forgotten", || {
            server.metric("subscribers") == 1
        });
        let log = server.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// Nothing but fields on the wire, and positions that increase.
fn assert_is_in_order(text: &str) {
    let fields = ["id: ", "event: ", "data: ", "retry: ", ": ping"];
    let mut last = (0, 0);
    for line in text.split('\n').filter(|line| !line.is_empty()) {
        assert!(
            fields.iter().any(|field| line.starts_with(field)),
            "{line:?}"
        );
        assert!(
            !line.contains(['\r', '\0']) || line.starts_with("data: "),
            "{line:?}"
        );
        if let Some((ms, seq)) = line.strip_prefix("id: ").and_then(|id| id.split_once('-')) {
            let id: (u64, u64) = (ms.parse().unwrap(), seq.parse().unwrap());
            assert!(id > last, "{id:?} after {last:?}");
            last = id;
        }
    }
}
