//! Frames that no regular client sends.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tungstenite::Message;

use crate::{
    support::socket::{End, Socket},
    support::{Server, wait_until},
};

const PROTOCOL: u16 = 1002;
const UNSUPPORTED: u16 = 1003;
const INVALID: u16 = 1007;
const TOO_BIG: u16 = 1009;
const MASK: [u8; 4] = [1, 2, 3, 4];

/// A frame, masked as a client's has to be.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let head = match payload.len() {
        length @ 0..=125 => vec![first, 0x80 | u8::try_from(length).unwrap()],
        length => {
            let length = u16::try_from(length).unwrap().to_be_bytes();
            [&[first, 0xFE][..], &length].concat()
        }
    };
    let masked = payload
        .iter()
        .zip(MASK.iter().cycle())
        .map(|(byte, mask)| byte ^ mask);
    [head, MASK.to_vec(), masked.collect()].concat()
}

#[test]
fn invalid_frames_are_closed_with_the_reason_and_harm_nothing() {
    let server = Server::start(&[]);
    let mut healthy = Socket::open(&server, "/ws?topic=a");
    healthy.until("connected");
    let cases = [
        ("an unmasked frame", b"\x81\x02hi".to_vec(), PROTOCOL),
        ("a reserved bit", frame(0xC1, b"hi"), PROTOCOL),
        ("an unknown opcode", frame(0x83, b"hi"), PROTOCOL),
        ("an unknown control frame", frame(0x8B, b""), PROTOCOL),
        ("a long ping", frame(0x89, &[0; 126]), PROTOCOL),
        ("a ping in parts", frame(0x09, b""), PROTOCOL),
        ("a part of nothing", frame(0x80, b"x"), PROTOCOL),
        (
            "a message within a message",
            [frame(0x01, b"a"), frame(0x81, b"b")].concat(),
            PROTOCOL,
        ),
        ("half of a close code", frame(0x88, b"\x03"), PROTOCOL),
        (
            "a close code that is none",
            frame(0x88, b"\x03\xed"),
            PROTOCOL,
        ),
        (
            "a close reason that is no text",
            frame(0x88, b"\x03\xe8\xff"),
            PROTOCOL,
        ),
        ("text that is none", frame(0x81, b"\xff\xfe"), INVALID),
        (
            "text that is none, in parts",
            [frame(0x01, b"\xc3"), frame(0x80, b"\x28")].concat(),
            INVALID,
        ),
        ("bytes", frame(0x82, b"{}"), UNSUPPORTED),
        ("bytes in parts", frame(0x02, b"{}"), UNSUPPORTED),
        (
            "an endless frame",
            [&[0x81, 0xFF, 0x7F][..], &[0xFF; 7], &MASK].concat(),
            TOO_BIG,
        ),
        (
            "an impossible frame",
            [&[0x81, 0xFF][..], &[0xFF; 8], &MASK].concat(),
            TOO_BIG,
        ),
        (
            "no WebSocket at all",
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
            PROTOCOL,
        ),
    ];
    let refused = |(what, bytes, code): &(&str, Vec<u8>, u16)| {
        let mut socket = Socket::open(&server, "/ws?topic=none");
        socket.until("connected");
        socket.send_raw(bytes);
        let end = socket.end();
        assert_eq!(end.code(), Some(*code), "{what}: {end:?}");
        assert!(
            matches!(end, End::Close(_, reason) if !reason.is_empty()),
            "{what}"
        );
        assert!(socket.is_gone(), "{what}");
    };
    thread::scope(|scope| {
        for case in &cases {
            scope.spawn(|| refused(case));
        }
    });
    wait_until("they are gone", || server.metric("subscribers") == 1);
    server.publish("a", "on");
    assert_eq!(healthy.data(1), ["on"]);
}

#[test]
fn random_bytes_after_a_handshake_harm_nothing() {
    let mut server = Server::start(&[]);
    let mut healthy = Socket::open(&server, "/ws?topic=a");
    healthy.until("connected");
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for round in 0..200 {
        let bytes: Vec<u8> = (0..round)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[0]
            })
            .collect();
        let mut socket = Socket::open(&server, "/ws?topic=none");
        socket.send_raw(&bytes);
        socket
            .connection()
            .shutdown(std::net::Shutdown::Write)
            .unwrap();
        socket.end();
    }
    wait_until("they are gone", || server.metric("subscribers") == 1);
    server.publish("a", "on");
    assert_eq!(healthy.data(1), ["on"]);
    assert!(!server.log().contains("panicked"));
}

#[test]
fn a_message_may_come_in_parts_with_others_between_them() {
    let server = Server::start(&[]);
    let mut socket = Socket::open(&server, "/ws?topic=none");
    socket.until("connected");
    let text = json!({ "data": "é", "ref": "r" }).to_string();
    let (a, b) = text.as_bytes().split_at(10);
    let parts = [
        frame(0x01, a),
        frame(0x89, b"between"),
        frame(0x00, b""),
        frame(0x80, b),
    ];
    for byte in parts.concat() {
        socket.send_raw(&[byte]);
    }
    let response = socket.next();
    assert_eq!(
        (&response["type"], &response["ref"]),
        (&json!("published"), &json!("r"))
    );
    // By a byte each, also within a character.
    for (at, byte) in text.as_bytes().iter().enumerate() {
        let first_of_text = u8::from(at == 0);
        socket.send_raw(&frame(first_of_text, &[*byte]));
    }
    socket.send_raw(&frame(0x80, b""));
    assert_eq!(socket.next()["type"], "published");
}

#[test]
fn a_pong_has_the_payload_of_its_ping() {
    let server = Server::start(&[]);
    let mut socket = Socket::open(&server, "/ws");
    socket.until("connected");
    for payload in [&b""[..], b"hello", &[0xFF; 125]] {
        socket.send_raw(&frame(0x89, payload));
        let length = u8::try_from(payload.len()).unwrap();
        let mut pong = vec![0; 2 + payload.len()];
        std::io::Read::read_exact(socket.connection(), &mut pong).unwrap();
        assert_eq!(pong, [&[0x8A, length], payload].concat());
    }
}

#[test]
fn a_close_of_the_client_is_echoed_with_its_code() {
    let server = Server::start(&[]);
    let mut socket = Socket::open(&server, "/ws");
    socket.until("connected");
    let began = Instant::now();
    let reason = [&4321_u16.to_be_bytes()[..], b"bye"].concat();
    socket.send_raw(&frame(0x88, &reason));
    assert_eq!(socket.end(), End::Close(4321, "bye".to_owned()));
    assert!(socket.is_gone());
    // A browser tells its page only then. Those who are refused are waited for as long as this.
    assert!(began.elapsed() < Duration::from_secs(2));
    let mut socket = Socket::open(&server, "/ws");
    socket.send(Message::Close(None));
    assert_eq!(socket.end(), End::Bare);
    wait_until("both are gone", || server.metric("subscribers") == 0);
    assert_eq!(server.ended("gone"), 2);
}

#[test]
fn a_client_that_disconnects_is_noticed_at_once() {
    let server = Server::start(&["--ping-interval", "1h"]);
    let sockets: Vec<_> = (0..3)
        .map(|_| {
            let mut socket = Socket::open(&server, "/ws");
            socket.until("connected");
            socket
        })
        .collect();
    assert_eq!(server.metric("subscribers"), 3);
    let mut sockets = sockets.into_iter();
    drop(sockets.next());
    let mut half = sockets.next().unwrap();
    half.connection()
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    let mut reset = sockets.next().unwrap();
    let linger = Some(Duration::ZERO);
    socket2::SockRef::from(&*reset.connection())
        .set_linger(linger)
        .unwrap();
    drop(reset);
    wait_until("all are gone", || server.metric("subscribers") == 0);
    assert_eq!(server.ended("gone"), 3);
}
