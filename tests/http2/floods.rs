//! Clients that have the server work for nothing. Each is closed, and meanwhile others are served.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use super::{
    raw::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS,
        LAST_INDEXED, PING, PRIORITY, RST_STREAM, Raw, SETTINGS, WINDOW_UPDATE, frame, get,
        indexed, post,
    },
    start,
};
use crate::support::{PATIENCE, Server, wait_until};

/// How many frames are sent at once.
const AT_ONCE: u32 = 100;
/// How much memory an attack may take.
const MEMORY: usize = 24 << 20;
/// How long the request of another client may take meanwhile, on a slow machine.
const OTHERS_WITHIN: Duration = PATIENCE;

/// Floods a connection with these frames, by their number; returns the code of its end.
fn flood(frames: impl Fn(u32) -> Vec<u8> + Sync) -> Option<u32> {
    let server = start(&["--workers", "1"]);
    let before = server.resident();
    let is_over = AtomicBool::new(false);
    let code = std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let begun = Instant::now();
                assert_eq!(server.get("/health/live").status, 200);
                assert!(begun.elapsed() < OTHERS_WITHIN, "{:?}", begun.elapsed());
            }
        });
        let many = |number: u32| {
            let all = (0..AT_ONCE).map(|index| frames(number * AT_ONCE + index));
            all.collect::<Vec<_>>().concat()
        };
        let code = Raw::open(&server).flood(many);
        is_over.store(true, Ordering::SeqCst);
        others.join().expect("others are served");
        code
    });
    let grown = server.resident().saturating_sub(before);
    assert!(grown < MEMORY, "{grown} bytes");
    assert_quiet(&server);
    code
}

/// Nothing is left that takes CPU.
fn assert_quiet(server: &Server) {
    wait_until("nothing takes CPU any more", || {
        let before = server.cpu_time();
        std::thread::sleep(Duration::from_millis(300));
        server.cpu_time().saturating_sub(before) < Duration::from_millis(100)
    });
}

fn stream(number: u32) -> u32 {
    2 * number + 1
}

#[test]
fn control_frames_without_requests_end_the_connection() {
    for (name, bytes) in [
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, b"")),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])),
        ("acknowledgement", frame(PING, ACK, 0, &[0; 8])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("unknown", frame(0xf7, 0, 0, b"")),
        ("ALTSVC", frame(0x0a, 0, 0, b"")),
        ("ORIGIN", frame(0x0c, 0, 0, b"")),
        ("long and unknown", frame(0xf7, 0, 0, &[0; 16 << 10])),
    ] {
        let code = flood(|_| bytes.clone());
        assert!(
            code.is_none_or(|code| code == ENHANCE_YOUR_CALM),
            "{name}: {code:?}"
        );
    }
}

#[test]
fn requests_that_are_reset_at_once_end_the_connection() {
    let code = flood(|number| {
        let request = frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            stream(number),
            &get("/events"),
        );
        let reset = frame(RST_STREAM, 0, stream(number), &[0, 0, 0, 8]);
        [request, reset].concat()
    });
    assert!(
        code.is_none_or(|code| code == ENHANCE_YOUR_CALM),
        "{code:?}"
    );
}

#[test]
fn requests_that_have_the_server_reset_them_end_the_connection() {
    let code = flood(|number| {
        let request = frame(HEADERS, END_HEADERS, stream(number), &post("/events"));
        let broken = frame(WINDOW_UPDATE, 0, stream(number), &[0, 0, 0, 0]);
        [request, broken].concat()
    });
    assert!(
        code.is_none_or(|code| code == ENHANCE_YOUR_CALM || code == 1),
        "{code:?}"
    );
}

#[test]
fn a_head_of_frames_without_end_ends_the_connection() {
    for content in [&b""[..], &[0x40, 1, b'x', 1, b'y'].repeat(3_000)] {
        let code = flood(|number| match number {
            0 => frame(HEADERS, END_STREAM, 1, &get("/events")),
            _ => frame(CONTINUATION, 0, 1, content),
        });
        assert!(
            code.is_none_or(|code| code == ENHANCE_YOUR_CALM || code == 1),
            "{code:?}"
        );
    }
}

#[test]
fn empty_frames_of_a_body_end_the_connection() {
    let code = flood(|number| match number {
        0 => frame(HEADERS, END_HEADERS, 1, &post("/events?topic=a")),
        _ => frame(DATA, 0, 1, b""),
    });
    assert!(
        code.is_none_or(|code| code == ENHANCE_YOUR_CALM),
        "{code:?}"
    );
}

#[test]
fn frames_of_a_body_that_nobody_reads_end_the_connection() {
    // Long enough that h2 does not count them, and padded so that they seem to have content.
    let long = frame(DATA, 0, 1, &[0; 300]);
    let padded = frame(DATA, 8, 1, &[0]);
    for data in [long, padded] {
        let code = flood(|number| match number {
            0 => frame(HEADERS, END_HEADERS, 1, &get("/events")),
            _ => data.clone(),
        });
        assert!(
            code.is_none_or(|code| code == ENHANCE_YOUR_CALM),
            "{code:?}"
        );
    }
}

#[test]
fn heads_that_are_too_large_end_the_connection_though_the_client_waits_for_each_response() {
    let server = start(&[]);
    let mut raw = Raw::open(&server);
    for number in 0..5_000 {
        // A header of 3,800 bytes enters HPACK's table, and each further head refers to it five times.
        let mut head = get("/health/live");
        if number == 0 {
            head.extend(indexed(3_800));
        } else {
            head.extend([LAST_INDEXED; 5]);
        }
        let head = frame(HEADERS, END_HEADERS | END_STREAM, stream(number), &head);
        let end = raw.send(&head).and_then(|()| {
            loop {
                let frame = raw.next()?;
                if [HEADERS, GOAWAY].contains(&frame.kind) {
                    return Ok(frame);
                }
            }
        });
        match end {
            Ok(frame) if frame.kind == HEADERS => {}
            Ok(frame) => return assert_eq!(frame.code(), ENHANCE_YOUR_CALM),
            Err(_) => return,
        }
    }
    panic!("it is not ended");
}

#[test]
fn others_are_served_soon_while_several_connections_flood_the_same_worker() {
    let server = start(&["--workers", "1"]);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                // Each connection that is closed is replaced by another.
                for _ in 0..1_000 {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    let unknown = frame(0xf7, 0, 0, &[0; 100]).repeat(AT_ONCE as usize);
                    Raw::open(&server).flood(|_| unknown.clone());
                }
            });
        }
        let begun = Instant::now();
        let all_are_served = (0..20).all(|_| server.get("/health/live").status == 200);
        is_over.store(true, Ordering::SeqCst);
        assert!(all_are_served && begun.elapsed() < PATIENCE);
    });
}

#[test]
fn requests_that_nobody_reads_the_responses_of_take_bounded_memory() {
    let server = start(&["--workers", "1"]);
    let before = server.resident();
    let mut raw = Raw::open(&server);
    // A window of 0 for each stream.
    raw.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]))
        .unwrap();
    for number in 0..5_000 {
        let request = frame(HEADERS, END_HEADERS | END_STREAM, stream(number), &get("/"));
        if raw.send(&request).is_err() {
            break;
        }
    }
    assert_eq!(server.get("/health/live").status, 200);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < MEMORY, "{grown} bytes");
}

#[test]
fn a_head_that_is_not_completed_in_time_ends_the_connection() {
    let server = start(&[]);
    let mut raw = Raw::open(&server);
    raw.send(&frame(HEADERS, END_STREAM, 1, &get("/events")))
        .unwrap();
    let begun = Instant::now();
    assert_eq!(raw.until(GOAWAY).code(), ENHANCE_YOUR_CALM);
    assert!(begun.elapsed() > Duration::from_secs(4));
}
