//! Live delivery while other clients replay the log.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    Row,
    client::{self, Reader},
    median, percentile_99,
    server::{Server, directory},
};

const SUBSCRIBERS: usize = 100;
const REPLAYED: usize = 1_000_000;
const EVENTS: u32 = 500;
const INTERVAL: Duration = Duration::from_millis(10);

pub fn during_replays() -> Vec<Row> {
    let directory = directory();
    let path = directory.path().join("log");
    let server = Server::on(&path, &["--sync", "never"]);
    client::fill(server.address, REPLAYED);
    drop(server);
    let server = Server::on(
        &path,
        &["--window-events", "1000", "--max-event-bytes", "4096"],
    );
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        alone.push(percentile_99(live(server.address)));
        beside.push(while_two_replay(server.address));
    }
    let (alone, beside) = (median(alone), median(beside));
    vec![Row {
        what: "live p99 to 100 subscribers while two replay 1,000,000 events",
        measured: format!("{beside:.1?}; without them {alone:.1?}"),
        ratio: beside.as_secs_f64() / alone.as_secs_f64(),
        bound: "≤ 1.5",
    }]
}

fn while_two_replay(address: SocketAddr) -> Duration {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let query = "topic=*&since=earliest";
                    let mut reader = Reader::open(address, query, "");
                    let mut bytes = 0;
                    while bytes < REPLAYED * client::DATA_BYTES && !is_over.load(Ordering::Relaxed)
                    {
                        bytes += reader.read().len();
                    }
                }
            });
        }
        thread::sleep(Duration::from_millis(500));
        let took = percentile_99(live(address));
        is_over.store(true, Ordering::Relaxed);
        took
    })
}

/// How long each event took to each subscriber.
fn live(address: SocketAddr) -> Vec<Duration> {
    let origin = Instant::now();
    client::runtime().block_on(async {
        let mut readers = Vec::new();
        for _ in 0..SUBSCRIBERS {
            let mut socket = TcpStream::connect(address).await.expect("connected");
            let head = "GET /events?topic=live HTTP/1.0\r\nHost: localhost\r\n\r\n";
            socket.write_all(head.as_bytes()).await.expect("written");
            let mut text = String::new();
            while !(text.contains("event: connected\n") && text.ends_with("\n\n")) {
                text.push_str(&read_some(&mut socket).await);
            }
            readers.push(tokio::spawn(read(socket, origin)));
        }
        let mut publisher = TcpStream::connect(address).await.expect("connected");
        let mut ticks = tokio::time::interval(INTERVAL);
        for _ in 0..EVENTS {
            ticks.tick().await;
            let data = origin.elapsed().as_nanos().to_string();
            let request = client::request("/events?topic=live", "text/plain", &data);
            publisher
                .write_all(request.as_bytes())
                .await
                .expect("written");
            read_some(&mut publisher).await;
        }
        let mut took = Vec::new();
        for reader in readers {
            took.extend(reader.await.expect("a reader"));
        }
        took
    })
}

async fn read_some(socket: &mut TcpStream) -> String {
    let mut part = [0; 4096];
    let read = socket.read(&mut part).await.expect("read");
    assert!(read > 0, "the stream has ended");
    String::from_utf8_lossy(&part[..read]).into_owned()
}

async fn read(mut socket: TcpStream, origin: Instant) -> Vec<Duration> {
    let (mut took, mut text) = (Vec::new(), String::new());
    while took.len() < EVENTS as usize {
        text.push_str(&read_some(&mut socket).await);
        let now = origin.elapsed();
        while let Some(end) = text.find("\n\n") {
            let block: String = text.drain(..end + 2).collect();
            let data = block.lines().find_map(|line| line.strip_prefix("data: "));
            let sent = data.and_then(|data| data.parse().ok());
            took.extend(sent.map(|nanos| now.saturating_sub(Duration::from_nanos(nanos))));
        }
    }
    took
}
