//! The yardstick: a bare epoll loop on each of two threads. It answers a stream's head at once, makes
//! one `send` of a ready-made chunk for each subscriber and event, never one for two events, and sends
//! nothing else. What a socket does not take waits in memory, without a bound.

mod connection;
mod inbox;
mod request;

use std::{net::TcpListener, os::fd::OwnedFd, sync::Arc};

use memchr::memmem;
use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, EventData, EventFlags},
    io::Errno,
    net::{RecvFlags, SocketFlags, accept_with, recv, sockopt},
};

use self::{
    connection::{Connection, READ, token},
    inbox::{Inbox, Message},
    request::{Event, answer_to_publish, content_length, topic},
};
use super::{THREADS, listen};

/// What a stream is answered.
pub const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";

const LISTENER: u64 = u64::MAX;
const INBOX: u64 = u64::MAX - 1;
const CLOSED: EventFlags = EventFlags::HUP
    .union(EventFlags::RDHUP)
    .union(EventFlags::ERR);

/// Serves for ever; a stream is answered `opening`, in one `send`.
pub fn serve(opening: Vec<u8>) {
    let listener = listen();
    let inboxes: Arc<[Inbox; THREADS]> = Arc::new(std::array::from_fn(|_| Inbox::new()));
    let opening: Chunk = opening.into();
    let other = Worker::new(1, &inboxes, &opening);
    std::thread::spawn(move || other.run());
    let mut first = Worker::new(0, &inboxes, &opening);
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

struct Worker {
    epoll: OwnedFd,
    number: usize,
    inboxes: Arc<[Inbox; THREADS]>,
    /// The first thread accepts, and hands over every other connection.
    listener: Option<TcpListener>,
    accepted: usize,
    opening: Chunk,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// What was published and is to be sent to all streams of this thread.
    due: Vec<Event>,
    space: Vec<u8>,
}

impl Worker {
    fn new(number: usize, inboxes: &Arc<[Inbox; THREADS]>, opening: &Chunk) -> Self {
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
                    token => self.attend(usize::try_from(token).expect("a place"), event.flags),
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
        let place = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        });
        epoll::add(&self.epoll, &socket, token(place), READ).expect("added");
        self.connections[place] = Some(Connection::new(socket));
    }

    fn attend(&mut self, place: usize, flags: EventFlags) {
        if flags.contains(EventFlags::OUT)
            && let Some(connection) = &mut self.connections[place]
        {
            connection.send_backlog(&self.epoll, place);
        }
        if flags.intersects(READ | CLOSED) && !self.read(place) {
            self.connections[place] = None;
            self.free.push(place);
        }
    }

    /// False when the connection is over.
    fn read(&mut self, place: usize) -> bool {
        let Some(connection) = &mut self.connections[place] else {
            return true;
        };
        let received = recv(&connection.socket, &mut self.space[..], RecvFlags::empty());
        match received {
            Ok((0, _)) => false,
            Ok(_) if connection.topic.is_some() => true,
            Ok((length, _)) => {
                connection.input.extend_from_slice(&self.space[..length]);
                self.answer(place);
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => true,
            Err(_) => false,
        }
    }

    fn answer(&mut self, place: usize) {
        let Some(connection) = &mut self.connections[place] else {
            return;
        };
        let Some(end) = memmem::find(&connection.input, b"\r\n\r\n") else {
            return;
        };
        if connection.input.starts_with(b"GET ") {
            connection.topic = Some(topic(&connection.input));
            connection.input = Vec::new();
            connection.send(&self.opening, &self.epoll, place);
            return;
        }
        let whole = end + 4 + content_length(&connection.input[..end]);
        if connection.input.len() < whole {
            return;
        }
        let (id, event) = Event::new(&connection.input, end + 4..whole);
        connection.input.drain(..whole);
        connection.send(&answer_to_publish(&id), &self.epoll, place);
        for (number, inbox) in self.inboxes.iter().enumerate() {
            if number != self.number {
                inbox.put(Message::Event(event.clone()));
            }
        }
        self.due.push(event);
    }

    fn fan_out(&mut self, event: &Event) {
        for (place, connection) in self.connections.iter_mut().enumerate() {
            if let Some(connection) = connection
                && connection.topic == Some(event.topic)
            {
                connection.send(&event.chunk, &self.epoll, place);
            }
        }
    }
}
