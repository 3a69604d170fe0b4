//! The commands of the documents, as their readers run them: in order, by a shell, with the program on a
//! port of its own in place of 8000.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
};

use tempfile::TempDir;

use crate::support::{PATIENCE, Server, command};

/// What a document's commands publish, and all its subscribers get.
const PUBLISHED: &str = "data: hello";
const ADDRESS: &str = "127.0.0.1:8000";

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
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["cargo", "run", "--release"] => Self::Start(""),
            ["cargo", "install", "--path", path] => {
                Self::Elsewhere(path, "the build is that of these tests")
            }
            ["sse-broadcaster", ..] => Self::Start(line["sse-broadcaster".len()..].trim()),
            ["scripts/test", ..] => Self::Elsewhere("scripts/test", "it runs this test"),
            ["docker", ..] => {
                Self::Elsewhere("Dockerfile", "scripts/test container runs the image")
            }
            ["curl", "-N", ..] => Self::Subscribe,
            ["curl", ..] => Self::Run,
            _ => panic!("no rule says how to try the command {line:?}"),
        }
    }
}

/// The commands in the blocks of a document that are marked `sh`.
fn commands(document: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for block in document.split("```sh\n").skip(1) {
        let block = block.split("```").next().expect("a block");
        let lines = block.replace("\\\n", " ");
        commands.extend(
            lines
                .lines()
                .map(|line| line.split(" #").next().unwrap_or(line).trim().to_owned())
                .filter(|line| !line.is_empty()),
        );
    }
    commands
}

/// A subscriber of a document, which ends with its handle.
struct Subscriber {
    command: String,
    curl: Child,
    lines: mpsc::Receiver<String>,
}

impl Subscriber {
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
        let _ = self.curl.kill();
        let _ = self.curl.wait();
    }
}

/// A reader who follows a document.
struct Follower {
    directory: TempDir,
    server: Option<Server>,
    subscribers: Vec<Subscriber>,
}

impl Follower {
    fn follow(document: &str) -> Self {
        let mut follower = Self {
            directory: tempfile::tempdir().unwrap(),
            server: None,
            subscribers: Vec::new(),
        };
        let commands = commands(document);
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
        assert!(line.contains(ADDRESS), "{line:?} is not for {ADDRESS}");
        let line = line.replace(ADDRESS, &server.address.to_string());
        let mut shell = Command::new("sh");
        shell
            .arg("-euc")
            .arg(line.replacen("curl ", "exec curl --no-progress-meter --fail ", 1))
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        shell
    }

    /// Returns when the stream has begun.
    fn subscribe(&mut self, line: &str) {
        let mut curl = self.shell(line).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(curl.stdout.take().expect("a pipe"));
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
            curl,
            lines,
        };
        subscriber.expect("event: connected");
        self.subscribers.push(subscriber);
    }

    fn run(&self, line: &str) {
        let output = self.shell(line).output().unwrap();
        assert!(output.status.success(), "{line:?}: {output:?}");
    }

    fn expect_published(&mut self) {
        for subscriber in self.subscribers.drain(..) {
            subscriber.expect(PUBLISHED);
        }
    }
}

fn root(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(file)
}

fn document(file: &str) -> String {
    fs::read_to_string(root(file)).unwrap()
}

#[test]
fn the_commands_of_the_readme_work() {
    let follower = Follower::follow(&document("README.md"));
    let server = follower.server.expect("it starts a server");
    let counter = server.get("/signals/counter").json();
    assert_eq!(counter["value"], 1, "{counter}");
}

#[test]
fn the_commands_of_getting_started_work() {
    let follower = Follower::follow(&document("docs/getting-started.md"));
    let kept = follower.directory.path().join("log");
    assert!(kept.is_dir(), "--data-dir makes its directory");
}
