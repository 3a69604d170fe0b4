//! A real `redis-server` on a port and in a directory of its own, which dies with its handle.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::support::{PATIENCE, free_port, wait_until};

/// Settings of a Redis that keeps everything that it acknowledges.
pub const DURABLE: [&str; 6] = [
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--save",
    "",
];
/// Settings of a Redis that writes to disk only on `SAVE`.
pub const SNAPSHOTS: [&str; 4] = ["--appendonly", "no", "--save", ""];

type Wrap = Box<dyn Fn(Command) -> Command + Send + Sync>;

pub struct RedisServer {
    child: Option<Child>,
    pub port: u16,
    settings: Vec<String>,
    directory: TempDir,
    /// Changes the command that starts it.
    wrap: Wrap,
}

/// In memory where the system has a place for that: it is no power loss that these tests are about, and on a disk that
/// others write to a sync takes longer than a node waits for Redis.
fn directory() -> TempDir {
    let in_memory = tempfile::tempdir_in("/dev/shm");
    in_memory
        .or_else(|_| tempfile::tempdir())
        .expect("a directory")
}

impl RedisServer {
    pub fn start() -> Self {
        Self::start_with(&DURABLE)
    }

    pub fn start_with(settings: &[&str]) -> Self {
        let mut server = Self::prepare(settings);
        server.run_at_free_port();
        server
    }

    /// Starts a Redis by a changed command.
    pub fn start_wrapped(wrap: impl Fn(Command) -> Command + Send + Sync + 'static) -> Self {
        let mut server = Self::prepare(&DURABLE);
        server.wrap = Box::new(wrap);
        server.run_at_free_port();
        server
    }

    /// Starts a Redis that requires a password, which this handle does not have.
    pub fn start_locked(settings: &[&str]) -> Self {
        let mut server = Self::prepare(settings);
        server.run_at_free_port();
        server
    }

    /// A Redis that is not started yet.
    pub fn prepare(settings: &[&str]) -> Self {
        Self {
            child: None,
            port: free_port(),
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            directory: directory(),
            wrap: Box::new(|command| command),
        }
    }

    /// Starts it for the first time. Where another process has taken its port meanwhile, it gets another.
    fn run_at_free_port(&mut self) {
        wait_until("Redis answers at a port of its own", || {
            let is_running = |server: &mut Self| {
                let child = server.child.as_mut();
                child.is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_none()))
            };
            if !is_running(self) {
                self.port = free_port();
                self.spawn();
            }
            self.try_ask("PING").is_some() && is_running(self)
        });
    }

    /// Starts it, or restarts it with the data that it has kept.
    pub fn run(&mut self) {
        self.spawn();
        wait_until("Redis answers", || {
            self.try_ask("PING").is_some_and(|pong| pong == "+PONG")
        });
    }

    fn spawn(&mut self) {
        // Another version, or Valkey, may be under test.
        let program = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".into());
        let child = (self.wrap)(Command::new(program))
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .arg("--dir")
            .arg(self.directory.path())
            .args(&self.settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("redis-server is installed"));
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The first line of its reply to a command.
    pub fn ask(&self, command: &str) -> String {
        self.try_ask(command).expect("Redis answers")
    }

    fn try_ask(&self, command: &str) -> Option<String> {
        ask_at(self.address(), command, 1)
    }

    /// Starts a replica of this server, and waits until it has all data.
    pub fn replica(&self) -> Self {
        let replica = Self::start_with(&DURABLE);
        replica.follow(self);
        replica
    }

    /// Becomes a replica of another one, and waits until it is connected to it.
    pub fn follow(&self, primary: &Self) {
        // Otherwise it waits for further replicas.
        primary.ask("CONFIG SET repl-diskless-sync-delay 0");
        let followed = self.ask(&format!("REPLICAOF 127.0.0.1 {}", primary.port));
        assert_eq!(followed, "+OK");
        wait_until("the replica is in step", || {
            self.info("master_link_status").as_deref() == Some("up")
        });
    }

    /// Waits until the replica has all that was written here so far.
    pub fn wait_for(&self, replica: &Self) {
        let written = self.info("master_repl_offset");
        let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok());
        let written = number(written);
        wait_until("the replica has it all", || {
            number(replica.info("slave_repl_offset")) >= written
        });
    }

    pub fn promote(&self) {
        assert_eq!(self.ask("REPLICAOF NO ONE"), "+OK");
    }

    /// Whether the log of the default prefix names this server as the one where it continues.
    pub fn is_named_by_its_log(&self) -> bool {
        let command = "HGET {sse-broadcaster}:meta server";
        let named = ask_at(self.address(), command, 2);
        let run_id = self.info("run_id").expect("a run id");
        named.is_some_and(|named| run_id.starts_with(&named))
    }

    /// A field of the reply to `INFO`.
    pub fn info(&self, name: &str) -> Option<String> {
        let mut socket = TcpStream::connect(self.address()).ok()?;
        socket.set_read_timeout(Some(PATIENCE)).ok()?;
        socket.write_all(b"INFO\r\nQUIT\r\n").ok()?;
        let mut lines = BufReader::new(socket).lines().map_while(Result::ok);
        lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.to_owned()))
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("it runs").id().to_string();
        let status = Command::new("kill").args([name, &pid]).status();
        assert!(status.expect("kill runs").success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The line of this number of the reply to a command.
pub fn ask_at(address: SocketAddr, command: &str, line: usize) -> Option<String> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    // After QUIT Redis closes the connection. An error or a nil reply has one line only, and a read of the next line
    // would otherwise wait for the time limit.
    let commands = format!("{command}\r\nQUIT\r\n");
    socket.write_all(commands.as_bytes()).ok()?;
    let lines = BufReader::new(socket).lines().map_while(Result::ok);
    // Strings and lists are preceded by a line with their length.
    lines
        .take(line)
        .last()
        .map(|line| line.trim_end().to_owned())
}
