//! What has become of each connection, and what is to be done about it when its socket, the clock or
//! its stream says so.

use std::{
    io::{self, Read as _},
    net::{SocketAddr, TcpStream},
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use actix_http::ServiceConfig;
use slab::Slab;

use super::{
    super::{
        capacity::Counted,
        connection::Settings,
        patience::{RESET_GRACE, RESET_LOOK, Reset, Stall},
        socket,
    },
    head::{Begun, Verdict, judge},
    inbox::{Bell, Inbox, Slot},
    outgoing::Framer,
    sockets::{Ready, Sockets},
    stream::{Rest, Stream},
    timers::Timers,
};
use sse_broadcaster_actix::internal::AppState;

/// How long the whole head of a stream's request is waited for. A slower one is left to actix, which
/// has a bound of its own, and an answer for whoever exceeds it.
const HEAD_WAIT: Duration = Duration::from_secs(1);
/// Most connections that the clock brings up at once.
const DUE_AT_ONCE: usize = 64;
/// Most bytes of a head that are read at once.
const READ_BYTES: usize = 4 << 10;

/// What all connections of a worker share.
pub(in crate::http) struct WorkerContext {
    pub(in crate::http) state: Arc<AppState>,
    pub(in crate::http) settings: Settings,
    pub(in crate::http) config: ServiceConfig,
    /// Counts the streams of all workers.
    pub(in crate::http) streams: Arc<AtomicUsize>,
}

/// A connection that was accepted, and what was read of it: it asks for no stream, or has not yet.
pub(in crate::http) struct Other {
    pub(in crate::http) socket: TcpStream,
    pub(in crate::http) begun: Vec<u8>,
    /// Nothing where it came by a Unix socket.
    pub(in crate::http) peer: Option<SocketAddr>,
    pub(in crate::http) counted: Counted,
}

/// Boxed, so that a place in the list is small.
enum Connection {
    /// Its first head has not come whole.
    Asking(Box<Asking>),
    Streaming(Box<Stream>),
    Resetting(Box<Resetting>),
    /// In the hands of whoever is about to put something else here.
    Taken,
}

struct Asking {
    other: Other,
    until: Instant,
}

/// Ends by a reset, once what was sent has arrived. Until then it counts as a subscriber, which a drain
/// waits for.
struct Resetting {
    stream: Box<Stream>,
    reset: Reset,
}

pub(super) struct Connections {
    pub(super) sockets: Sockets,
    pub(super) timers: Timers,
    all: Slab<Connection>,
    framer: Framer,
    inbox: Arc<Inbox>,
    context: WorkerContext,
    serve_other: Box<dyn Fn(Other)>,
}

impl Connections {
    pub(super) fn new(
        context: WorkerContext,
        serve_other: Box<dyn Fn(Other)>,
        inbox: Arc<Inbox>,
    ) -> io::Result<Self> {
        Ok(Self {
            sockets: Sockets::new()?,
            timers: Timers::default(),
            all: Slab::new(),
            framer: Framer::default(),
            inbox,
            context,
            serve_other,
        })
    }

    /// Of what the connection has sent, the last `new` bytes have not been looked at.
    pub(super) fn judge(&self, other: &Other, new: usize) -> Verdict {
        let WorkerContext { state, config, .. } = &self.context;
        judge(other, new, state, config)
    }

    pub(super) fn wait_for_head(&mut self, mut other: Other) -> Result<(), Other> {
        let place = place_of(self.all.vacant_key());
        if self.sockets.add(&other.socket, place).is_err() {
            return Err(other);
        }
        let until = Instant::now() + HEAD_WAIT;
        self.timers.set(until, place);
        other.begun.shrink_to_fit();
        let asking = Box::new(Asking { other, until });
        self.all.insert(Connection::Asking(asking));
        Ok(())
    }

    /// Begins the stream of a connection that nobody watches yet.
    pub(super) fn begin(&mut self, other: Other, begun: Begun) {
        let place = place_of(self.all.vacant_key());
        // Without a socket that is watched there is no stream; its client comes back.
        if self.sockets.add(&other.socket, place).is_ok() {
            self.all.insert(Connection::Taken);
            self.begin_at(place, other, begun);
        }
    }

    fn begin_at(&mut self, place: Slot, other: Other, begun: Begun) {
        let bell = Bell::new(&self.inbox, place);
        let counted = [other.counted, Counted::among(&self.context.streams)];
        let (mut stream, answer) = Stream::new(other.socket, begun, bell, counted);
        let rest = stream.begin(answer, &mut self.framer);
        self.all[place as usize] = Connection::Streaming(Box::new(stream));
        self.settle(place, rest);
    }

    /// A stream was woken.
    pub(super) fn advance(&mut self, place: Slot) {
        if let Some(Connection::Streaming(stream)) = self.all.get_mut(place as usize) {
            let rest = stream.advance(&mut self.framer);
            self.settle(place, rest);
        }
    }

    pub(super) fn is_ready(&mut self, ready: Ready) {
        let place = ready.place;
        match self.all.get_mut(place as usize) {
            Some(Connection::Asking(_)) => self.read_head(place, ready.is_closed),
            Some(Connection::Streaming(stream)) => {
                let mut rest = Rest::Idle;
                if ready.to_read {
                    rest = stream.discard();
                }
                if ready.has_room && rest == Rest::Idle {
                    rest = stream.write_on(&mut self.framer);
                }
                self.settle(place, rest);
            }
            // A reset looks by itself; and what a place was told may have been for who had it before.
            Some(Connection::Resetting(_) | Connection::Taken) | None => {}
        }
    }

    fn read_head(&mut self, place: Slot, is_closed: bool) {
        let mut space = [0; READ_BYTES];
        loop {
            let Some(Connection::Asking(asking)) = self.all.get_mut(place as usize) else {
                return;
            };
            let new = match (&asking.other.socket).read(&mut space) {
                Ok(0) => return self.close(place),
                Ok(new) => new,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return self.close(place),
            };
            asking.other.begun.extend_from_slice(&space[..new]);
            let WorkerContext { state, config, .. } = &self.context;
            match judge(&asking.other, new, state, config) {
                Verdict::Unknown => {}
                Verdict::Theirs => return self.give_back(place),
                Verdict::Stream(begun) => {
                    if let Some(other) = self.take_asking(place) {
                        self.begin_at(place, other, *begun);
                        if is_closed || new == READ_BYTES {
                            // Of what else is there already, nothing more is told.
                            self.discard(place);
                        }
                    }
                    return;
                }
            }
        }
    }

    fn discard(&mut self, place: Slot) {
        if let Some(Connection::Streaming(stream)) = self.all.get_mut(place as usize) {
            let rest = stream.discard();
            self.settle(place, rest);
        }
    }

    fn take_asking(&mut self, place: Slot) -> Option<Other> {
        let connection = self.all.get_mut(place as usize)?;
        match std::mem::replace(connection, Connection::Taken) {
            Connection::Asking(asking) => Some(asking.other),
            other => {
                *connection = other;
                None
            }
        }
    }

    fn give_back(&mut self, place: Slot) {
        if let Some(other) = self.take_asking(place) {
            self.close(place);
            self.sockets.remove(&other.socket);
            (self.serve_other)(other);
        }
    }

    /// Looks at whoever the clock has brought up.
    pub(super) fn look_at_clock(&mut self, now: Instant) {
        for _ in 0..DUE_AT_ONCE {
            let Some(place) = self.timers.take_due(now) else {
                return;
            };
            match self.all.get_mut(place as usize) {
                Some(Connection::Asking(asking)) if asking.until <= now => self.give_back(place),
                Some(Connection::Streaming(stream)) if stream.has_timer => {
                    stream.has_timer = false;
                    let Settings {
                        stall_timeout,
                        replay_buffers,
                        ..
                    } = &self.context.settings;
                    let rest = stream.look(*stall_timeout, replay_buffers.waiting() > 0);
                    self.settle(place, rest);
                }
                Some(Connection::Resetting(resetting)) => {
                    let socket = &resetting.stream.socket;
                    if resetting.reset.is_due(socket::unacknowledged(socket)) {
                        self.close(place);
                    } else {
                        self.timers.set(now + RESET_LOOK, place);
                    }
                }
                _ => {}
            }
        }
    }

    /// Sees to what a stream waits for.
    fn settle(&mut self, place: Slot, rest: Rest) {
        let Some(Connection::Streaming(stream)) = self.all.get_mut(place as usize) else {
            return;
        };
        if stream.is_judged() && !stream.has_timer {
            stream.has_timer = true;
            let interval = Stall::interval(self.context.settings.stall_timeout);
            self.timers.set(Instant::now() + interval, place);
        }
        match rest {
            Rest::Idle => {}
            Rest::Full => {
                let is_watched =
                    stream.watches_room || self.sockets.watch_room(&stream.socket, place).is_ok();
                stream.watches_room = is_watched;
                if !is_watched {
                    self.close(place);
                }
            }
            Rest::Cut => {
                // What is unread at the close would make it a reset that overtakes what was just sent.
                let _ = stream.discard();
                if stream.needs_reset() {
                    self.reset(place);
                } else {
                    self.close(place);
                }
            }
            Rest::Gone => self.close(place),
        }
    }

    fn reset(&mut self, place: Slot) {
        let connection = &mut self.all[place as usize];
        if let Connection::Streaming(stream) = std::mem::replace(connection, Connection::Taken) {
            let reset = Reset::begin();
            *connection = Connection::Resetting(Box::new(Resetting { stream, reset }));
            self.timers.set(Instant::now() + RESET_GRACE, place);
        }
    }

    pub(super) fn close(&mut self, place: Slot) {
        let closed = self.all.try_remove(place as usize);
        if let Some(Connection::Streaming(stream)) = &closed
            && stream.is_judged()
        {
            // What is unsent stays with the kernel for so long, and no longer.
            socket::wait_for_peer(&stream.socket, Some(self.context.settings.stall_timeout));
        }
    }
}

fn place_of(key: usize) -> Slot {
    Slot::try_from(key).expect("fewer than 2^32 descriptors")
}
