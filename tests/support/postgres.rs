//! A real PostgreSQL on a port and in a directory of its own, which ends with its handle.

use std::{
    fs,
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak, atomic::AtomicUsize, atomic::Ordering},
};

use tempfile::TempDir;

use super::{ports::free_port, wait_until};

/// Settings of a PostgreSQL that writes to disk when it likes, which nothing but a loss of power shows.
const QUICK: [&str; 8] = [
    "-c",
    "fsync=off",
    "-c",
    "shared_buffers=16MB",
    "-c",
    "max_connections=60",
    "-c",
    "deadlock_timeout=200ms",
];
/// Longest time of a program that asks the server, in seconds: a test fails rather than waits for ever.
const LONGEST: &str = "150";
/// Where Debian has its versions.
const VERSIONS: &str = "/usr/lib/postgresql";
/// PostgreSQL refuses to run as root: nobody, then.
const UNPRIVILEGED: u32 = 65_534;

pub struct PostgresServer {
    child: Option<Child>,
    pub port: u16,
    directory: TempDir,
    settings: Vec<String>,
}

impl PostgresServer {
    /// Whether there is one on this machine.
    pub fn is_installed() -> bool {
        Path::new(VERSIONS).exists()
    }

    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With further arguments.
    pub fn start_with(settings: &[&str]) -> Self {
        let mut server = Self::prepare(settings);
        server.run();
        server
    }

    /// One that all tests of this process share while they run, each in a schema of its own.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<PostgresServer>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start());
        *shared = Arc::downgrade(&server);
        server
    }

    /// One that is not started yet.
    pub fn prepare(settings: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let data = directory.path().join("data");
        copy(template(), &data);
        let server = Self::at(directory, settings);
        server.give_away();
        server
    }

    fn at(directory: TempDir, settings: &[&str]) -> Self {
        Self {
            child: None,
            port: free_port(),
            directory,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
        }
    }

    /// Has the user that it runs as own its files.
    pub fn give_away(&self) {
        if is_root() {
            let owner = format!("{UNPRIVILEGED}:{UNPRIVILEGED}");
            let chown = Command::new("chown")
                .args(["-R", &owner])
                .arg(self.directory.path())
                .status();
            assert!(chown.expect("chown runs").success());
        }
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Starts it, or restarts it with the data that it has kept.
    pub fn run(&mut self) {
        wait_until("PostgreSQL runs", || {
            if self.has_ended() {
                // The processes of one that was killed may still be there.
                self.spawn();
            }
            self.try_ask("SELECT 1").is_some()
        });
    }

    fn has_ended(&mut self) -> bool {
        match &mut self.child {
            None => true,
            Some(child) => child.try_wait().expect("its state").is_some(),
        }
    }

    fn spawn(&mut self) {
        let mut command = unprivileged(&program("postgres"));
        command.arg("-D").arg(self.data());
        command.args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-k", ""]);
        command.args(QUICK).args(&self.settings);
        let log = fs::File::create(self.directory.path().join("log")).expect("a file");
        let child = command.stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.expect("postgres is installed"));
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub fn url(&self) -> String {
        url(self.address())
    }

    /// What it returns for these statements: a line for each row, columns divided by `|`.
    pub fn ask(&self, sql: &str) -> String {
        let output = self.psql(sql);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {error}");
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// The error that it reports for these statements.
    pub fn error(&self, sql: &str) -> String {
        let output = self.psql(sql);
        assert!(!output.status.success(), "{sql} is accepted");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn try_ask(&self, sql: &str) -> Option<()> {
        self.psql(sql).status.success().then_some(())
    }

    fn psql(&self, sql: &str) -> std::process::Output {
        let output = Command::new("timeout")
            .args([LONGEST, &program("psql").to_string_lossy()])
            .args(PSQL_FLAGS)
            .args(["-c", sql, &self.url()])
            .output();
        output.expect("psql is installed")
    }

    /// A standby of this server, in step with it.
    pub fn standby(&self) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut standby = Self::at(directory, &[]);
        standby.give_away();
        let copied = unprivileged(Path::new("timeout"))
            .args([LONGEST, &program("pg_basebackup").to_string_lossy()])
            .args(["-R", "-c", "fast", "--no-sync", "-X", "stream", "-D"])
            .arg(standby.data())
            .args(["-d", &self.url()])
            .output()
            .expect("pg_basebackup runs");
        assert!(
            copied.status.success(),
            "{}",
            String::from_utf8_lossy(&copied.stderr)
        );
        standby.run();
        self.wait_for(&standby);
        standby
    }

    /// Waits until the standby has all that was written here so far.
    pub fn wait_for(&self, standby: &Self) {
        let written = self.ask("SELECT pg_current_wal_lsn()");
        let replayed = format!("SELECT coalesce(pg_last_wal_replay_lsn() >= '{written}', false)");
        wait_until("the standby has it all", || standby.ask(&replayed) == "t");
    }

    pub fn promote(&self) {
        assert_eq!(self.ask("SELECT pg_promote()"), "t");
    }

    /// As by `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends a signal to the postmaster and every process of it.
    pub fn signal_all(&self, name: &str) {
        let parent = self.child.as_ref().expect("it runs").id().to_string();
        let children = Command::new("pgrep")
            .args(["-P", &parent])
            .output()
            .expect("pgrep runs");
        let children = String::from_utf8_lossy(&children.stdout).into_owned();
        let status = Command::new("kill")
            .arg(name)
            .arg(&parent)
            .args(children.split_whitespace())
            .status();
        // One of them may have ended meanwhile.
        let _ = status.expect("kill runs");
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It ends its processes, and at once.
            let _ = Command::new("kill")
                .args(["-QUIT", &child.id().to_string()])
                .status();
            let _ = child.wait();
        }
    }
}

/// The URL of the database at this address, or of a way to it.
pub fn url(address: SocketAddr) -> String {
    format!("postgres://postgres@{address}/postgres?sslmode=disable")
}

/// A schema of this process that no other test uses.
pub fn new_schema() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("log_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new(program);
    if is_root() {
        command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
    }
    command.current_dir("/");
    command
}

/// A program of the newest version that is installed.
fn program(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| {
        let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
        let versions = fs::read_dir(VERSIONS).expect("postgresql is installed");
        let versions = versions.filter_map(|entry| Some(entry.ok()?.path()));
        let newest = versions
            .max_by_key(version)
            .expect("postgresql is installed");
        newest.join("bin")
    });
    directory.join(name)
}

/// A cluster that was never started, to be copied.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let version = Command::new(program("postgres")).arg("--version").output();
        let version = version.expect("postgres is installed").stdout;
        let version = String::from_utf8_lossy(&version)
            .trim()
            .replace([' ', '(', ')'], "-");
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(version);
        if !kept.exists() {
            let made = tempfile::tempdir().expect("a directory");
            let data = made.path().join("data");
            init(made.path(), &data);
            let own = kept.with_extension(std::process::id().to_string());
            copy(&data, &own);
            // Another process may have been faster.
            let _ = fs::rename(&own, &kept);
            let _ = fs::remove_dir_all(&own);
        }
        kept
    })
}

fn init(parent: &Path, data: &Path) {
    if is_root() {
        std::os::unix::fs::chown(parent, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).expect("an owner");
    }
    let made = unprivileged(&program("initdb"))
        .args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ])
        .args(["--no-sync", "--no-instructions", "--wal-segsize=1", "-D"])
        .arg(data)
        .output()
        .expect("initdb is installed");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).status();
    assert!(copied.expect("cp runs").success());
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(to, mode).expect("permissions");
}

/// Values alone, without a configuration of the user's; ends at the first error.
const PSQL_FLAGS: [&str; 6] = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"];

/// A `psql` that reads statements from its input, and ends at the first error.
pub fn interactive(server: &PostgresServer) -> Child {
    let child = Command::new(program("psql"))
        .args(PSQL_FLAGS)
        .arg(server.url())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    child.expect("psql is installed")
}
