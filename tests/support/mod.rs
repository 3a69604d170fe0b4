//! The real binary over real sockets: a server that dies with its handle, and plain readers of what
//! it answers. Nothing here waits but on a condition, and nothing waits for ever.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod certificates;
pub mod clock;
pub mod redis;
pub mod shim;
pub mod socket;
pub mod terminal;

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

/// Longer than anything here takes, on the slowest machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The binary with these arguments, and none of the caller's settings.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sse-broadcaster"));
    for (name, _) in std::env::vars() {
        if name.starts_with("SSE_BROADCASTER_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    let extra = std::env::var("SSE_BROADCASTER_EXTRA_ARGS").unwrap_or_default();
    command.args(extra.split_whitespace()).args(args);
    command
}

/// Whether servers are started so that all streams go through actix.
pub fn has_ordinary_streams() -> bool {
    std::env::var("TEST_STREAMS").is_ok_and(|streams| streams == "ordinary")
}

/// A running server on a port of its own.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    log: Mutex<mpsc::Receiver<String>>,
    seen: Vec<String>,
    /// Removed with the server.
    #[allow(dead_code, reason = "removed with the server")]
    directory: Option<TempDir>,
}

impl Server {
    /// Starts with these arguments behind `--listen 127.0.0.1:0`, and waits until it listens. With
    /// `TEST_HISTORY=disk` its history is in a log of its own, and with `TEST_STREAMS=ordinary` all its
    /// streams go through actix, so that the same tests show these.
    pub fn start(args: &[&str]) -> Self {
        let mut command = command(&["--listen", "127.0.0.1:0"]);
        command.args(args);
        if has_ordinary_streams() && !args.contains(&"--no-direct") {
            command.arg("--no-direct");
        }
        let on_disk = std::env::var("TEST_HISTORY").is_ok_and(|history| history == "disk");
        let directory = (on_disk && !args.contains(&"--data-dir"))
            .then(|| tempfile::tempdir().expect("a directory"));
        if let Some(directory) = &directory {
            command.arg("--data-dir").arg(directory.path());
        }
        let mut server = Self::spawn(command);
        server.directory = directory;
        server
    }

    /// Starts this command, and waits until it says where it listens.
    pub fn spawn(command: Command) -> Self {
        Self::try_spawn(command)
            .unwrap_or_else(|said| panic!("it does not listen, but says:\n{said}"))
    }

    /// The same, or what it said before it ended.
    pub fn try_spawn(mut command: Command) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (send, log) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let mut server = Self {
            child,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            log: Mutex::new(log),
            seen: Vec::new(),
            directory: None,
        };
        let Some(line) = server.find_in_log("listening on http://") else {
            let said = server.log();
            assert_eq!(server.wait().code(), Some(1), "{said}");
            return Err(said);
        };
        let address = line
            .split("http://")
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
        Ok(server)
    }

    /// One of the examples that take an address, and print first where they listen.
    pub fn example(name: &str) -> Self {
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_sse-broadcaster"))
            .with_file_name("examples")
            .join(name);
        if !program.exists() {
            // Only a run of all tests builds the examples by itself.
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

    /// Another program that serves at this address.
    pub fn adopt(child: Child, address: SocketAddr) -> Self {
        Self {
            child,
            address,
            log: mpsc::channel().1.into(),
            seen: Vec::new(),
            directory: None,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The first line of the log, from here on, that holds this text.
    pub fn wait_for_log(&mut self, text: &str) -> String {
        self.find_in_log(text)
            .unwrap_or_else(|| panic!("no {text:?} in the log:\n{}", self.seen.join("\n")))
    }

    fn find_in_log(&mut self, text: &str) -> Option<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.log.get_mut().unwrap().recv_timeout(left).ok()?;
            self.seen.push(line.clone());
            if line.contains(text) {
                return Some(line);
            }
        }
    }

    /// Every line of the log so far.
    pub fn log(&mut self) -> String {
        self.seen.extend(self.log.get_mut().unwrap().try_iter());
        self.seen.join("\n")
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

    pub fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).expect("the server accepts");
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// A connection whose client's kernel takes next to nothing that the client does not read.
    pub fn connect_narrow(&self, receive_buffer_bytes: usize) -> TcpStream {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(receive_buffer_bytes).unwrap();
        socket
            .connect(&self.address.into())
            .expect("the server accepts");
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.into()
    }

    /// One request on a connection of its own; `head` is its lines without `Host` and the blank one.
    pub fn request(&self, head: &str, body: &[u8]) -> Answer {
        self.raw(head, &format!("127.0.0.1:{}", self.address.port()), body)
    }

    pub fn raw(&self, head: &str, host: &str, body: &[u8]) -> Answer {
        let mut socket = self.connect();
        let length = match body.len() {
            0 if !head.starts_with("POST") => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        let head = head
            .trim_end()
            .replace('\n', "\r\n")
            .replace("\r\r\n", "\r\n");
        let request = format!("{head}\r\nHost: {host}\r\nConnection: close\r\n{length}\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        // A refusal may come, and the connection close, before all is written.
        let _ = socket.write_all(body);
        Answer::read(socket)
    }

    /// The answer to these bytes, whatever they are.
    pub fn send(&self, request: &[u8]) -> Answer {
        let mut socket = self.connect();
        let _ = socket.write_all(request);
        Answer::read(socket)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request(&format!("GET {path} HTTP/1.1"), b"")
    }

    pub fn post(&self, path: &str, content_type: &str, body: &str) -> Answer {
        let head = format!("POST {path} HTTP/1.1\nContent-Type: {content_type}");
        self.request(&head, body.as_bytes())
    }

    /// Publishes and returns the id.
    pub fn publish(&self, topic: &str, data: &str) -> String {
        let body = serde_json::json!({ "topic": topic, "data": data }).to_string();
        let answer = self.post("/events", "application/json", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Publishes a batch and returns its ids.
    pub fn publish_all(&self, topic: &str, data: impl IntoIterator<Item = String>) -> Vec<String> {
        let event = |data| serde_json::json!({ "topic": topic, "data": data });
        let batch: serde_json::Value = data.into_iter().map(event).collect();
        let answer = self.post("/events", "application/json", &batch.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        let ids = answer.json()["ids"].as_array().expect("ids").clone();
        ids.iter()
            .map(|id| id.as_str().expect("an id").to_owned())
            .collect()
    }

    /// How many streams have ended for this reason.
    pub fn ended(&self, reason: &str) -> u64 {
        self.metric(&format!("ended_total{{reason=\"{reason}\"}}"))
    }

    /// A stream, for instance of `/events?topic=a`.
    pub fn subscribe(&self, path: &str) -> Stream {
        self.subscribe_with(path, "")
    }

    /// With further lines in the head, such as `Last-Event-ID: 1-1`.
    pub fn subscribe_with(&self, path: &str, lines: &str) -> Stream {
        let mut socket = self.connect();
        let lines: Vec<_> = lines.lines().flat_map(|line| [line, "\r\n"]).collect();
        let lines = lines.concat();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n{lines}\r\n",
            self.address
        );
        socket.write_all(request.as_bytes()).unwrap();
        Stream::open(socket)
    }

    /// A figure of `/metrics`, without the prefix.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").text();
        let name = format!("sse_broadcaster_{name} ");
        let line = text.lines().find(|line| line.starts_with(&name));
        let value = line
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .split(' ')
            .nth(1);
        value.unwrap().parse().expect("a whole number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn read(socket: TcpStream) -> Self {
        Self::try_read(socket).expect("a head")
    }

    /// `None` where the server went away before it answered.
    pub fn try_read(socket: TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(socket);
        let head = read_head(&mut reader).ok()?;
        let mut body = Vec::new();
        if header_in(&head, "transfer-encoding").is_some() {
            while let Ok(Some(chunk)) = read_chunk(&mut reader) {
                body.extend(chunk);
            }
        } else {
            let length = header_in(&head, "content-length").and_then(|text| text.parse().ok());
            let _ = reader
                .take(length.unwrap_or(u64::MAX))
                .read_to_end(&mut body);
        }
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Some(Self {
            status: status.expect("a status"),
            head,
            body,
        })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        header_in(&self.head, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The `code` of a problem.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().expect("a code").to_owned()
    }
}

fn header_in<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

fn read_head(reader: &mut impl BufRead) -> io::Result<String> {
    let mut head = String::new();
    loop {
        let before = head.len();
        if reader.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if head[before..].trim().is_empty() {
            return Ok(head);
        }
    }
}

/// One chunk, or `None` for the last.
fn read_chunk(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
    let mut chunk = vec![0; size + 2];
    reader.read_exact(&mut chunk)?;
    chunk.truncate(size);
    Ok(if size == 0 { None } else { Some(chunk) })
}

/// A message of a stream, as the WHATWG's parser dispatches it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    pub name: String,
    pub data: String,
    /// The last id, as of this message.
    pub id: String,
    /// The reconnection time that its own block sets.
    pub retry: Option<u64>,
}

/// How a stream ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// With the last chunk: some clients give up after it.
    Clean,
    Cut,
}

/// An open `text/event-stream`.
pub struct Stream {
    reader: BufReader<TcpStream>,
    pub head: String,
    chunked: bool,
    rest: String,
    bytes: Vec<u8>,
    pub last_id: String,
    /// The last reconnection time that was told, in milliseconds.
    pub retry: Option<u64>,
    pub pings: usize,
    pub end: Option<End>,
}

impl Stream {
    pub fn open(socket: TcpStream) -> Self {
        Self::try_open(socket).expect("a head")
    }

    /// `None` where the server went away before it answered.
    pub fn try_open(socket: TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(socket);
        let head = read_head(&mut reader).ok()?;
        assert!(head.contains(" 200 "), "{head}");
        Some(Self {
            chunked: header_in(&head, "transfer-encoding").is_some(),
            reader,
            head,
            rest: String::new(),
            bytes: Vec::new(),
            last_id: String::new(),
            retry: None,
            pings: 0,
            end: None,
        })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        header_in(&self.head, name)
    }

    pub fn socket(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// The next message, ours too; `None` at the end, which is then in `end`.
    pub fn next(&mut self) -> Option<Message> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(
                Instant::now() < deadline,
                "nothing but pings came on the stream"
            );
            if let Some(end) = self.rest.find("\n\n") {
                let block: String = self.rest.drain(..end + 2).collect();
                if let Some(message) = self.dispatch(&block) {
                    return Some(message);
                }
                continue;
            }
            if !self.fill() {
                let rest = std::mem::take(&mut self.rest);
                let id = self.last_id.clone();
                self.dispatch(&rest[..rest.rfind('\n').map_or(0, |at| at + 1)]);
                // A block that was cut off is not dispatched, and its id does not count.
                self.last_id = id;
                return None;
            }
        }
    }

    /// The next event that was published; what is ours is passed over.
    pub fn event(&mut self) -> Option<Message> {
        loop {
            let message = self.next()?;
            if !["connected", "gap", "heartbeat", "position"].contains(&message.name.as_str()) {
                return Some(message);
            }
        }
    }

    /// The data of the next so many events.
    pub fn data(&mut self, count: usize) -> Vec<String> {
        (0..count)
            .map(|_| self.event().expect("an event").data)
            .collect()
    }

    /// Reads until the message of this name.
    pub fn until(&mut self, name: &str) -> Message {
        loop {
            let message = self
                .next()
                .unwrap_or_else(|| panic!("the stream ended before {name}"));
            if message.name == name {
                return message;
            }
        }
    }

    /// The stream as it is on the wire from here on, up to this text and with it.
    pub fn text_until(&mut self, text: &str) -> String {
        let end = self.peek(text).find(text).unwrap_or(0) + text.len();
        self.rest.drain(..end).collect()
    }

    /// Reads to the end, before which a `position` says when to come back; what came before that.
    pub fn drain_to_farewell(&mut self) -> Vec<Message> {
        let mut messages = self.drain();
        let last = messages.pop().expect("a last block");
        assert_eq!(last.name, "position");
        assert!(last.retry.is_some(), "no retry in the last block");
        assert_eq!(self.end, Some(End::Cut));
        messages
    }

    /// Reads to the end.
    pub fn drain(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// Reads so many bytes of the text that comes next, which is ASCII, or to the end of the stream.
    pub fn take_bytes(&mut self, count: usize) -> String {
        while self.rest.len() < count && self.fill() {}
        self.rest.drain(..count.min(self.rest.len())).collect()
    }

    /// The text that is not read yet, which is read on until it holds this.
    pub fn peek(&mut self, until: &str) -> &str {
        while !self.rest.contains(until) {
            assert!(
                self.fill(),
                "the stream ended before {until:?}: {:?}",
                self.rest
            );
        }
        &self.rest
    }

    fn fill(&mut self) -> bool {
        if self.end.is_some() {
            return false;
        }
        let read = if self.chunked {
            read_chunk(&mut self.reader)
        } else {
            let read = self.reader.fill_buf().map(<[u8]>::to_vec);
            read.map(|bytes| {
                self.reader.consume(bytes.len());
                Some(bytes).filter(|bytes| !bytes.is_empty())
            })
        };
        match read {
            Ok(Some(bytes)) => {
                self.bytes.extend(bytes);
                let whole = match std::str::from_utf8(&self.bytes) {
                    Ok(text) => text.len(),
                    Err(error) => error.valid_up_to(),
                };
                let text: Vec<u8> = self.bytes.drain(..whole).collect();
                self.rest.push_str(&String::from_utf8(text).unwrap());
                true
            }
            Ok(None) => {
                self.end = Some(End::Clean);
                false
            }
            Err(error) => {
                let timed_out = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
                assert!(
                    !timed_out.contains(&error.kind()),
                    "nothing came on the stream"
                );
                self.end = Some(End::Cut);
                false
            }
        }
    }

    fn dispatch(&mut self, block: &str) -> Option<Message> {
        let (mut message, mut data) = (Message::default(), Vec::new());
        for line in block.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if !line.is_empty() => self.pings += 1,
                "id" => value.clone_into(&mut self.last_id),
                "event" => value.clone_into(&mut message.name),
                "data" => data.push(value),
                "retry" => {
                    message.retry = value.parse().ok();
                    self.retry = message.retry;
                }
                _ => {}
            }
        }
        message.data = data.join("\n");
        message.id.clone_from(&self.last_id);
        (!data.is_empty()).then_some(message)
    }
}
