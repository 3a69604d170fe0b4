//! Webhooks: what the application receives, and that a slow one holds up nothing.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Instant,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{open, start, wait_for};
use crate::support::{PATIENCE, Server};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A server that tells the application at this address.
fn telling(application: SocketAddr) -> (Server, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("webhook-secret");
    fs::write(&file, SECRET).unwrap();
    let url = format!("http://{application}/hook");
    let settings = [
        "--presence-grace",
        "300ms",
        "--webhook-url",
        &url,
        "--webhook-secret-file",
        file.to_str().unwrap(),
    ];
    (start(&settings), directory)
}

/// An application that answers the requests with these statuses, then with 204, and hands over the bodies.
fn application(statuses: &'static [u16]) -> (SocketAddr, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, bodies) = mpsc::channel();
    std::thread::spawn(move || {
        let mut statuses = statuses.iter().copied();
        'connections: for socket in listener.incoming() {
            let mut reader = BufReader::new(socket.unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 {
                    // On a busy machine the server has given up before it sent anything.
                    continue 'connections;
                }
                let line = line.trim_end().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let status = statuses.next().unwrap_or(204);
            let response =
                format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            reader.get_mut().write_all(response.as_bytes()).unwrap();
            if sender.send(serde_json::from_slice(&body).unwrap()).is_err() {
                return;
            }
        }
    });
    (address, bodies)
}

/// The next events, up to one of this type.
fn until(bodies: &mpsc::Receiver<Value>, last: &str) -> Vec<Value> {
    let mut events = Vec::new();
    while events
        .last()
        .is_none_or(|event: &Value| event["type"] != last)
    {
        let body = bodies.recv_timeout(PATIENCE);
        let body = body.unwrap_or_else(|_| panic!("no {last} follows {events:?}"));
        events.extend(body.as_array().unwrap().iter().cloned());
    }
    events
}

fn types(events: &[Value]) -> Vec<&str> {
    let types = events.iter().map(|event| event["type"].as_str().unwrap());
    types.collect()
}

#[test]
fn the_application_is_told_who_connects_joins_and_leaves_and_again_if_it_did_not_accept() {
    let (address, bodies) = application(&[500, 404]);
    let (server, _directory) = telling(address);
    let tab = open(&server, "/events?topic=room&topic=other", "anna");
    let refused = [(); 2].map(|()| bodies.recv_timeout(PATIENCE).unwrap());
    assert_eq!(refused[0], refused[1]);
    let events = until(&bodies, "join");
    assert_eq!(types(&events), ["connected", "first_subscriber", "join"]);
    assert_eq!(events, *refused[0].as_array().unwrap());
    assert_eq!(events[0]["topics"], serde_json::json!(["room"]));
    assert_eq!(events[2]["topic"], "room");
    assert_eq!(events[2]["users"], 1);
    assert_eq!(events[2]["data"]["name"], "ANNA");
    let anonymous = open(&server, "/events?topic=room", "");
    drop(tab);
    let events = until(&bodies, "leave");
    assert_eq!(types(&events), ["connected", "disconnected", "leave"]);
    assert!(events[0].get("user").is_none());
    drop(anonymous);
    let events = until(&bodies, "last_subscriber");
    assert_eq!(types(&events), ["disconnected", "last_subscriber"]);
    assert_eq!(server.metric("webhook_failures_total"), 2);
    let deadline = Instant::now() + PATIENCE;
    while server.metric("webhook_events_total") < 8 {
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn an_application_that_never_answers_holds_up_neither_streams_nor_publishes() {
    // It accepts connections, and reads nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut server, _directory) = telling(listener.local_addr().unwrap());
    for number in 0..50 {
        let mut stream = open(&server, "/events?topic=room", &number.to_string());
        stream.until("connected");
        let head = format!("POST /events?topic=room HTTP/1.1\n{}", publisher());
        assert_eq!(server.request(&head, b"hello").status, 200);
        assert_eq!(stream.event().unwrap().data, "hello");
    }
    wait_for(&server, "room", 0, 0);
    // On a slow machine the first of them are given up meanwhile.
    let dropped = server.metric("webhook_dropped_total");
    assert!(server.metric("webhook_queue") + dropped >= 150);
    server.signal("-INT");
    assert!(server.wait().success());
}

fn publisher() -> String {
    use crate::support::tokens::{bearer, token};
    bearer(&token(&serde_json::json!({ "sse": { "publish": ["*"] } })))
}

#[test]
fn webhooks_without_a_secret_and_secrets_that_are_too_short_are_refused_at_start() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    fs::write(&file, "too-short").unwrap();
    let file = file.to_str().unwrap();
    let url = ["--presence", "room", "--webhook-url", "http://127.0.0.1:1/"];
    for (more, why) in [
        (&[][..], "--webhook-secret-file"),
        (
            &["--webhook-secret-file", file][..],
            "at least 16 bytes are needed; \"openssl rand -hex 32\" makes one",
        ),
    ] {
        let mut command = crate::support::command(&["--listen", "127.0.0.1:0"]);
        command.args(url).args(more);
        let Err(refused) = Server::try_spawn(command) else {
            panic!("it starts with {more:?}");
        };
        assert!(refused.contains(why), "{refused}");
    }
}

/// The receiver of the manual.
struct Receiver(Child);

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_receiver_of_the_manual_verifies_what_it_is_sent_and_refuses_all_else() {
    let manual = include_str!("../../docs/presence.md");
    let (_, rest) = manual.split_once("```python\n").unwrap();
    let (program, _) = rest.split_once("```").unwrap();
    let (program, last) = program.trim_end().rsplit_once('\n').unwrap();
    assert!(last.contains("9000") && last.contains("serve_forever"));
    let program = format!(
        "{program}\nserver = HTTPServer((\"127.0.0.1\", 0), Receiver)\nprint(server.server_port, flush=True)\n\
         server.serve_forever()\n"
    );
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("webhook-secret"), SECRET).unwrap();
    let mut python = Command::new("python3");
    python.args(["-c", &program]).current_dir(directory.path());
    let python = python.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut receiver = Receiver(python.spawn().unwrap());
    let mut lines = BufReader::new(receiver.0.stdout.take().unwrap()).lines();
    let mut line = || lines.next().unwrap().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], line().parse().unwrap()));

    let forged = "POST / HTTP/1.1\r\nHost: localhost\r\nwebhook-id: msg_1\r\nwebhook-timestamp: TIME\r\n\
                  webhook-signature: v1,AAAA\r\ncontent-length: 2\r\n\r\n[]";
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs();
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let forged = forged.replace("TIME", &now.to_string());
    socket.write_all(forged.as_bytes()).unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).unwrap();
    assert!(response.contains(" 401 "), "{response}");

    let (server, _directory) = telling(address);
    drop(open(&server, "/events?topic=rooms/7", "anna"));
    let told = [(); 6].map(|()| line());
    for expected in [
        "connected None anna",
        "disconnected None anna",
        "first_subscriber rooms/7 None",
        "join rooms/7 anna",
        "leave rooms/7 anna",
        "last_subscriber rooms/7 None",
    ] {
        assert!(told.iter().any(|told| told == expected), "{told:?}");
    }
    // Refusals of its own would show as failures.
    assert_eq!(server.metric("webhook_failures_total"), 0);
}
