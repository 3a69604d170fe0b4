//! The state of each connection of a worker, and what is done when its socket is ready, a timer is due, or its
//! stream was woken.

mod batch;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use slab::Slab;

use self::batch::Batches;
use super::{
    context::WorkerContext,
    head::{FirstRequest, GrantedStream, classify},
    inbox::{Inbox, Slot, StreamWaker},
    outgoing::Framer,
    ring::SendRing,
    sockets::{Ready, Sockets},
    stream::{Progress, Stream},
    timers::Timers,
};
use crate::http::connection::{
    accepted::Accepted,
    capacity::Counted,
    cut::{self, Reset},
    settings::Settings,
    socket,
    stall::Stall,
};

/// How long the loop waits for the whole head of a request. Then the connection goes to actix, which has a
/// timeout, and a response for clients that exceed it.
const HEAD_WAIT: Duration = Duration::from_secs(1);
/// Most timers that are handled in one round.
const TIMERS_AT_ONCE: usize = 64;
/// Most bytes of a head that are read at once.
const READ_BYTES: usize = 4 << 10;

/// The states are boxed, so that a slot in the list is small.
enum Connection {
    /// The head of the first request is not complete.
    AwaitingRequest(Box<AwaitingRequest>),
    Streaming(Box<Stream>),
    Resetting(Box<Resetting>),
    /// Taken by a function that is about to set another state.
    Moved,
}

struct AwaitingRequest {
    accepted: Accepted,
    until: Instant,
}

/// Is reset once the peer has acknowledged everything. Until then it counts as a subscriber, for which a drain waits.
struct Resetting {
    stream: Box<Stream>,
    reset: Reset,
}

pub(super) struct Connections {
    pub(super) sockets: Sockets,
    pub(super) timers: Timers,
    all: Slab<Connection>,
    framer: Framer,
    /// Where streams are sent to by `io_uring`.
    batches: Option<Batches>,
    inbox: Arc<Inbox>,
    context: WorkerContext,
    serve_http: Box<dyn Fn(Accepted)>,
}

impl Connections {
    pub(super) fn new(
        context: WorkerContext,
        serve_http: Box<dyn Fn(Accepted)>,
        inbox: Arc<Inbox>,
    ) -> io::Result<Self> {
        // That it works was found out when the server started.
        let ring = context.settings.io_uring.then(SendRing::new);
        Ok(Self {
            sockets: Sockets::new()?,
            timers: Timers::default(),
            all: Slab::new(),
            framer: Framer::default(),
            batches: ring.and_then(Result::ok).map(Batches::new),
            inbox,
            context,
            serve_http,
        })
    }

    /// The last `new` received bytes have not been examined yet.
    pub(super) fn classify(&self, accepted: &Accepted, new: usize) -> FirstRequest {
        classify(accepted, new, &self.context)
    }

    pub(super) fn wait_for_head(&mut self, mut accepted: Accepted) -> Result<(), Accepted> {
        let slot = slot_of(self.all.vacant_key());
        if self.sockets.add(&accepted.socket, slot).is_err() {
            return Err(accepted);
        }
        let until = Instant::now() + HEAD_WAIT;
        self.timers.set(until, slot);
        accepted.received.shrink_to_fit();
        let is_more_there = accepted.socket.has_received();
        let awaiting = Box::new(AwaitingRequest { accepted, until });
        self.all.insert(Connection::AwaitingRequest(awaiting));
        if is_more_there {
            self.read_head(slot, false);
        }
        Ok(())
    }

    /// Begins the stream of a connection that is not polled yet.
    pub(super) fn begin(&mut self, accepted: Accepted, granted: GrantedStream) {
        let slot = slot_of(self.all.vacant_key());
        // A socket that cannot be polled is closed; its client reconnects.
        if self.sockets.add(&accepted.socket, slot).is_ok() {
            self.all.insert(Connection::Moved);
            let is_more_there = accepted.socket.has_received();
            self.begin_at(slot, accepted, granted);
            if is_more_there {
                self.discard(slot);
            }
        }
    }

    fn begin_at(&mut self, slot: Slot, accepted: Accepted, granted: GrantedStream) {
        let waker = StreamWaker::new(&self.inbox, slot);
        let counted = [accepted.counted, Counted::among(&self.context.streams)];
        let (mut stream, head) = Stream::new(accepted.socket, granted, waker, counted);
        let progress = stream.begin(head, &mut self.framer);
        self.all[slot as usize] = Connection::Streaming(Box::new(stream));
        self.follow_up(slot, progress);
    }

    /// A stream was woken.
    fn advance(&mut self, slot: Slot) {
        if let Some(Connection::Streaming(stream)) = self.all.get_mut(slot as usize) {
            let progress = stream.advance(&mut self.framer);
            self.follow_up(slot, progress);
        }
    }

    pub(super) fn is_ready(&mut self, ready: Ready) {
        let slot = ready.slot;
        match self.all.get_mut(slot as usize) {
            Some(Connection::AwaitingRequest(_)) => self.read_head(slot, ready.is_closed),
            Some(Connection::Streaming(stream)) => {
                let mut progress = Progress::Idle;
                if ready.to_read {
                    progress = stream.discard();
                }
                if ready.has_room && progress == Progress::Idle {
                    progress = stream.write_on(&mut self.framer);
                }
                self.follow_up(slot, progress);
            }
            // A reset has a timer; and the event may be of an earlier connection in this slot.
            Some(Connection::Resetting(_) | Connection::Moved) | None => {}
        }
    }

    fn read_head(&mut self, slot: Slot, is_closed: bool) {
        let mut space = [0; READ_BYTES];
        loop {
            let Some(Connection::AwaitingRequest(awaiting)) = self.all.get_mut(slot as usize)
            else {
                return;
            };
            let new = match awaiting.accepted.socket.read(&mut space) {
                Ok(0) => return self.close(slot),
                Ok(new) => new,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return self.close(slot),
            };
            awaiting.accepted.received.extend_from_slice(&space[..new]);
            match classify(&awaiting.accepted, new, &self.context) {
                FirstRequest::Incomplete => {}
                FirstRequest::Other => return self.hand_to_http(slot),
                FirstRequest::Stream(granted) => {
                    if let Some(accepted) = self.take_awaiting(slot) {
                        let is_more_there = new == READ_BYTES || accepted.socket.has_received();
                        self.begin_at(slot, accepted, *granted);
                        if is_closed || is_more_there {
                            // The bytes that have arrived already cause no further readiness event.
                            self.discard(slot);
                        }
                    }
                    return;
                }
            }
        }
    }

    fn discard(&mut self, slot: Slot) {
        if let Some(Connection::Streaming(stream)) = self.all.get_mut(slot as usize) {
            let progress = stream.discard();
            self.follow_up(slot, progress);
        }
    }

    fn take_awaiting(&mut self, slot: Slot) -> Option<Accepted> {
        let connection = self.all.get_mut(slot as usize)?;
        match std::mem::replace(connection, Connection::Moved) {
            Connection::AwaitingRequest(awaiting) => Some(awaiting.accepted),
            other => {
                *connection = other;
                None
            }
        }
    }

    fn hand_to_http(&mut self, slot: Slot) {
        if let Some(accepted) = self.take_awaiting(slot) {
            self.close(slot);
            self.sockets.remove(&accepted.socket);
            (self.serve_http)(accepted);
        }
    }

    /// Handles the timers that are due, a bounded number of them.
    pub(super) fn run_due_timers(&mut self, now: Instant) {
        for _ in 0..TIMERS_AT_ONCE {
            let Some(slot) = self.timers.take_due(now) else {
                return;
            };
            match self.all.get_mut(slot as usize) {
                Some(Connection::AwaitingRequest(awaiting)) if awaiting.until <= now => {
                    self.hand_to_http(slot);
                }
                Some(Connection::Streaming(stream)) if stream.has_timer => {
                    stream.has_timer = false;
                    let Settings {
                        stall_timeout,
                        replay_buffers,
                        ..
                    } = &self.context.settings;
                    let progress = stream.check(*stall_timeout, replay_buffers.waiting() > 0);
                    self.follow_up(slot, progress);
                }
                Some(Connection::Resetting(resetting)) => {
                    let socket = &resetting.stream.socket;
                    if resetting.reset.is_due(socket::unacknowledged(socket)) {
                        self.close(slot);
                    } else {
                        self.timers.set(now + cut::CHECK_INTERVAL, slot);
                    }
                }
                _ => {}
            }
        }
    }

    /// Prepares what the stream waits for next.
    fn follow_up(&mut self, slot: Slot, progress: Progress) {
        let Some(Connection::Streaming(stream)) = self.all.get_mut(slot as usize) else {
            return;
        };
        if stream.needs_checks() && !stream.has_timer {
            stream.has_timer = true;
            let interval = Stall::interval(self.context.settings.stall_timeout);
            self.timers.set(Instant::now() + interval, slot);
        }
        match progress {
            Progress::Idle => {}
            Progress::Blocked => {
                let is_watched =
                    stream.watches_room || self.sockets.watch_room(&stream.socket, slot).is_ok();
                stream.watches_room = is_watched;
                if !is_watched {
                    self.close(slot);
                }
            }
            Progress::Finished => {
                // With unread bytes the close would be a reset, which overtakes what was just sent.
                let _ = stream.discard();
                if stream.needs_reset() {
                    self.reset(slot);
                } else {
                    self.close(slot);
                }
            }
            Progress::Gone => self.close(slot),
        }
    }

    fn reset(&mut self, slot: Slot) {
        let connection = &mut self.all[slot as usize];
        if let Connection::Streaming(stream) = std::mem::replace(connection, Connection::Moved) {
            let reset = Reset::begin();
            *connection = Connection::Resetting(Box::new(Resetting { stream, reset }));
            self.timers.set(Instant::now() + cut::GRACE, slot);
        }
    }

    pub(super) fn close(&mut self, slot: Slot) {
        if let Some(Connection::Streaming(mut stream)) = self.all.try_remove(slot as usize) {
            stream.end_stall_watch(self.context.settings.stall_timeout);
        }
    }
}

fn slot_of(key: usize) -> Slot {
    Slot::try_from(key).expect("fewer than 2^32 descriptors")
}
