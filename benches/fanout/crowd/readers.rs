//! The thread that connects and reads.

use std::{
    mem,
    os::fd::OwnedFd,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use memchr::memmem;
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    io::Errno,
    net::{RecvFlags, recv},
};
use socket2::{Domain, Socket, Type};

use super::{PATIENCE, Shared, StreamRequest};

/// How often it looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);
/// Most that one look finds ready.
const MOST_READY: usize = 1024;
/// Behind each look that found something, but not more than that. A server whose `send` wakes a thread
/// that waits pays for it, a fifth of its time; for clients on other machines no server does.
const NAP: Duration = Duration::from_micros(500);
/// Connections that are opened between two looks at what has come.
const CONNECTS_AT_ONCE: usize = 16;

pub(super) struct Readers {
    wish: StreamRequest,
    shared: Arc<Shared>,
    epoll: OwnedFd,
    all: Vec<Reader>,
    open: usize,
    blocks: u64,
    /// So many blocks are one event more for all.
    next_arrival: u64,
    space: Vec<u8>,
}

struct Reader {
    socket: Socket,
    has_head: bool,
    /// The last byte that came: what ends a block may come in two parts.
    last: u8,
    blocks: usize,
}

impl Readers {
    pub(super) fn new(wish: StreamRequest, shared: Arc<Shared>) -> Self {
        Self {
            all: Vec::with_capacity(wish.count),
            next_arrival: wish.count as u64,
            wish,
            shared,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll"),
            open: 0,
            blocks: 0,
            space: vec![0; 256 << 10],
        }
    }

    pub(super) fn run(mut self) {
        let served = self.connect_all().and_then(|()| {
            while !self.shared.is_over.load(Ordering::SeqCst) {
                if (1..MOST_READY).contains(&self.serve(LOOK)?) {
                    thread::sleep(NAP);
                }
            }
            Ok(())
        });
        if let Err(fault) = served {
            *self.shared.fault.lock() = Some(fault);
        }
    }

    fn connect_all(&mut self) -> Result<(), String> {
        while self.all.len() < self.wish.count {
            let waiting = self.all.len() - self.open;
            if waiting >= self.wish.at_once {
                self.serve(LOOK)?;
            } else {
                let left = self.wish.count - self.all.len();
                let more = left.min(CONNECTS_AT_ONCE);
                (0..more).try_for_each(|_| self.connect())?;
                self.serve(Duration::ZERO)?;
            }
            if self.shared.is_over.load(Ordering::SeqCst) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<(), String> {
        let number = self.all.len();
        let fault = |error| format!("subscriber {number} cannot connect: {error}");
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(fault)?;
        let address = self.wish.address.into();
        let connected = socket.connect_timeout(&address, PATIENCE);
        connected.map_err(fault)?;
        socket.set_linger(Some(Duration::ZERO)).map_err(fault)?;
        let request = (self.wish.request)(number);
        let sent = socket.send(request.as_bytes()).map_err(fault)?;
        assert_eq!(sent, request.len(), "a request leaves in one piece");
        socket.set_nonblocking(true).map_err(fault)?;
        let token = epoll::EventData::new_u64(number as u64);
        epoll::add(&self.epoll, &socket, token, epoll::EventFlags::IN)
            .map_err(|error| fault(error.into()))?;
        self.all.push(Reader {
            socket,
            has_head: false,
            last: 0,
            blocks: 0,
        });
        Ok(())
    }

    /// Returns how many had something to read.
    fn serve(&mut self, wait: Duration) -> Result<usize, String> {
        let mut events = Vec::with_capacity(MOST_READY);
        let wait = Timespec::try_from(wait).expect("a short time");
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(format!("epoll: {error}")),
        }
        let (before, ready) = (self.blocks, events.len());
        for event in events {
            self.read(usize::try_from(event.data.u64()).expect("a number"))?;
        }
        self.shared.open.store(self.open, Ordering::SeqCst);
        if self.blocks > before {
            *self.shared.last.lock() = Some(Instant::now());
            self.shared.blocks.store(self.blocks, Ordering::SeqCst);
        }
        Ok(ready)
    }

    fn read(&mut self, number: usize) -> Result<(), String> {
        let reader = &mut self.all[number];
        let received = recv(&reader.socket, &mut self.space[..], RecvFlags::empty());
        let length = match received {
            Ok((0, _)) => return Err(format!("the stream of subscriber {number} has ended")),
            Ok((length, _)) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(error) => return Err(format!("subscriber {number}: {error}")),
        };
        let bytes = &self.space[..length];
        let opening = self.wish.opening_blocks;
        let stood = reader.has_head && reader.blocks >= opening;
        let before = reader.blocks.max(opening);
        reader.take(bytes)?;
        if !stood && reader.has_head && reader.blocks >= opening {
            self.open += 1;
        }
        self.blocks += reader.blocks.max(opening).saturating_sub(before) as u64;
        self.note_arrivals();
        Ok(())
    }

    fn note_arrivals(&mut self) {
        while self.blocks >= self.next_arrival {
            self.next_arrival += self.wish.count as u64;
            self.shared.arrivals.lock().push(Instant::now());
        }
    }
}

impl Reader {
    fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        if !self.has_head {
            if !bytes.starts_with(b"HTTP/1.1 200 ") {
                return Err(format!("refused: {}", String::from_utf8_lossy(bytes)));
            }
            self.has_head = memmem::find(bytes, b"\r\n\r\n").is_some();
        }
        let last = mem::replace(&mut self.last, bytes[bytes.len() - 1]);
        let in_two = last == b'\n' && bytes[0] == b'\n';
        self.blocks += usize::from(in_two) + memmem::find_iter(bytes, b"\n\n").count();
        Ok(())
    }
}
