//! The thread that connects and reads.

use std::{
    io::{ErrorKind, Read as _},
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
};
use socket2::{Domain, Socket, Type};

use super::{PATIENCE, Shared, StreamsConfig};
use crate::link::Link;

/// How often the thread checks whether it should end.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Most sockets that one call of epoll reports.
const MOST_READY: usize = 1024;
/// Connections that are opened between two calls of epoll.
const CONNECTS_AT_ONCE: usize = 16;

pub(super) struct Readers {
    config: StreamsConfig,
    shared: Arc<Shared>,
    epoll: OwnedFd,
    all: Vec<Reader>,
    open: usize,
    blocks: u64,
    /// The number of blocks at which one more event has arrived at all subscribers.
    next_arrival: u64,
    space: Vec<u8>,
}

struct Reader {
    link: Link,
    has_head: bool,
    /// The last byte that arrived: the end of a block may be split.
    last: u8,
    blocks: usize,
}

impl Readers {
    pub(super) fn new(config: StreamsConfig, shared: Arc<Shared>) -> Self {
        Self {
            all: Vec::with_capacity(config.count),
            next_arrival: config.count as u64,
            config,
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
                let pause = self.config.pause;
                if (1..MOST_READY).contains(&self.serve(POLL_INTERVAL)?) && !pause.is_zero() {
                    thread::sleep(pause);
                }
            }
            Ok(())
        });
        if let Err(fault) = served {
            *self.shared.fault.lock() = Some(fault);
        }
    }

    fn connect_all(&mut self) -> Result<(), String> {
        while self.all.len() < self.config.count {
            let waiting = self.all.len() - self.open;
            if waiting >= self.config.at_once {
                self.serve(POLL_INTERVAL)?;
            } else {
                let left = self.config.count - self.all.len();
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
        let address = self.config.address.into();
        let connected = socket.connect_timeout(&address, PATIENCE);
        connected.map_err(fault)?;
        socket.set_linger(Some(Duration::ZERO)).map_err(fault)?;
        let request = (self.config.request)(number);
        let mut link = Link::new(socket.into(), self.config.tls.as_ref());
        link.send(request.as_bytes()).map_err(fault)?;
        link.socket().set_nonblocking(true).map_err(fault)?;
        let token = epoll::EventData::new_u64(number as u64);
        epoll::add(&self.epoll, &link, token, epoll::EventFlags::IN)
            .map_err(|error| fault(error.into()))?;
        self.all.push(Reader {
            link,
            has_head: false,
            last: 0,
            blocks: 0,
        });
        Ok(())
    }

    /// Reads from all ready sockets; returns their number.
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
        let length = match reader.link.read(&mut self.space) {
            Ok(0) => return Err(format!("the stream of subscriber {number} has ended")),
            Ok(length) => length,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => return Ok(()),
                _ => return Err(format!("subscriber {number}: {error}")),
            },
        };
        let bytes = &self.space[..length];
        let opening = self.config.opening_blocks;
        let was_open = reader.has_head && reader.blocks >= opening;
        let before = reader.blocks.max(opening);
        reader.count(bytes, self.config.event_end)?;
        if !was_open && reader.has_head && reader.blocks >= opening {
            self.open += 1;
        }
        self.blocks += reader.blocks.max(opening).saturating_sub(before) as u64;
        self.record_arrivals();
        Ok(())
    }

    fn record_arrivals(&mut self) {
        while self.blocks >= self.next_arrival {
            self.next_arrival += self.config.count as u64;
            self.shared.arrivals.lock().push(Instant::now());
        }
    }
}

impl Reader {
    fn count(&mut self, bytes: &[u8], end: &[u8]) -> Result<(), String> {
        if !self.has_head {
            if !bytes.starts_with(b"HTTP/1.1 200 ") {
                return Err(format!("refused: {}", String::from_utf8_lossy(bytes)));
            }
            self.has_head = memmem::find(bytes, b"\r\n\r\n").is_some();
        }
        let last = mem::replace(&mut self.last, bytes[bytes.len() - 1]);
        let in_two = end.len() > 1 && [last, bytes[0]] == *end;
        self.blocks += usize::from(in_two) + memmem::find_iter(bytes, end).count();
        Ok(())
    }
}
