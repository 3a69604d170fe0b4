use std::{
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{kernel, serve::THREADS};

const OURS: &str = env!("CARGO_BIN_EXE_sse-broadcaster");
/// How long a server may take to listen.
const STARTS_WITHIN: Duration = Duration::from_secs(20);
/// How long a server may take to end after SIGTERM; then it is killed.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

/// A server that ends with its handle, and with the benchmark, however that ends.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    ends_by_term: bool,
    _directory: Option<TempDir>,
}

/// Whether our binary has this flag.
pub fn ours_has_flag(flag: &str) -> bool {
    let help = Command::new(OURS).arg("--help").output();
    let help = help.expect("our binary runs").stdout;
    String::from_utf8_lossy(&help).contains(flag)
}

impl Server {
    /// Our release binary with its defaults, and as many workers as the others have.
    pub fn ours(args: &[&str]) -> Self {
        Self::ours_in(None, args)
    }

    /// The same with files in a directory that is removed after it.
    pub fn ours_in(directory: Option<TempDir>, args: &[&str]) -> Self {
        let workers = THREADS.to_string();
        let fixed = ["--listen", "127.0.0.1:0", "--workers", &workers];
        let command = ending_with_us("KILL", OURS, &[&fixed, args].concat());
        Self::announced(command, directory)
    }

    /// One of the servers in `serve`.
    pub fn of_benchmark(what: &[&str]) -> Self {
        Self::of_benchmark_in(None, what)
    }

    /// The same with files in a directory that is removed after it.
    pub fn of_benchmark_in(directory: Option<TempDir>, what: &[&str]) -> Self {
        let this = std::env::current_exe().expect("this program");
        let args = [&["serve"], what].concat();
        let command = ending_with_us("KILL", this.to_str().expect("a path"), &args);
        Self::announced(command, directory)
    }

    /// Another program, which is sent SIGTERM before it is killed, and accepts connections at this address once it
    /// has started.
    pub fn other(program: &str, args: &[&str], address: SocketAddr, directory: TempDir) -> Self {
        let mut command = ending_with_us("TERM", program, args);
        let mut server = Self {
            child: command.spawn().expect("a process"),
            address,
            ends_by_term: true,
            _directory: Some(directory),
        };
        let deadline = Instant::now() + STARTS_WITHIN;
        while TcpStream::connect_timeout(&address, ENDS_WITHIN).is_err() {
            let ended = server.child.try_wait().expect("a status");
            assert!(ended.is_none(), "{program} did not start: {ended:?}");
            assert!(
                Instant::now() < deadline,
                "{program} does not accept connections"
            );
            thread::sleep(Duration::from_millis(10));
        }
        server
    }

    fn announced(mut command: Command, directory: Option<TempDir>) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("a process");
        let lines = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
        let (send, log) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let mut server = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            ends_by_term: false,
            _directory: directory,
        };
        let deadline = Instant::now() + STARTS_WITHIN;
        let mut all = String::new();
        while let Ok(line) = log.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if let Some(address) = announced_address(&line) {
                server.address = address;
                return server;
            }
            all += &line;
            all.push('\n');
        }
        panic!("{command:?} did not start, but printed:\n{all}");
    }

    /// Microseconds of CPU time so far, of all its processes.
    pub fn cpu_micros(&self) -> f64 {
        self.processes().into_iter().map(kernel::run_micros).sum()
    }

    /// Resident memory of all its processes, in bytes.
    pub fn resident(&self) -> f64 {
        self.processes().into_iter().map(kernel::resident).sum()
    }

    fn processes(&self) -> Vec<u32> {
        let pid = self.child.id();
        std::iter::once(pid).chain(kernel::children(pid)).collect()
    }

    fn has_ended_within(&mut self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.ends_by_term {
            let workers = self.processes();
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            if self.has_ended_within(ENDS_WITHIN) {
                return;
            }
            for pid in workers.into_iter().skip(1) {
                let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
                pid.map(|pid| kill_process(pid, Signal::KILL));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, with none of the caller's settings for our binary.
fn ending_with_us(signal: &str, program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    for (name, _) in std::env::vars() {
        if name.starts_with("SSE_BROADCASTER_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
        .args(["end-with-parent", signal, program])
        .args(args);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn announced_address(line: &str) -> Option<SocketAddr> {
    let (_, urls) = line.split_once("listening on http")?;
    let (_, rest) = urls.split_once("://")?;
    rest.split([',', ' ']).next()?.parse().ok()
}
