//! A directory with a log, servers on it, and fast clients that may be cut.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use tempfile::TempDir;

use crate::support::{PATIENCE, Server, command};

pub const TEXT: &str = "text/plain";
const LINES: &str = "application/x-ndjson";

/// Milliseconds and sequence, as they sort.
pub type Id = (u64, u64);

pub fn id_of(text: &str) -> Id {
    let (ms, sequence) = text.split_once('-').expect("an id");
    (ms.parse().expect("an id"), sequence.parse().expect("an id"))
}

/// Where randomness begins: `DISK_SEED`, or somewhere else each time. Print it when a test fails.
pub fn seed() -> u64 {
    let seed = std::env::var("DISK_SEED").ok();
    seed.map_or_else(
        || fastrand::u64(..1 << 32),
        |seed| seed.parse().expect("DISK_SEED is a number"),
    )
}

/// How many rounds: `DISK_ROUNDS`, or what the tests have by themselves.
pub fn rounds(usual: usize) -> usize {
    let rounds = std::env::var("DISK_ROUNDS").ok();
    rounds.map_or(usual, |rounds| {
        rounds.parse().expect("DISK_ROUNDS is a number")
    })
}

/// A directory that is removed with it, with a log in it or none yet.
pub struct Log {
    directory: TempDir,
}

impl Log {
    pub fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Somewhere beside the log.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The binary on this log.
    pub fn command(&self, args: &[&str]) -> Command {
        command_on(&self.path(), args)
    }

    pub fn start(&self, args: &[&str]) -> Server {
        Server::spawn(self.command(args))
    }
}

/// The binary on the log of a directory.
pub fn command_on(directory: &Path, args: &[&str]) -> Command {
    let mut command = command(&["--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(directory).args(args);
    command
}

/// What a server said that did not start.
pub fn refusal(command: Command) -> String {
    match Server::try_spawn(command) {
        Err(said) => {
            assert!(!said.contains("panicked"), "{said}");
            said
        }
        Ok(_) => panic!("it has started"),
    }
}

/// A publisher that keeps its connection.
pub struct Publisher(BufReader<TcpStream>);

impl Publisher {
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(socket)))
    }

    /// The status and the body of the response.
    pub fn post(&mut self, path: &str, kind: &str, body: &str) -> io::Result<(u16, String)> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes())?;
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().expect("a status");
            }
            if let Some(text) = line.strip_prefix("content-length: ") {
                length = text.parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((status, String::from_utf8(body).expect("text")))
    }

    /// Publishes text, and returns its id; an error is the end of the connection.
    pub fn text(&mut self, path: &str, data: &str) -> io::Result<Id> {
        let (status, body) = self.post(path, TEXT, data)?;
        assert_eq!(status, 200, "{body}");
        let id = body.split('"').nth(3).expect("an id");
        Ok(id_of(id))
    }
}

/// Publishes each of these as an event, in one request of NDJSON to this path.
pub fn publish_lines(server: &Server, path: &str, data: impl IntoIterator<Item = String>) {
    let line = |data| serde_json::json!({ "data": data }).to_string() + "\n";
    let lines: String = data.into_iter().map(line).collect();
    let mut publisher = Publisher::connect(server.address).expect("it accepts");
    let (status, said) = publisher.post(path, LINES, &lines).expect("a response");
    assert_eq!(status, 200, "{said}");
}

/// A stream without chunks, fast to read, that may be cut off anywhere.
pub struct Feed {
    reader: BufReader<TcpStream>,
    /// History's head when it began.
    pub head: Id,
    /// The last id that came with a whole message, as it is sent.
    pub last_id: String,
    pub gaps: usize,
}

impl Feed {
    pub fn open(address: SocketAddr, query: &str, last_id: &str) -> io::Result<Self> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let brought = if last_id.is_empty() {
            String::new()
        } else {
            format!("Last-Event-ID: {last_id}\r\n")
        };
        let request = format!("GET /events?{query} HTTP/1.0\r\nHost: 127.0.0.1\r\n{brought}\r\n");
        socket.write_all(request.as_bytes())?;
        let mut reader = BufReader::with_capacity(1 << 17, socket);
        let mut head = (0, 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(text) = line.strip_prefix("event-head: ") {
                head = id_of(text);
            }
            if line.is_empty() {
                break;
            }
        }
        Ok(Self {
            reader,
            head,
            last_id: last_id.to_owned(),
            gaps: 0,
        })
    }

    /// The next message: its name, id and data; `None` where it is cut off.
    pub fn next(&mut self) -> Option<(String, Id, String)> {
        let began = Instant::now();
        let (mut name, mut id, mut data) = (String::new(), None, None::<String>);
        loop {
            let mut line = String::new();
            let read = self.reader.read_line(&mut line);
            let timed_out = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
            assert!(
                !read
                    .as_ref()
                    .is_err_and(|error| timed_out.contains(&error.kind()))
                    && began.elapsed() < PATIENCE,
                "nothing came on the stream"
            );
            if !read.is_ok_and(|bytes| bytes > 0) || !line.ends_with('\n') {
                return None;
            }
            let line = line.trim_end_matches('\n');
            let (field, value) = line.split_once(": ").unwrap_or((line, ""));
            match field {
                "event" => value.clone_into(&mut name),
                "id" => id = Some(value.to_owned()),
                "data" => data = Some(data.map_or(value.to_owned(), |text| text + "\n" + value)),
                "" if line.is_empty() => {
                    if let Some(id) = id.take() {
                        self.last_id = id;
                    }
                    let Some(data) = data.take() else { continue };
                    self.gaps += usize::from(name == "gap");
                    return Some((name, id_of(&self.last_id), data));
                }
                _ => {}
            }
        }
    }

    /// The events up to the head of when it began.
    pub fn up_to_head(&mut self) -> Vec<(Id, String)> {
        let mut events = Vec::new();
        loop {
            let (name, id, data) = self.next().expect("the stream goes on");
            if name.is_empty() {
                events.push((id, data));
            }
            if id >= self.head && name != "gap" {
                return events;
            }
        }
    }
}

/// All that the log holds; nothing of it may be missing.
pub fn replay(server: &Server) -> Vec<(Id, String)> {
    let query = "topic=*&since=earliest&until=head";
    let mut feed = Feed::open(server.address, query, "").expect("a stream");
    let events = feed.up_to_head();
    assert_eq!(feed.gaps, 0, "something is lost");
    assert!(
        events.is_sorted_by(|(one, _), (next, _)| one < next),
        "ids do not increase"
    );
    events
}
