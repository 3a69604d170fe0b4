//! Streams of `dcz`, which refer to a dictionary that the browser has (RFC 9842).

use std::io::{Read as _, Write as _};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::support::{Response, Server, tokens::SECRET, wait_until};

const CURRENT: &str = "/dictionaries/current";
/// A dictionary is made of so many events at least.
const SAMPLES: usize = 16;
/// The magic number of the head, and the length of the hash.
const HEAD: [u8; 8] = [0x5E, 0x2A, 0x4D, 0x18, 0x20, 0, 0, 0];

/// An event of 150 bytes.
fn price(n: usize) -> String {
    json!({
        "symbol": format!("SHARE{}", n % 7), "price": 100 + n, "change": n * 3, "volume": 7_919 * n,
        "time": format!("2026-01-31T12:00:{}.123Z", 10 + n % 50), "currency": "EUR", "market": "XETRA",
    })
    .to_string()
}

fn publish_samples(server: &Server) {
    server.publish_all("prices", (0..SAMPLES).map(price));
}

/// The newest dictionary, once there is one.
fn dictionary(server: &Server) -> Response {
    wait_until("there is a dictionary", || {
        server.get(CURRENT).status == 200
    });
    server.get(CURRENT)
}

/// The lasting address of a dictionary, as pages and scripts announce it.
fn announced(server: &Server) -> String {
    let script = server.get("/client.js");
    let link = script.header("link").expect("an announcement");
    let (address, _) = link.split_once('>').expect("an address");
    format!("/{}", address.trim_start_matches('<'))
}

/// Decodes what arrives.
struct Dcz {
    socket: std::net::TcpStream,
    received: Vec<u8>,
    dictionary: Vec<u8>,
}

impl Dcz {
    fn open(server: &Server, dictionary: &[u8], hash: &[u8]) -> Self {
        let mut socket = server.connect();
        let hash = BASE64_STANDARD.encode(hash);
        write!(
            socket,
            "GET /events?topic=prices HTTP/1.0\r\nHost: localhost\r\nAccept-Encoding: gzip, dcz\r\n\
             Available-Dictionary: :{hash}:\r\n\r\n"
        )
        .unwrap();
        Self {
            socket,
            received: Vec::new(),
            dictionary: dictionary.to_vec(),
        }
    }

    fn until(&mut self, is_there: impl Fn(&[u8], &Self) -> bool) {
        let mut part = vec![0; 64 << 10];
        while !is_there(&self.received, self) {
            let read = self.socket.read(&mut part).unwrap();
            assert_ne!(read, 0, "the stream ended");
            self.received.extend_from_slice(&part[..read]);
        }
    }

    /// The head of the response.
    fn head(&mut self) -> String {
        let end = |received: &[u8]| received.windows(4).position(|four| four == b"\r\n\r\n");
        self.until(|received, _| end(received).is_some());
        let body = self.received.split_off(end(&self.received).unwrap() + 4);
        let head = std::mem::replace(&mut self.received, body);
        String::from_utf8(head).unwrap()
    }

    /// The text of the whole frames that have arrived.
    fn text(&self) -> String {
        let frames = &self.received[HEAD.len() + 32..];
        let mut text = Vec::new();
        let decoder = zstd::stream::read::Decoder::with_dictionary(frames, &self.dictionary);
        // The last frame may be incomplete.
        let _ = decoder.unwrap().read_to_end(&mut text);
        String::from_utf8(text).unwrap()
    }

    fn text_until(&mut self, end: &str) {
        self.until(|received, this| received.len() > HEAD.len() + 32 && this.text().contains(end));
    }
}

#[test]
fn short_events_take_a_third_of_their_bytes_with_a_dictionary() {
    let server = Server::start(&["--max-event-bytes", "2MiB"]);
    publish_samples(&server);
    let dictionary = dictionary(&server);
    assert_eq!(
        dictionary.header("use-as-dictionary"),
        Some("match=\"/events*\"")
    );
    assert_eq!(dictionary.header("access-control-allow-origin"), Some("*"));
    assert!(dictionary.body.len() <= 64 << 10);
    let hash = ring::digest::digest(&ring::digest::SHA256, &dictionary.body);
    let mut stream = Dcz::open(&server, &dictionary.body, hash.as_ref());
    let head = stream.head();
    assert!(head.contains("content-encoding: dcz\r\n"), "{head}");
    assert!(
        head.contains("vary: Accept-Encoding, Available-Dictionary\r\n"),
        "{head}"
    );
    stream.text_until("event: connected");
    assert_eq!(stream.received[..8], HEAD);
    assert_eq!(stream.received[8..40], *hash.as_ref());
    let (mut sent, mut text) = (0, 0);
    // Their ids and numbers have more or less in common with those of the dictionary.
    for n in 60..80 {
        let before = stream.received.len();
        let id = server.publish("prices", &price(n));
        stream.text_until(&format!("id: {id}\n\n"));
        let event = format!("data: {}\nid: {id}\n\n", price(n));
        assert!(stream.text().ends_with(&event));
        sent += stream.received.len() - before;
        text += event.len();
    }
    assert!(sent * 3 <= text, "{sent} of {text}");
    // Longer than a frame, and nothing that a dictionary knows.
    let noise: String = (0..1_500_000).map(|_| fastrand::alphanumeric()).collect();
    for data in ["x".to_owned(), noise] {
        let id = server.publish("prices", &data);
        stream.text_until(&format!("data: {data}\nid: {id}\n\n"));
    }
}

#[test]
fn a_client_with_a_dictionary_that_is_not_offered_gets_gzip() {
    let server = Server::start(&[]);
    publish_samples(&server);
    let dictionary = dictionary(&server);
    let mut stream = Dcz::open(&server, &dictionary.body, &[7; 32]);
    assert!(stream.head().contains("content-encoding: gzip\r\n"));
    let missing = server.get(&format!("/dictionaries/{}", "0".repeat(64)));
    assert_eq!((missing.status, &*missing.code()), (404, "not_found"));
}

#[test]
fn a_dictionary_has_a_lasting_address_and_survives_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let args = ["--data-dir", directory.path().to_str().unwrap()];
    let server = Server::start(&args);
    assert_eq!(server.get(CURRENT).status, 404);
    publish_samples(&server);
    let before = dictionary(&server);
    let address = announced(&server);
    let lasting = server.get(&address);
    assert_eq!(lasting.body, before.body);
    assert!(
        lasting
            .header("cache-control")
            .unwrap()
            .contains("immutable")
    );
    let of_signals = server.get(&format!("{address}?for=signals"));
    assert_eq!(
        of_signals.header("use-as-dictionary"),
        Some("match=\"/signals*\"")
    );
    server.signal("-KILL");
    drop(server);
    let server = Server::start(&args);
    assert_eq!(dictionary(&server).body, before.body);
}

#[test]
fn a_dictionary_holds_nothing_that_needs_a_grant() {
    let key = &["--token-key", SECRET, "--allow-anonymous-publish"];
    let server = Server::start(
        &[
            &[
                "--subscribe-access",
                "private-events",
                "--protected-topic",
                "staff",
            ][..],
            key,
        ]
        .concat(),
    );
    let event = |topic: &str, data: String, private| json!({ "topic": topic, "data": data, "private": private });
    let events: Vec<_> = (0..SAMPLES)
        .flat_map(|n| {
            [
                event("prices", price(n), false),
                event("prices", format!("a private secret, number {n}"), true),
                event("staff", format!("a protected secret, number {n}"), false),
            ]
        })
        .collect();
    let body = serde_json::to_string(&events).unwrap();
    assert_eq!(
        server.post("/events", "application/json", &body).status,
        200
    );
    let text = dictionary(&server).text();
    assert!(text.contains("SHARE") && !text.contains("secret"), "{text}");

    let closed = Server::start(&[&["--subscribe-access", "closed"][..], key].concat());
    publish_samples(&closed);
    for _ in 0..3 {
        assert_eq!(closed.get(CURRENT).status, 404);
        std::thread::sleep(std::time::Duration::from_millis(400));
    }
}

#[test]
fn a_dictionary_with_text_of_erased_events_is_not_offered_any_more() {
    let server = Server::start(&[]);
    publish_samples(&server);
    let before = dictionary(&server);
    assert!(before.text().contains("SHARE"));
    let address = announced(&server);
    let erased = server.request("DELETE /topics/prices HTTP/1.1", b"");
    assert_eq!(erased.status, 200, "{erased:?}");
    wait_until("it is withdrawn", || server.get(&address).status == 404);
    assert_eq!(server.get(CURRENT).status, 404);
    server.publish_all(
        "weather",
        (0..SAMPLES).map(|n| format!("{n} degrees and a light breeze")),
    );
    let text = dictionary(&server).text();
    assert!(
        text.contains("degrees") && !text.contains("SHARE"),
        "{text}"
    );
}

#[test]
fn without_compression_there_are_no_dictionaries() {
    let server = Server::start(&["--compress", "off"]);
    assert_eq!(server.get(CURRENT).status, 404);
    let script = server.get("/client.js");
    assert_eq!(script.header("link"), None);
    assert!(
        !script.text().contains("dictionaries/"),
        "nothing is fetched"
    );
}

#[test]
fn the_script_for_browsers_has_the_page_fetch_the_dictionary_and_is_another_one_with_each() {
    let server = Server::start(&[]);
    let before = server.get("/client.js");
    publish_samples(&server);
    dictionary(&server);
    let address = announced(&server);
    let script = server.get("/client.js");
    assert!(script.body.starts_with(&before.body));
    assert!(script.text().contains(address.trim_start_matches('/')));
    assert_ne!(script.header("etag"), before.header("etag"));
}
