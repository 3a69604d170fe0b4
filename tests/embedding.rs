//! The embedding examples, over real sockets.

use std::{
    io::Write as _,
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{End, Server};

/// Far above what an end takes here, and half of what actix itself waits for open connections.
const PROMPT: Duration = Duration::from_secs(15);

/// With a stream that is read, one that is not, and a request that is not whole.
fn ends_promptly(name: &str, stream: (&str, &str), say: &str) {
    for signal in ["-TERM", "-INT"] {
        let mut server = Server::example(name);
        let mut open = server.subscribe_with(stream.0, stream.1);
        open.until("connected");
        let mut unread = server.subscribe_with(stream.0, stream.1);
        unread.until("connected");
        // More than the sockets between here and there hold.
        let large = "x".repeat(250_000);
        for _ in 0..44 {
            assert_eq!(server.post(say, "text/plain", &large).status, 200);
            assert_eq!(open.data(1)[0].len(), large.len());
        }
        let mut unfinished = TcpStream::connect(server.address).unwrap();
        unfinished
            .write_all(b"GET /half HTTP/1.1\r\nHost:")
            .unwrap();
        let begun = Instant::now();
        server.signal(signal);
        open.drain_to_farewell();
        assert_eq!(open.end, Some(End::Cut), "{name} {signal}");
        assert!(
            open.retry
                .is_some_and(|retry| (500..1_000).contains(&retry)),
            "{name} {signal}"
        );
        assert!(server.wait().success(), "{name} {signal}");
        let took = begun.elapsed();
        assert!(took < PROMPT, "{name} {signal} took {took:?}");
        drop((unread, unfinished));
    }
}

#[test]
fn the_embed_example_drains_and_ends_at_sigterm_and_sigint_whatever_its_clients_do() {
    let stream = ("/live/events", "X-Token: reader");
    ends_promptly("embed", stream, "/say");
}

#[test]
fn the_axum_example_drains_and_ends_at_sigterm_and_sigint_whatever_its_clients_do() {
    ends_promptly("axum", ("/rooms/hall", ""), "/rooms/hall");
}
