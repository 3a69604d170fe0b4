//! The commands of the documents, as their readers run them: in order, by a shell, with the program on a
//! port of its own in place of 8000. Some pages are followed from the first command to the last. Of all
//! others, each command needs at least a rule that says which test runs it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
};

use tempfile::TempDir;

use crate::support::{PATIENCE, Server, command};

const ADDRESS: &str = "127.0.0.1:8000";
/// What some pages write in its place.
const ELLIPSIS: &str = "…/";
const KEY: &str = "key-of-the-documents";

enum Step<'a> {
    /// Starts the program with these arguments, in place of the one before.
    Start(&'a str),
    /// Reads a stream until it is stopped.
    Subscribe,
    Run,
    /// Needs a file of the repository, and is run by the test that the reason names.
    Elsewhere(&'a str, &'static str),
}

impl<'a> Step<'a> {
    fn of(line: &'a str) -> Self {
        let settings = |word: &&str| word.contains('=') && !word.starts_with('-');
        let words: Vec<_> = line.split(' ').skip_while(settings).collect();
        match words[..] {
            _ if line.contains("docker compose") => Self::Elsewhere(
                "tests/clients/compose.test.mjs",
                "it runs these nodes without docker",
            ),
            ["cargo", "run", "--release"] => Self::Start(""),
            ["cargo", "run", "--", ..] => Self::Start(&line["cargo run --".len()..]),
            ["cargo", "run" | "test", "--example", ..] | ["sqlite3", ..] => {
                Self::Elsewhere("tests/examples/run", "it runs the examples")
            }
            ["cargo", "build", "--release"] => Self::Elsewhere("scripts/test", "it takes minutes"),
            ["cargo", "bench", ..] => Self::Elsewhere("benches", "a benchmark"),
            ["cargo", "install", "--path", path] => {
                Self::Elsewhere(path, "the build is that of these tests")
            }
            ["sse-broadcaster", "bench", ..] => {
                Self::Elsewhere("tests/commands/bench.rs", "it takes long")
            }
            ["sse-broadcaster", "subscribe", ..] if line.contains("| sse-broadcaster publish") => {
                Self::Elsewhere("tests/documents/copy.rs", "it needs two servers")
            }
            ["tail", ..] => Self::Elsewhere("tests/commands/publish_input.rs", "it has no end"),
            ["sse-broadcaster", "subscribe", ..] if !line.contains("--until head") => {
                Self::Subscribe
            }
            [
                "sse-broadcaster",
                "subscribe" | "publish" | "health" | "token" | "config",
                ..,
            ]
            | ["sse-broadcaster", "--config", _, "config", ..]
            | ["(umask" | "echo" | "openssl", ..] => Self::Run,
            ["python3", ..] => Self::Elsewhere(
                "tests/documents/application.rs",
                "it runs beside the commands",
            ),
            ["sse-broadcaster", ..] => Self::Start(
                line.split_once("sse-broadcaster")
                    .map_or("", |(_, arguments)| arguments.trim()),
            ),
            ["scripts/test", ..] => Self::Elsewhere("scripts/test", "it runs this test"),
            [script, ..] if script.starts_with("scripts/") || script.starts_with("tests/") => {
                Self::Elsewhere(script, "a script of its own")
            }
            ["helm", ..] => Self::Elsewhere("tests/helm/run", "it renders the chart"),
            ["docker" | "kubectl" | "export", ..] => {
                Self::Elsewhere("Dockerfile", "scripts/test container runs the image")
            }
            ["promtool", ..] => Self::Elsewhere("tests/monitoring/run", "it has Prometheus"),
            ["npm" | "npx", ..] => {
                Self::Elsewhere("tests/api/test_client.py", "it generates the client")
            }
            ["sudo", ..] => Self::Elsewhere("tests/disk/private.rs", "it changes the machine"),
            ["curl", ..] if line.contains(":8080/") || line.contains(":3000/") => {
                Self::Elsewhere("tests/examples/run", "it runs the examples")
            }
            ["curl", "-N", ..] => Self::Subscribe,
            ["curl", ..] => Self::Run,
            _ => panic!("no rule says how to try the command {line:?}"),
        }
    }
}

/// The commands in the blocks of a document that are marked `sh`.
pub(super) fn commands(document: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for block in document.split("```sh\n").skip(1) {
        let block = block.split("```").next().expect("a block");
        let lines = block.replace("\\\n", " ").replace("|\n", "| ");
        commands.extend(
            lines
                .lines()
                .map(|line| line.split(" #").next().unwrap_or(line))
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .filter(|line| !line.is_empty()),
        );
    }
    commands
}

/// A shell in this directory, which finds the program.
pub(super) fn shell(script: &str, directory: &Path) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_sse-broadcaster"));
    let programs = program.parent().expect("a directory").display();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell
        .args(["-euc", script])
        .env("PATH", format!("{programs}:{path}"))
        .current_dir(directory)
        .stdin(Stdio::null());
    shell
}

/// A subscriber of a document, which ends with its handle.
struct Subscriber {
    command: String,
    program: Child,
    lines: mpsc::Receiver<String>,
}

impl Subscriber {
    /// Waits for what the document's commands send to all subscribers.
    fn expect_published(&self) {
        self.expect(match &self.command {
            signals if signals.contains("/signals") => "event: deleted",
            curl if curl.starts_with("curl") => "data: hello",
            _ => "hello",
        });
    }

    fn expect(&self, text: &str) {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line == text => return,
                Ok(_) => {}
                Err(error) => panic!("{:?} did not print {text:?}: {error}", self.command),
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// A reader who follows a document.
pub(super) struct Follower {
    directory: TempDir,
    server: Option<Server>,
    subscribers: Vec<Subscriber>,
}

impl Follower {
    fn follow(file: &str) -> Self {
        Self::follow_with(None, file)
    }

    /// Follows a page that begins with a server running.
    fn follow_with(server: Option<Server>, file: &str) -> Self {
        Self::follow_text(server, &document(file))
    }

    pub(super) fn follow_text(server: Option<Server>, text: &str) -> Self {
        let mut follower = Self {
            directory: tempfile::tempdir().unwrap(),
            server,
            subscribers: Vec::new(),
        };
        let commands = commands(text);
        assert!(!commands.is_empty(), "no command was found");
        for line in &commands {
            match Step::of(line) {
                Step::Start(arguments) => follower.start(arguments),
                Step::Subscribe => follower.subscribe(line),
                Step::Run => follower.run(line),
                Step::Elsewhere(file, why) => {
                    println!("not run: {line}: {why}");
                    assert!(root(file).exists(), "{line:?} needs {file}");
                }
            }
        }
        follower.expect_published();
        follower
    }

    fn start(&mut self, arguments: &str) {
        self.expect_published();
        self.server = None;
        let mut command = command(&["--listen", "127.0.0.1:0"]);
        command
            .args(arguments.split_whitespace())
            .current_dir(self.directory.path());
        self.server = Some(Server::spawn(command));
    }

    fn shell(&self, line: &str) -> Command {
        let server = self.server.as_ref().expect("a server was started before");
        let address = server.address.to_string();
        let named = line.contains(ADDRESS) || line.contains(ELLIPSIS);
        assert!(
            named || !line.starts_with("curl"),
            "{line:?} is not for {ADDRESS}"
        );
        let script = line
            .replace(ADDRESS, &address)
            .replace(ELLIPSIS, &format!("http://{address}/"))
            .replacen("curl ", "curl --no-progress-meter --fail ", 1);
        // What is run is the program itself, and ends with its handle; a subshell cannot be.
        let exec = if script.starts_with('(') { "" } else { "exec " };
        let mut shell = shell(&format!("{exec}{script}"), self.directory.path());
        shell
            .env("SSE_BROADCASTER_LISTEN", address)
            .env("SSE_BROADCASTER_PUBLISH_KEY", KEY);
        shell
    }

    /// Returns when the stream has begun.
    fn subscribe(&mut self, line: &str) {
        let mut program = self.shell(line).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(program.stdout.take().expect("a pipe"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let subscriber = Subscriber {
            command: line.to_owned(),
            program,
            lines,
        };
        // The command prints events alone, and a hub begins with a comment.
        if line.contains("/.well-known/mercure") {
            subscriber.expect(":");
        } else if line.starts_with("curl") {
            subscriber.expect("event: connected");
        }
        self.subscribers.push(subscriber);
    }

    fn run(&self, line: &str) {
        let output = self.shell(line).output().unwrap();
        assert!(output.status.success(), "{line:?}: {output:?}");
        self.expect_secrets_are_private(line);
    }

    /// Of a key that others can read, the server warns.
    fn expect_secrets_are_private(&self, line: &str) {
        for entry in fs::read_dir(self.directory.path()).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let is_secret = ["key", "secret", "token"]
                .iter()
                .any(|end| name.ends_with(end));
            let mode = entry.metadata().unwrap().mode();
            let is_private = (mode & 0o070, mode & 0o007) == (0, 0);
            assert!(
                !is_secret || is_private,
                "{line:?} leaves {name} with mode {mode:o}"
            );
        }
    }

    fn expect_published(&mut self) {
        for subscriber in self.subscribers.drain(..) {
            subscriber.expect_published();
        }
    }
}

fn root(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(file)
}

pub(super) fn document(file: &str) -> String {
    fs::read_to_string(root(file)).unwrap()
}

#[test]
fn the_commands_of_the_readme_work() {
    let follower = Follower::follow("README.md");
    assert!(follower.server.is_some(), "it starts a server");
    let token = follower.directory.path().join("token");
    assert!(token.is_file(), "it creates a token");
}

#[test]
fn the_commands_of_getting_started_work() {
    let follower = Follower::follow("docs/getting-started.md");
    let kept = follower.directory.path().join("log");
    assert!(kept.is_dir(), "--data-dir makes its directory");
}

#[test]
fn the_commands_of_publishing_work() {
    let server = Server::start(&[
        "--publish-key",
        KEY,
        "--subscribe-access",
        "private-events",
        "--token-key",
        "HS256 0123456789abcdef0123456789abcdef",
    ]);
    let follower = Follower::follow_with(Some(server), "docs/publishing.md");
    let copied = fs::read_to_string(follower.directory.path().join("events.ndjson")).unwrap();
    assert!(copied.contains("order-7/3"), "{copied}");
}

#[test]
fn the_commands_of_subscribing_and_of_signals_work() {
    Follower::follow_with(Some(Server::start(&[])), "docs/subscribing.md");
    Follower::follow_with(Some(Server::start(&[])), "docs/signals.md");
}

#[test]
fn the_commands_of_presence_work() {
    Follower::follow("docs/presence.md");
}

#[test]
fn the_commands_of_the_console_work() {
    Follower::follow_with(Some(Server::start(&[])), "docs/console.md");
}

#[test]
fn the_commands_of_configuration_work() {
    Follower::follow_with(Some(Server::start(&[])), "docs/configuration.md");
}

#[test]
fn the_commands_of_the_admin_api_work() {
    let page = document("docs/operations.md");
    let (_, section) = page
        .split_once("## Console and admin API")
        .expect("a section");
    let (section, _) = section.split_once("\n## ").expect("its end");
    let follower = Follower::follow_text(Some(Server::start(&[])), section);
    assert!(follower.directory.path().join("admin-key").is_file());
}

#[test]
fn the_commands_of_mercure_work() {
    Follower::follow_with(Some(Server::start(&[])), "docs/mercure.md");
}

/// Those of the pages below `docs/clients` are run by `tests/guides`.
#[test]
fn every_command_of_every_page_is_run_by_a_test() {
    let listed = fs::read_dir(root("docs")).unwrap();
    let mut pages: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    // For maintainers, who may publish versions.
    pages.retain(|path| !path.ends_with("releasing.md"));
    pages.extend(
        [
            "README.md",
            "CONTRIBUTING.md",
            "examples/posts/README.md",
            "examples/stats/README.md",
            "examples/counter/README.md",
        ]
        .map(root),
    );
    for page in pages {
        for line in commands(&fs::read_to_string(&page).unwrap()) {
            if let Step::Elsewhere(file, _) = Step::of(&line) {
                assert!(root(file).exists(), "{line:?} of {page:?} needs {file}");
            }
        }
    }
}
