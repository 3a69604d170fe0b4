//! The yardstick: a bare epoll loop on each of two threads. It sends the head of a stream at once, then one `send` of
//! a ready-made chunk for each subscriber and event, never one for two events, and nothing else. Bytes that a socket
//! does not accept wait in memory, without a bound. With TLS the connections are those of rustls, with their buffers.

mod connection;
mod encrypted;
mod inbox;
mod plain;
mod request;

use std::{io::ErrorKind, net::TcpListener, os::fd::OwnedFd, sync::Arc};

use memchr::memmem;
use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, EventData, EventFlags},
    io::Errno,
    net::{SocketFlags, accept_with, sockopt},
};

use self::{
    connection::{Connection, READ, Transport, token},
    encrypted::Encrypted,
    inbox::{Inbox, Message},
    plain::Plain,
    request::{Event, content_length, publish_response, topic},
};
use super::{THREADS, listen};

/// The head of the response to a stream.
pub const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";

const LISTENER: u64 = u64::MAX;
const INBOX: u64 = u64::MAX - 1;
const CLOSED: EventFlags = EventFlags::HUP
    .union(EventFlags::RDHUP)
    .union(EventFlags::ERR);

/// Serves for ever; a stream begins with `opening`, in one `send`.
pub fn serve(opening: Vec<u8>) {
    let open: Open<_> = Arc::new(Plain::new);
    serve_with(opening, &open);
}

/// The same with TLS, with a certificate and its key from files.
pub fn serve_encrypted(certificate: &str, key: &str) {
    let config = encrypted::config(certificate, key);
    let open: Open<_> = Arc::new(move |socket| Encrypted::new(socket, &config));
    serve_with(HEAD.into(), &open);
}

/// Begins a connection on a socket.
type Open<T> = Arc<dyn Fn(OwnedFd) -> T + Send + Sync>;

fn serve_with<T: Transport + Send + 'static>(opening: Vec<u8>, open: &Open<T>) {
    let listener = listen();
    let inboxes: Arc<[Inbox; THREADS]> = Arc::new(std::array::from_fn(|_| Inbox::new()));
    let opening: Chunk = opening.into();
    let other = Worker::new(1, &inboxes, &opening, open);
    std::thread::spawn(move || other.run());
    let mut first = Worker::new(0, &inboxes, &opening, open);
    epoll::add(
        &first.epoll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )
    .expect("added");
    first.listener = Some(listener);
    first.run();
}

type Chunk = Arc<[u8]>;

struct Worker<T> {
    epoll: OwnedFd,
    number: usize,
    inboxes: Arc<[Inbox; THREADS]>,
    /// The first thread accepts, and hands over every other connection.
    listener: Option<TcpListener>,
    accepted: usize,
    opening: Chunk,
    open: Open<T>,
    connections: Vec<Option<Connection<T>>>,
    free: Vec<usize>,
    /// Published events that have yet to be sent to the streams of this thread.
    due: Vec<Event>,
    space: Vec<u8>,
}

impl<T: Transport> Worker<T> {
    fn new(
        number: usize,
        inboxes: &Arc<[Inbox; THREADS]>,
        opening: &Chunk,
        open: &Open<T>,
    ) -> Self {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
        let wake = inboxes[number].wake();
        epoll::add(&epoll, wake, EventData::new_u64(INBOX), EventFlags::IN).expect("added");
        Self {
            epoll,
            number,
            inboxes: Arc::clone(inboxes),
            listener: None,
            accepted: 0,
            opening: Arc::clone(opening),
            open: Arc::clone(open),
            connections: Vec::new(),
            free: Vec::new(),
            due: Vec::new(),
            space: vec![0; 64 << 10],
        }
    }

    fn run(mut self) {
        let mut events = Vec::with_capacity(1024);
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => panic!("epoll: {error}"),
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept(),
                    INBOX => self.take_messages(),
                    token => self.on_ready(usize::try_from(token).expect("an index"), event.flags),
                }
            }
            for event in std::mem::take(&mut self.due) {
                self.fan_out(&event);
            }
        }
    }

    fn accept(&mut self) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        while let Some(listener) = &self.listener {
            let Ok(socket) = accept_with(listener, flags) else {
                return;
            };
            sockopt::set_tcp_nodelay(&socket, true).expect("no delay");
            self.accepted += 1;
            match self.accepted % THREADS {
                0 => self.add(socket),
                other => self.inboxes[other].put(Message::Connection(socket)),
            }
        }
    }

    fn take_messages(&mut self) {
        for message in self.inboxes[self.number].take() {
            match message {
                Message::Connection(socket) => self.add(socket),
                Message::Event(event) => self.due.push(event),
            }
        }
    }

    fn add(&mut self, socket: OwnedFd) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        epoll::add(&self.epoll, &socket, token(index), READ).expect("added");
        self.connections[index] = Some(Connection::new((self.open)(socket)));
    }

    fn on_ready(&mut self, index: usize, flags: EventFlags) {
        if flags.contains(EventFlags::OUT)
            && let Some(connection) = &mut self.connections[index]
        {
            connection.send_waiting(&self.epoll, index);
        }
        if flags.intersects(READ | CLOSED) && !self.read(index) {
            self.connections[index] = None;
            self.free.push(index);
        }
    }

    /// False when the connection is over.
    fn read(&mut self, index: usize) -> bool {
        let Some(connection) = &mut self.connections[index] else {
            return true;
        };
        match connection.receive(&mut self.space, &self.epoll, index) {
            Ok(0) => false,
            Ok(_) if connection.topic.is_some() => true,
            Ok(length) => {
                connection.input.extend_from_slice(&self.space[..length]);
                self.respond(index);
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    fn respond(&mut self, index: usize) {
        let Some(connection) = &mut self.connections[index] else {
            return;
        };
        let Some(end) = memmem::find(&connection.input, b"\r\n\r\n") else {
            return;
        };
        if connection.input.starts_with(b"GET ") {
            connection.topic = Some(topic(&connection.input));
            connection.input = Vec::new();
            connection.send(&self.opening, &self.epoll, index);
            return;
        }
        let whole = end + 4 + content_length(&connection.input[..end]);
        if connection.input.len() < whole {
            return;
        }
        let (id, event) = Event::new(&connection.input, end + 4..whole);
        connection.input.drain(..whole);
        connection.send(&publish_response(&id), &self.epoll, index);
        for (number, inbox) in self.inboxes.iter().enumerate() {
            if number != self.number {
                inbox.put(Message::Event(event.clone()));
            }
        }
        self.due.push(event);
    }

    fn fan_out(&mut self, event: &Event) {
        for (index, connection) in self.connections.iter_mut().enumerate() {
            if let Some(connection) = connection
                && connection.topic == Some(event.topic)
            {
                connection.send(&event.chunk, &self.epoll, index);
            }
        }
    }
}
