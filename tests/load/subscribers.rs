//! Many subscribers at once, each of which must receive the same bytes. These are compared and not kept, so that a
//! subscriber costs next to nothing compared with the server under test.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{io::AsyncWriteExt, net::TcpStream, runtime::Runtime};

use crate::support::wait_until;

/// Descriptors that a test may use of those there are: others run beside it, and the server, which
/// has the same limit, keeps some back.
const SHARE: u64 = 4;

/// Longer than a block is here.
const LAST_BLOCK: usize = 128 << 10;

/// So many subscribers, or as many as the limit of open files has room for.
pub fn room_for(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = setrlimit(Resource::Nofile, raised);
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    wanted.min(usize::try_from(limit / SHARE).unwrap_or(usize::MAX))
}

/// Subscribers of one path, opened before anything is published to it.
pub struct Crowd {
    /// Ends the readers with it.
    _runtime: Runtime,
    shared: Arc<Shared>,
    members: Vec<Arc<AtomicUsize>>,
}

#[derive(Default)]
struct Shared {
    /// What the first to come there has read.
    text: Mutex<Vec<u8>>,
    /// What went wrong first.
    fault: Mutex<Option<String>>,
}

impl Crowd {
    pub fn open(address: SocketAddr, path: &str, count: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_io()
            .build()
            .unwrap();
        let shared = Arc::new(Shared::default());
        let members: Vec<_> = (0..count).map(|_| Arc::new(AtomicUsize::new(0))).collect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        runtime.block_on(async {
            for (number, read) in members.iter().enumerate() {
                let mut socket = TcpStream::connect(address)
                    .await
                    .expect("the server accepts");
                socket.write_all(request.as_bytes()).await.unwrap();
                let (shared, read) = (Arc::clone(&shared), Arc::clone(read));
                tokio::spawn(async move {
                    let fault = follow(&socket, &shared, &read).await;
                    let fault = format!("subscriber {number}: {fault}");
                    shared.fault.lock().unwrap().get_or_insert(fault);
                });
            }
        });
        let crowd = Self {
            _runtime: runtime,
            shared,
            members,
        };
        wait_until("all are connected", || crowd.all_have("event: connected\n"));
        crowd
    }

    /// Waits until every one has got what ends with the event of this id.
    pub fn wait_for(&self, id: &str) {
        let id = format!("id: {id}\n");
        wait_until("all is delivered to all", || self.all_have(&id));
    }

    /// The ids of the events that every one has got, in order, behind `connected`. There is nothing
    /// else of ours among them, so no gap.
    pub fn ids(&self) -> Vec<String> {
        let text = self.shared.text.lock().unwrap();
        let text = std::str::from_utf8(&text).unwrap();
        let mut blocks = text.split_terminator("\n\n");
        assert!(
            blocks
                .next()
                .is_some_and(|first| first.contains("event: connected\n"))
        );
        let id = |block: &str| {
            assert!(
                !block.contains("event: "),
                "only events were published: {block}"
            );
            let id = block
                .lines()
                .next_back()
                .and_then(|line| line.strip_prefix("id: "));
            id.unwrap_or_else(|| panic!("no id in {block:?}"))
                .to_owned()
        };
        blocks.map(id).collect()
    }

    /// Whether this text is in what has come, as a last block, and all have come to its end.
    fn all_have(&self, text: &str) -> bool {
        let fault = self.shared.fault.lock().unwrap();
        assert!(fault.is_none(), "{fault:?}");
        let read = self.shared.text.lock().unwrap();
        let tail = &read[read.len().saturating_sub(LAST_BLOCK)..];
        let whole = |member: &Arc<AtomicUsize>| member.load(Ordering::SeqCst) == read.len();
        tail.ends_with(b"\n\n")
            && tail.windows(text.len()).any(|part| part == text.as_bytes())
            && self.members.iter().all(whole)
    }
}

/// Reads until something is wrong, which is what it returns.
async fn follow(socket: &TcpStream, shared: &Shared, read: &AtomicUsize) -> String {
    let mut chunks = Chunks::default();
    // The reconnection time, which each stream has of its own, is its first line.
    let mut is_past_retry = false;
    let mut take = |mut part: &[u8]| {
        if !is_past_retry {
            let Some(end) = part.iter().position(|byte| *byte == b'\n') else {
                return Ok(());
            };
            is_past_retry = true;
            part = &part[end + 1..];
        }
        compare(part, shared, read)
    };
    loop {
        if let Err(error) = socket.readable().await {
            return error.to_string();
        }
        // On the stack of the thread, for the time between two awaits: a reader has no buffer.
        let mut space = [0; 16 << 10];
        match socket.try_read(&mut space) {
            Ok(0) => return "the stream ended".to_owned(),
            Ok(length) => {
                let compared = chunks.each(&space[..length], &mut take);
                if let Err(fault) = compared {
                    return fault;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return error.to_string(),
        }
    }
}

fn compare(part: &[u8], shared: &Shared, read: &AtomicUsize) -> Result<(), String> {
    let mut text = shared.text.lock().unwrap();
    let at = read.load(Ordering::SeqCst);
    let known = (text.len() - at).min(part.len());
    if text[at..at + known] != part[..known] {
        let context =
            |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned();
        let (expected, came) = (context(&text[at..]), context(part));
        return Err(format!("others got {expected:?} where it got {came:?}"));
    }
    text.extend_from_slice(&part[known..]);
    read.store(at + part.len(), Ordering::SeqCst);
    Ok(())
}

/// Takes the head off, then the framing of the chunks.
#[derive(Default)]
struct Chunks {
    line: Vec<u8>,
    in_body: bool,
    /// Of the chunk, and of the line end behind it.
    left: usize,
    line_end: usize,
}

impl Chunks {
    fn each(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let (part, rest) = bytes.split_at(bytes.len().min(self.left));
                take(part)?;
                self.left -= part.len();
                bytes = rest;
            } else if self.line_end > 0 {
                let skip = bytes.len().min(self.line_end);
                self.line_end -= skip;
                bytes = &bytes[skip..];
            } else {
                self.line.push(bytes[0]);
                bytes = &bytes[1..];
                self.end_line()?;
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), String> {
        let end: &[u8] = if self.in_body { b"\r\n" } else { b"\r\n\r\n" };
        let Some(line) = self.line.strip_suffix(end) else {
            return Ok(());
        };
        let line = String::from_utf8_lossy(line).into_owned();
        self.line.clear();
        if !self.in_body {
            self.in_body = true;
            return if line.contains(" 200 ") {
                Ok(())
            } else {
                Err(line)
            };
        }
        self.left = usize::from_str_radix(&line, 16).map_err(|_| format!("no chunk: {line:?}"))?;
        self.line_end = 2;
        if self.left == 0 {
            Err("the stream ended cleanly".to_owned())
        } else {
            Ok(())
        }
    }
}
