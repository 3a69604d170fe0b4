//! The server, and directories for its logs.

use std::{
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{client, durable_streams_program as program, wait_until};

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// How long it took until it listened.
    pub opened_in: Duration,
}

impl Server {
    pub fn start(args: &[&str]) -> Self {
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_sse-broadcaster"))
            .args(["--listen", "127.0.0.1:0", "--log", "info"])
            .args(args)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let address = lines.find_map(|line| {
            let line = line.ok()?;
            let (_, rest) = line.split_once("listening on http://")?;
            rest.split([',', ' ']).next()?.parse().ok()
        });
        let opened_in = begun.elapsed();
        std::thread::spawn(move || lines.count());
        Self {
            child,
            address: address.expect("it listens"),
            opened_in,
        }
    }

    pub fn on(directory: &Path, args: &[&str]) -> Self {
        let directory = directory.to_str().expect("a path of text");
        let all = [
            "--data-dir",
            directory,
            "--history-events",
            "20000000",
            "--history-bytes",
            "100000000000",
        ];
        Self::start(&[&all, args].concat())
    }

    /// The server of the crate `durable-streams`, with a stream that can be appended to.
    pub fn durable_streams(directory: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let begun = Instant::now();
        let child = Command::new(program::path().expect("it is installed"))
            .args(program::arguments(address.port(), directory, "wal"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let server = Self {
            child,
            address,
            opened_in: begun.elapsed(),
        };
        let mut socket = None;
        wait_until("durable-streams listens", || {
            socket = TcpStream::connect(address).ok();
            socket.is_some()
        });
        let socket = &mut socket.expect("it listens");
        client::post(socket, &program::create_request());
        server
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn resident_bytes(&self) -> usize {
        let path = format!("/proc/{}/statm", self.child.id());
        let statm = std::fs::read_to_string(path).expect("statm");
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
        pages.unwrap_or(0_usize) * 4096
    }
}

impl Server {
    /// Waits until the engine has merged the tables that it found at its start.
    pub fn settle(&self) {
        const IDLE: Duration = Duration::from_millis(500);
        let mut before = self.ticks();
        loop {
            std::thread::sleep(IDLE);
            let now = self.ticks();
            if now <= before + 1 {
                return;
            }
            before = now;
        }
    }

    /// The ticks of CPU time so far.
    fn ticks(&self) -> u64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(path).expect("stat");
        let fields = stat.rsplit(')').next().expect("fields").split_whitespace();
        let times = fields.skip(11).take(2);
        times
            .map(|ticks| ticks.parse::<u64>().expect("ticks"))
            .sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn directory() -> TempDir {
    let parent =
        std::env::var("BENCH_DIRECTORY").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").into());
    tempfile::tempdir_in(parent).expect("a directory")
}
