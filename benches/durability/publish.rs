//! Publishes whose response comes once they are as durable as `--sync` demands.

use std::{
    fs::File,
    io::Write as _,
    time::{Duration, Instant},
};

use crate::{
    Row, client, median, median_of,
    postgres::PostgresServer,
    redis::RedisServer,
    server::{Server, directory},
};

const LASTING: Duration = Duration::from_secs(4);
/// How often each figure is measured, in turn with those that it is compared with; the median counts.
const ROUNDS: usize = 3;

/// How long each publish took.
pub struct Published {
    pub took: Vec<Duration>,
}

impl Published {
    pub fn per_second(&self) -> f64 {
        self.took.len() as f64 / LASTING.as_secs_f64()
    }
}

fn publish(server: &Server, publishers: usize) -> Published {
    with_request(server, &client::event_request(), publishers)
}

/// Publishes by this request, which each publisher repeats as soon as it has its response.
pub fn with_request(server: &Server, request: &str, publishers: usize) -> Published {
    let until = Instant::now() + LASTING;
    let took = client::runtime().block_on(async {
        let publish = |_| tokio::spawn(client::publish(server.address, request.to_owned(), until));
        let tasks: Vec<_> = (0..publishers).map(publish).collect();
        let mut took = Vec::new();
        for task in tasks {
            took.extend(task.await.expect("a publisher"));
        }
        took
    });
    Published { took }
}

/// How long an append with its `fdatasync` takes, of as many bytes as an event has in the log.
fn syncs() -> Vec<Duration> {
    let directory = directory();
    let mut file = File::create(directory.path().join("file")).expect("a file");
    // The engine allocates its files in advance, too.
    file.set_len(64 << 20).expect("room");
    let record = [7; 2 * client::DATA_BYTES];
    let (mut took, until) = (Vec::new(), Instant::now() + LASTING / 2);
    while Instant::now() < until {
        let begun = Instant::now();
        file.write_all(&record).expect("written");
        file.sync_data().expect("synced");
        took.push(begun.elapsed());
    }
    took
}

pub fn many() -> Vec<Row> {
    const PUBLISHERS: usize = 64;
    let (mut memory, mut disk, mut synced) = (Vec::new(), Vec::new(), Vec::new());
    let (mut often, mut never) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        memory.push(publish(&Server::start(&[]), PUBLISHERS).per_second());
        for (sync, figures) in [
            ("always", &mut disk),
            ("10ms", &mut often),
            ("never", &mut never),
        ] {
            let directory = directory();
            let server = Server::on(&directory.path().join("log"), &["--sync", sync]);
            figures.push(publish(&server, PUBLISHERS).per_second());
        }
        synced.push(1.0 / median(syncs()).as_secs_f64());
    }
    let (memory, disk, synced) = (median_of(memory), median_of(disk), median_of(synced));
    let by_syncs = synced * PUBLISHERS as f64;
    let row = |what, figure: f64, bound| Row {
        what,
        measured: format!(
            "{figure:.0}/s; memory {memory:.0}/s; the disk syncs {synced:.0}/s, times {PUBLISHERS}: \
             {by_syncs:.0}/s"
        ),
        ratio: figure / memory.min(by_syncs),
        bound,
    };
    vec![
        row("64 publishers, --sync always", disk, "≥ 0.5"),
        row("64 publishers, --sync 10ms", median_of(often), ""),
        row("64 publishers, --sync never", median_of(never), ""),
    ]
}

pub fn one() -> Vec<Row> {
    let (mut memory, mut disk, mut synced) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        memory.push(median(publish(&Server::start(&[]), 1).took));
        let directory = directory();
        let server = Server::on(&directory.path().join("log"), &["--sync", "always"]);
        disk.push(median(publish(&server, 1).took));
        synced.push(median(syncs()));
    }
    let (memory, disk, synced) = (median(memory), median(disk), median(synced));
    vec![Row {
        what: "one publisher, --sync always, median answer",
        measured: format!("{disk:.1?}; memory {memory:.1?} + a sync {synced:.1?}"),
        ratio: disk.as_secs_f64() / (memory + synced).as_secs_f64(),
        bound: "≤ 1.5",
    }]
}

pub fn redis() -> Vec<Row> {
    const PUBLISHERS: usize = 64;
    let (mut memory, mut through, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        memory.push(publish(&Server::start(&[]), PUBLISHERS).per_second());
        let directory = directory();
        let Some(redis) = RedisServer::start(directory.path()) else {
            return Vec::new();
        };
        let url = format!("redis://127.0.0.1:{}", redis.port);
        let server = Server::start(&["--redis-url", &url]);
        wait_for_history(&server);
        through.push(publish(&server, PUBLISHERS).per_second());
        alone.push(median(publish(&server, 1).took));
    }
    let (memory, through, alone) = (median_of(memory), median_of(through), median(alone));
    vec![Row {
        what: "64 publishers, through one node, Redis beside it",
        measured: format!(
            "{through:.0}/s; memory {memory:.0}/s; one publisher's median answer {alone:.1?}"
        ),
        ratio: through / memory,
        bound: "≥ 0.5",
    }]
}

pub fn postgres() -> Vec<Row> {
    const PUBLISHERS: usize = 64;
    if !PostgresServer::is_installed() {
        return Vec::new();
    }
    let (mut disk, mut through, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let directory = directory();
        let server = Server::on(&directory.path().join("log"), &["--sync", "always"]);
        disk.push(publish(&server, PUBLISHERS).per_second());
        drop(server);
        let postgres =
            PostgresServer::start_with(&["-c", "fsync=on", "-c", "shared_buffers=128MB"]);
        let server = Server::start(&["--postgres-url", &postgres.url()]);
        wait_for_history(&server);
        through.push(publish(&server, PUBLISHERS).per_second());
        alone.push(median(publish(&server, 1).took));
    }
    let (disk, through, alone) = (median_of(disk), median_of(through), median(alone));
    vec![Row {
        what: "64 publishers, through one node, PostgreSQL beside it",
        measured: format!(
            "{through:.0}/s; --data-dir --sync always {disk:.0}/s; one publisher's median answer {alone:.1?}"
        ),
        ratio: through / disk,
        bound: "≥ 0.4",
    }]
}

fn wait_for_history(server: &Server) {
    use std::io::Read as _;
    loop {
        let mut socket = std::net::TcpStream::connect(server.address).expect("connected");
        socket
            .write_all(b"GET /health/ready HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .expect("written");
        let mut response = String::new();
        socket.read_to_string(&mut response).expect("a response");
        if response.contains(r#""history":"ok""#) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
