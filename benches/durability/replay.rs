//! Reading events that memory no longer holds, from a short log and from a long one.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use fjall::{Database, KeyspaceCreateOptions, Readable as _};

use crate::{
    Row,
    client::{self, Reader},
    median,
    server::{Server, directory},
};

const ROUNDS: usize = 41;
const REPLAYED: usize = 100_000;

fn events() -> usize {
    let events = std::env::var("BENCH_EVENTS").ok();
    events.map_or(5_000_000, |events| events.parse().expect("a number"))
}

/// The time until the first event has arrived.
fn first_event(address: SocketAddr, query: &str, last_id: &str) -> Duration {
    let begun = Instant::now();
    Reader::open(address, query, last_id).until(|text| text.contains("\ndata: 0"));
    begun.elapsed()
}

/// A server with a log of this number of events, of which memory holds only the newest.
fn filled(directory: &Path, events: usize) -> Server {
    let args = [
        "--sync",
        "never",
        "--window-events",
        "1000",
        "--replay-bytes-per-second",
        "0",
        "--max-event-bytes",
        "4096",
    ];
    let server = Server::on(directory, &args);
    client::fill(server.address, events);
    server
}

/// A server on this log after a restart, with only the last events in memory.
fn restarted(directory: &Path) -> Server {
    let args = [
        "--window-events",
        "16",
        "--replay-bytes-per-second",
        "0",
        "--max-event-bytes",
        "4096",
    ];
    let server = Server::on(directory, &args);
    server.settle();
    server
}

pub fn one_topic() -> Vec<Row> {
    let in_log_of = |events| {
        let directory = directory();
        let path = directory.path().join("log");
        drop(filled(&path, events));
        // The rare topic has ten events in the middle of the log, and the others a thousand topics.
        let server = restarted(&path);
        let publish = |data: &str| client::publish_to(server.address, "rare", data);
        (0..10).for_each(|n| publish(&format!("{n:0>100}")));
        client::fill(server.address, events);
        let took = (0..ROUNDS).map(|_| {
            let begun = Instant::now();
            let all = |text: &str| text.matches("\ndata: 0").count() == 10;
            Reader::open(server.address, "topic=rare&since=earliest", "").until(all);
            begun.elapsed()
        });
        median(took.collect())
    };
    let (few, many) = (in_log_of(500), in_log_of(500_000));
    vec![Row {
        what: "ten events of one topic",
        measured: format!("{many:.1?} among 1,000,000; {few:.1?} among 1,000"),
        ratio: many.as_secs_f64() / few.as_secs_f64(),
        bound: "≤ 2",
    }]
}

pub fn long_log() -> Vec<Row> {
    let (short, long) = (directory(), directory());
    let (short, long) = (short.path().join("log"), long.path().join("log"));
    let events = events();
    drop(filled(&short, 5_000));
    let filled = filled(&long, events);
    let filled_bytes = filled.resident_bytes();
    drop(filled);

    let mut rows = vec![opening(&long, events)];
    let few = twenty_back(&short);
    let many = twenty_back(&long);
    rows.push(Row {
        what: "resume twenty events back, to the first event",
        measured: format!("{many:.1?} in {events}; {few:.1?} in 5000"),
        ratio: many.as_secs_f64() / few.as_secs_f64(),
        bound: "≤ 2",
    });
    let (row, bytes) = replay(&long);
    rows.push(row);
    rows.push(Row {
        what: "resident memory, in MiB",
        measured: format!(
            "after writing {events} events {} MiB, after replays {} MiB",
            filled_bytes >> 20,
            bytes >> 20
        ),
        ratio: filled_bytes.max(bytes) as f64 / f64::from(1 << 20),
        bound: "see docs/durability.md",
    });
    rows
}

/// The time to resume twenty events back, which has to read the log, because memory holds fewer.
fn twenty_back(directory: &Path) -> Duration {
    let server = restarted(directory);
    let ids = client::ids(server.address, "topic=*&last=21", 21);
    let took = (0..ROUNDS).map(|_| first_event(server.address, "topic=*", &ids[0]));
    median(took.collect())
}

fn opening(directory: &Path, events: usize) -> Row {
    let (mut ours, mut engines) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        // The last server was killed, as by a crash.
        ours.push(Server::on(directory, &[]).opened_in);
        let begun = Instant::now();
        let database = open_engine(directory);
        engines.push(begun.elapsed());
        drop(database);
    }
    let (ours, engines) = (median(ours), median(engines));
    Row {
        what: "opening after kill -9",
        measured: format!(
            "{ours:.1?} with {events} events, until it listens; the engine {engines:.1?}"
        ),
        ratio: ours.as_secs_f64() / engines.as_secs_f64(),
        bound: "≤ 3",
    }
}

fn open_engine(directory: &Path) -> (Database, fjall::Keyspace) {
    let database = Database::builder(directory.join("log"))
        .cache_size(32 << 20)
        .open()
        .expect("it opens");
    let keyspaces = ["index", "values", "events"].map(|name| {
        let options = KeyspaceCreateOptions::default;
        database.keyspace(name, options).expect("a keyspace")
    });
    let [_, _, events] = keyspaces;
    (database, events)
}

/// The row, and the resident memory of the server afterwards.
fn replay(directory: &Path) -> (Row, usize) {
    let server = restarted(directory);
    let first = client::ids(server.address, "topic=*&since=earliest", 1).remove(0);
    let (mut took, mut bytes) = (Vec::new(), 0);
    for _ in 0..11 {
        let begun = Instant::now();
        let mut reader = Reader::open(server.address, "topic=*", &first);
        bytes = count_events(&mut reader);
        took.push(begun.elapsed());
    }
    let resident = server.resident_bytes();
    drop(server);
    let ours = median(took);
    let (database, keyspace) = open_engine(directory);
    let scans = (0..11).map(|_| scan(&database, &keyspace)).collect();
    let writes = (0..11).map(|_| write_to_a_socket(bytes)).collect();
    let (scan, write) = (median(scans), median(writes));
    let row = Row {
        what: "replay of 100,000 events, unpaced",
        measured: format!("{ours:.1?}; the engine's scan {scan:.1?} + a socket {write:.1?}"),
        ratio: ours.as_secs_f64() / (scan + write).as_secs_f64(),
        bound: "≤ 2",
    };
    (row, resident)
}

/// Reads all replayed events, which have equal lengths; returns their bytes.
fn count_events(reader: &mut Reader) -> usize {
    let text = reader.until(|text| text.matches("\n\n").count() > 3);
    let block = text.split("\n\n").nth(2).map_or(0, str::len) + 2;
    let (mut bytes, all) = (text.len(), block * REPLAYED);
    while bytes < all {
        bytes += reader.read().len();
    }
    all
}

fn scan(database: &Database, events: &fjall::Keyspace) -> Duration {
    let begun = Instant::now();
    let mut bytes = 0;
    for item in database.snapshot().iter(events).take(REPLAYED) {
        let (key, value) = item.into_inner().expect("an item");
        bytes += key.len() + value.len();
    }
    assert!(bytes > REPLAYED * client::DATA_BYTES);
    begun.elapsed()
}

fn write_to_a_socket(bytes: usize) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let reader = std::thread::spawn(move || {
        let mut socket = TcpStream::connect(address).expect("connected");
        let (mut buffer, mut left) = (vec![0; 1 << 20], bytes);
        while left > 0 {
            left -= socket.read(&mut buffer).expect("read");
        }
    });
    let (mut socket, _) = listener.accept().expect("accepted");
    let part = vec![b'x'; 32 << 10];
    let begun = Instant::now();
    let mut left = bytes;
    while left > 0 {
        let part = &part[..left.min(part.len())];
        socket.write_all(part).expect("written");
        left -= part.len();
    }
    reader.join().expect("all is read");
    begun.elapsed()
}
