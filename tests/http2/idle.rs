use super::{
    Client,
    raw::{GOAWAY, PING, RST_STREAM, Raw},
    run, start,
};
use crate::support::{Server, wait_until};

#[test]
fn a_connection_without_requests_is_closed_after_the_time_for_which_it_is_kept() {
    let server = start(&["--keep-alive", "200ms"]);
    let mut raw = Raw::open(&server);
    assert_eq!(raw.until(GOAWAY).code(), 0);
    assert!(raw.next().is_err(), "it is closed");
}

#[test]
fn a_connection_with_a_stream_is_kept_however_long_nothing_happens() {
    let mut server = start(&[
        "--keep-alive",
        "200ms",
        "--stall-timeout",
        "1s",
        "--log",
        "debug",
    ]);
    run(async {
        let (client, mut stream) = loop {
            let client = Client::connect(&server).await;
            // On a busy machine it may have been idle for too long before its first request.
            if let Ok(stream) = client.try_stream("/events").await {
                break (client, stream);
            }
        };
        tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
        if let Err(error) = client.post("/events", "x").await {
            panic!("{error}, and the log is:\n{}", server.log());
        }
        stream.until("data: x\n").await;
    });
}

#[test]
fn a_client_that_responds_to_no_ping_is_closed_as_stalled() {
    let server = start(&["--stall-timeout", "100ms"]);
    let mut raw = Raw::open(&server);
    let request = super::raw::get("/events");
    let flags = super::raw::END_HEADERS | super::raw::END_STREAM;
    raw.send(&super::raw::frame(super::raw::HEADERS, flags, 1, &request))
        .unwrap();
    assert_eq!(raw.until(PING).flags, 0);
    while raw.next().is_ok_and(|frame| frame.kind != RST_STREAM) {}
    wait_until("it has ended", || server.ended("stalled") == 1);
}

#[test]
fn the_connection_idle_longest_makes_room_for_another() {
    let mut command = std::process::Command::new("sh");
    let program = env!("CARGO_BIN_EXE_sse-broadcaster");
    command.args(["-c", "ulimit -n 72; exec \"$0\" \"$@\"", program]);
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--workers",
        "1",
        "--http2-prior-knowledge",
    ]);
    let server = Server::spawn(command);
    let mut oldest = Raw::open(&server);
    oldest.until(super::raw::SETTINGS);
    let mut others = Vec::new();
    while !is_closed(&mut oldest) {
        let mut raw = Raw::open(&server);
        raw.until(super::raw::SETTINGS);
        others.push(raw);
        assert!(others.len() < 200, "more connections than files");
    }
}

fn is_closed(raw: &mut Raw) -> bool {
    raw.0.set_nonblocking(true).unwrap();
    let mut space = [0; 64];
    let read = std::io::Read::read(&mut raw.0, &mut space);
    matches!(read, Ok(read) if read == 0 || space[..read].windows(4).any(|bytes| bytes == [0, 8, GOAWAY, 0]))
}
