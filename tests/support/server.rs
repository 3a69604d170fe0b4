//! The real binary as a child process on a port of its own, which is killed with its handle.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    os::fd::OwnedFd,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    PATIENCE,
    log::Log,
    tunnel::{Identity, Tunnel},
};

/// The binary with these arguments, and none of the caller's settings.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sse-broadcaster"));
    for (name, _) in std::env::vars() {
        let is_setting = name.starts_with("SSE_BROADCASTER_") || name.starts_with("OTEL_");
        if is_setting || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    let extra = std::env::var("SSE_BROADCASTER_EXTRA_ARGS").unwrap_or_default();
    command.args(extra.split_whitespace()).args(args);
    command
}

/// Lets a database that shares this machine with many tests respond later than one in use would.
fn be_patient(command: &mut Command) {
    let has = |flag: &str| command.get_args().any(|argument| argument == flag);
    if (has("--redis-url") || has("--postgres-url")) && !has("--history-timeout") {
        command.args(["--history-timeout", "4s"]);
    }
}

/// Whether servers are started so that all streams go through actix.
pub fn has_ordinary_streams() -> bool {
    are_streams("ordinary")
}

/// Whether servers are started so that streams are sent to in batches.
fn has_batched_streams() -> bool {
    are_streams("batched")
}

/// Whether subscriptions of tests ask for compressed streams.
pub(super) fn has_compressed_streams() -> bool {
    are_streams("compressed")
}

/// Whether servers are started with TLS, and reached through a tunnel.
pub fn has_encrypted_streams() -> bool {
    are_streams("encrypted")
}

/// Whether requests and subscriptions of tests go over HTTP/2.
pub fn has_http2() -> bool {
    are_streams("http2")
}

fn are_streams(kind: &str) -> bool {
    std::env::var("TEST_STREAMS").is_ok_and(|streams| streams == kind)
}

/// A running server on a port of its own.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// None of a program that was started elsewhere.
    log: Option<Log>,
    /// Removed with the server.
    #[allow(dead_code, reason = "removed with the server")]
    directory: Option<TempDir>,
    /// Where tests reach it, if its connections are encrypted.
    tunnel: Option<Tunnel>,
    /// Whether requests and subscriptions go over HTTP/2.
    pub(super) http2: bool,
}

impl Server {
    /// Starts with `--listen 127.0.0.1:0` and these arguments, and waits until it listens. With
    /// `TEST_HISTORY=disk` its history is a log on disk, with `TEST_STREAMS=ordinary` all its streams go through
    /// actix, with `TEST_STREAMS=batched` they are sent to by `--io-uring`, with `TEST_STREAMS=compressed` they are
    /// compressed, with `TEST_STREAMS=encrypted` all its connections are encrypted, and with `TEST_STREAMS=http2` they go
    /// over HTTP/2, so that the same tests cover these.
    pub fn start(args: &[&str]) -> Self {
        let mut command = command(&["--listen", "127.0.0.1:0"]);
        command.args(args);
        let chooses = |flag| args.contains(&flag);
        if has_ordinary_streams() && !chooses("--no-direct") {
            command.arg("--no-direct");
        }
        if has_batched_streams() && !chooses("--no-direct") && !chooses("--io-uring") {
            command.arg("--io-uring");
        }
        if has_encrypted_streams() && !chooses("--tls-cert") && !chooses("--tls-dir") {
            command.args(Identity::get().arguments());
        }
        if has_compressed_streams() && !chooses("--compress") {
            command.args(["--compress", "always"]);
        }
        if has_http2() && !chooses("--http2-prior-knowledge") {
            command.arg("--http2-prior-knowledge");
        }
        let on_disk = std::env::var("TEST_HISTORY").is_ok_and(|history| history == "disk");
        let has_own = args
            .iter()
            .any(|arg| ["--data-dir", "--redis-url", "--postgres-url"].contains(arg));
        let directory = (on_disk && !has_own).then(|| tempfile::tempdir().expect("a directory"));
        if let Some(directory) = &directory {
            command.arg("--data-dir").arg(directory.path());
        }
        let mut server = Self::spawn(command);
        server.directory = directory;
        server.http2 = has_http2();
        server
    }

    /// Starts this command, and waits until it logs where it listens.
    pub fn spawn(command: Command) -> Self {
        Self::try_spawn(command)
            .unwrap_or_else(|log| panic!("the server does not listen, and its log is:\n{log}"))
    }

    /// Starts this command; an error is its log where it ends instead of listening.
    pub fn try_spawn(mut command: Command) -> Result<Self, String> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        be_patient(&mut command);
        Self::watch(command)
    }

    /// Starts this command as systemd does with the sockets of a socket unit, of these names; otherwise as
    /// [`try_spawn`](Self::try_spawn). There are one or two of them, since a process inherits two beside its errors.
    pub fn try_spawn_with_sockets(
        command: &Command,
        sockets: Vec<OwnedFd>,
        names: &str,
    ) -> Result<Self, String> {
        let count = sockets.len();
        let mut sockets = sockets.into_iter().map(Stdio::from);
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            "exec 3<&0 4>&1 < /dev/null > /dev/null; LISTEN_PID=$$ exec \"$0\" \"$@\"",
        ]);
        shell.arg(command.get_program()).args(command.get_args());
        shell.env("LISTEN_FDS", count.to_string());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.env("LISTEN_FDNAMES", names);
        shell.stdin(sockets.next().expect("a socket"));
        shell.stdout(sockets.next().unwrap_or_else(Stdio::null));
        Self::watch(shell)
    }

    fn watch(mut command: Command) -> Result<Self, String> {
        let own = has_encrypted_streams().then(|| Identity::get().arguments());
        let is_encrypted = own.is_some_and(|own| command.get_args().any(|arg| arg == &*own[1]));
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let mut server = Self {
            child,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            log: Some(Log::of(stderr)),
            directory: None,
            tunnel: None,
            http2: false,
        };
        let Some(line) = server.find_in_log("listening on http") else {
            let log = server.log();
            assert_eq!(server.wait().code(), Some(1), "{log}");
            return Err(log);
        };
        let address = line
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split([' ', ',']).next());
        let address: SocketAddr = address.expect("an address").parse().expect("an address");
        server.address = SocketAddr::new(
            if address.ip().is_unspecified() {
                [127, 0, 0, 1].into()
            } else {
                address.ip()
            },
            address.port(),
        );
        if is_encrypted && line.contains("https://") {
            let tunnel = Tunnel::open(server.address);
            server.address = tunnel.address();
            server.tunnel = Some(tunnel);
        }
        Ok(server)
    }

    /// Starts an example that takes an address, and prints where it listens in its first line.
    pub fn example(name: &str) -> Self {
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_sse-broadcaster"))
            .with_file_name("examples")
            .join(name);
        if !program.exists() {
            // Only a run of all tests of the workspace builds the examples.
            let build = Command::new(env!("CARGO"))
                .args([
                    "build",
                    "--package",
                    "sse-broadcaster-examples",
                    "--example",
                    name,
                ])
                .status();
            assert!(build.unwrap().success());
        }
        let mut command = Command::new(program);
        command.arg("127.0.0.1:0").stdout(Stdio::piped());
        let mut child = command.spawn().expect("the example starts");
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.trim_start_matches("http://").split(": ").next();
        Self::adopt(child, address.unwrap().parse().unwrap())
    }

    /// A handle of another program that serves at this address.
    pub fn adopt(child: Child, address: SocketAddr) -> Self {
        Self {
            child,
            address,
            log: None,
            directory: None,
            tunnel: None,
            http2: false,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the next line of the log that holds this text.
    pub fn wait_for_log(&mut self, text: &str) -> String {
        self.find_in_log(text)
            .unwrap_or_else(|| panic!("no {text:?} in the log:\n{}", self.log()))
    }

    fn find_in_log(&mut self, text: &str) -> Option<String> {
        self.log.as_mut()?.find(text, PATIENCE)
    }

    /// Every line of the log that is written by now.
    pub fn log(&mut self) -> String {
        self.log.as_mut().map(Log::all).unwrap_or_default()
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([name, &self.pid().to_string()])
            .status();
        assert!(status.expect("kill runs").success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// User and system time so far, as /proc has it.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("/proc");
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> usize {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.pid())).expect("/proc");
        statm
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<usize>()
            .unwrap()
            * 4096
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
