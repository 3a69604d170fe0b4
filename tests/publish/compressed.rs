//! Request bodies that are compressed (`Content-Encoding`).

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use crate::support::{Response, Server};

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(text, 3).unwrap()
}

fn post(server: &Server, coding: &str, kind: &str, body: &[u8]) -> Response {
    let head = format!("POST /events HTTP/1.1\nContent-Type: {kind}\nContent-Encoding: {coding}");
    server.request(&head, body)
}

#[test]
fn every_kind_of_body_may_be_compressed() {
    let server = Server::start(&["--max-event-bytes", "300KiB"]);
    let mut stream = server.subscribe("/events?topic=*");
    let long = "x".repeat(200_000);
    for compress in [gzip, zstd] {
        let coding = if compress(b"")[0] == 0x1F {
            "gzip"
        } else {
            "zstd"
        };
        let json = format!(r#"[{{"topic":"a","data":"{long}"}},{{"data":"two"}}]"#);
        let two_parts = [compress(b"first "), compress(b"second")].concat();
        for (kind, body, data) in [
            (JSON, compress(json.as_bytes()), vec![&*long, "two"]),
            (
                LINES,
                compress(b"{\"data\":1}\n{\"data\":2}\n"),
                vec!["1", "2"],
            ),
            ("text/plain", compress(b"text"), vec!["text"]),
            ("text/plain", two_parts, vec!["first second"]),
            (
                "application/x-www-form-urlencoded",
                compress(b"data=form"),
                vec!["form"],
            ),
        ] {
            let response = post(&server, coding, kind, &body);
            assert_eq!(response.status, 200, "{coding} {kind} {response:?}");
            assert_eq!(stream.data(data.len()), data);
        }
    }
    let signal = "PUT /signals/a HTTP/1.1\nContent-Type: application/json\nContent-Encoding: GZIP";
    assert_eq!(server.request(signal, &gzip(b"{}")).status, 201);
}

#[test]
fn the_bound_of_a_body_is_that_of_its_text() {
    let server = Server::start(&["--max-event-bytes", "64KiB"]);
    for compress in [gzip, zstd] {
        let coding = if compress(b"")[0] == 0x1F {
            "gzip"
        } else {
            "zstd"
        };
        let bomb = compress(&vec![b'a'; 100 << 20]);
        assert!(bomb.len() < 1 << 20);
        for kind in ["text/plain", JSON, LINES] {
            let response = post(&server, coding, kind, &bomb);
            assert_eq!(
                (response.status, &*response.code()),
                (413, "too_large"),
                "{coding} {kind}"
            );
        }
        let fits = compress(&vec![b'a'; 64 << 10]);
        assert_eq!(post(&server, coding, "text/plain", &fits).status, 200);
    }
    assert_eq!(server.metric("upload_buffer_bytes"), 0);
}

#[test]
fn a_body_that_cannot_be_decompressed_is_refused_and_says_what_would_be_right() {
    let server = Server::start(&[]);
    let whole = gzip(b"some text that is long enough");
    for (coding, body, status, code, detail) in [
        (
            "gzip",
            &b"not gzip"[..],
            400,
            "invalid_compression",
            "not of the coding",
        ),
        (
            "zstd",
            &whole,
            400,
            "invalid_compression",
            "not of the coding",
        ),
        (
            "gzip",
            &whole[..whole.len() - 9],
            400,
            "incomplete_body",
            "before it was complete",
        ),
        (
            "gzip",
            b"",
            400,
            "incomplete_body",
            "before it was complete",
        ),
        ("br", &whole, 415, "unsupported_media_type", "gzip, zstd"),
        (
            "gzip, gzip",
            &whole,
            415,
            "unsupported_media_type",
            "gzip, zstd",
        ),
    ] {
        let response = post(&server, coding, "text/plain", body);
        assert_eq!(
            (response.status, &*response.code()),
            (status, code),
            "{coding} {response:?}"
        );
        assert!(response.text().contains(detail), "{coding} {response:?}");
    }
    assert_eq!(
        post(&server, "identity", "text/plain", b"plain").status,
        200
    );
}

#[test]
fn compressed_lines_are_published_as_they_arrive() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let mut socket = server.connect();
    write!(
        socket,
        "POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: {LINES}\r\nContent-Encoding: gzip\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    )
    .unwrap();
    for n in 0..3 {
        writeln!(encoder, "{{\"data\":\"{n}\"}}").unwrap();
        encoder.flush().unwrap();
        let part = std::mem::take(encoder.get_mut());
        write!(socket, "{:x}\r\n", part.len()).unwrap();
        socket.write_all(&part).unwrap();
        socket.write_all(b"\r\n").unwrap();
        assert_eq!(stream.data(1), [n.to_string()]);
    }
    let end = encoder.finish().unwrap();
    write!(socket, "{:x}\r\n", end.len()).unwrap();
    socket.write_all(&end).unwrap();
    socket.write_all(b"\r\n0\r\n\r\n").unwrap();
    assert_eq!(Response::read(socket).json()["count"], 3);
}
