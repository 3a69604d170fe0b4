//! The task of one connection. `connection/checks.rs` has what it does by the clock.

mod checks;

use std::{
    collections::VecDeque,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{self, Poll, Waker},
    time::Instant,
};

use bytes::Bytes;
use h2::{PingPong, server};
use slab::Slab;

use super::{
    Context, Http2,
    exchange::{ConnectionContext, Exchange, Progress},
    frames::Frames,
    held::Held,
    limits::MAX_DATA_BYTES,
    timers::Timers,
    turn::Turn,
    wire::{Wire, WireWatch},
};
use crate::http::{
    connection::capacity::Listed,
    direct::inbox::{Inbox, Slot, StreamWaker},
    routes::refusals,
};

/// A connection, and everything that it has asked for. As a future, it is ready when the connection is to be dropped.
pub(super) struct Connection {
    http2: Rc<Http2>,
    h2: server::Connection<Wire, Bytes>,
    watch: WireWatch,
    held: Rc<Held>,
    peer: Option<SocketAddr>,
    exchanges: Slab<Exchange>,
    inbox: Arc<Inbox>,
    /// Those that were woken and have not been served.
    woken: VecDeque<Slot>,
    spare: Vec<Slot>,
    timers: Timers,
    last_turn: Turn,
    /// Listed while there is no request.
    idle: Option<Listed>,
    ping_pong: Option<PingPong>,
    /// For how many intervals a PING has had no response.
    unanswered: u32,
    /// When the last PING was sent.
    pinged: Option<Instant>,
    is_draining: bool,
    is_closing: bool,
    /// h2 has something to send, and must be polled.
    must_poll: bool,
}

/// The connection is to be dropped.
struct Closed;

impl Connection {
    pub(super) fn new(
        http2: Rc<Http2>,
        mut h2: server::Connection<Wire, Bytes>,
        watch: WireWatch,
        peer: Option<SocketAddr>,
    ) -> Self {
        watch.withhold_end();
        let Context {
            max_streams,
            counts,
            ..
        } = &http2.context;
        Self {
            held: Held::new(*max_streams, Arc::clone(counts)),
            ping_pong: h2.ping_pong(),
            timers: Timers::new(http2.context.settings.stall_timeout),
            http2,
            h2,
            watch,
            peer,
            exchanges: Slab::new(),
            inbox: Arc::default(),
            woken: VecDeque::new(),
            spare: Vec::new(),
            last_turn: Turn::begin(),
            idle: None,
            unanswered: 0,
            pinged: None,
            is_draining: false,
            is_closing: false,
            must_poll: false,
        }
    }

    /// One turn: reads what has arrived, begins requests, and sends what is due.
    fn advance(&mut self, cx: &mut task::Context<'_>) -> Result<Turn, Closed> {
        let mut turn = Turn::begin();
        loop {
            self.take_woken();
            let is_served = self.watch.is_full() || turn.is_over() || self.woken.is_empty();
            if is_served {
                self.accept(cx, &mut turn)?;
                if self.woken.is_empty() || self.watch.is_full() || turn.is_over() {
                    return Ok(turn);
                }
            } else {
                // h2 wakes its task for each frame that it is given; below it is polled again anyhow.
                self.accept(&mut task::Context::from_waker(Waker::noop()), &mut turn)?;
            }
            self.serve(&mut turn);
        }
    }

    /// Has h2 read and write, and begins requests.
    fn accept(&mut self, cx: &mut task::Context<'_>, turn: &mut Turn) -> Result<(), Closed> {
        turn.flush();
        loop {
            match self.h2.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    self.begin(request, respond);
                    if !turn.may_begin() {
                        cx.waker().wake_by_ref();
                        return Ok(());
                    }
                }
                // The client has disconnected, or broken the protocol, of which h2 has told it.
                Poll::Ready(Some(Err(error))) => {
                    let peer = refusals::shown(self.peer);
                    log::debug!("an HTTP/2 connection from {peer} ended: {error}");
                    return Err(Closed);
                }
                Poll::Ready(None) => return Err(Closed),
                Poll::Pending => return Ok(()),
            }
        }
    }

    fn begin(
        &mut self,
        request: http::Request<h2::RecvStream>,
        respond: server::SendResponse<Bytes>,
    ) {
        self.idle = None;
        self.timers.set_idle(None);
        let entry = self.exchanges.vacant_entry();
        let Ok(slot) = Slot::try_from(entry.key()) else {
            return;
        };
        let waker = StreamWaker::new(&self.inbox, slot);
        let context = ConnectionContext {
            http2: &self.http2,
            watch: &self.watch,
            held: &self.held,
            peer: self.peer,
        };
        if let Some(exchange) = Exchange::begin(&context, request, respond, waker) {
            entry.insert(exchange);
            self.watch.with_frames(Frames::begin_request);
            self.woken.push_back(slot);
        }
        self.follow_drain();
    }

    /// Takes those that were woken. While the socket is full they are only asked whether they were disconnected.
    fn take_woken(&mut self) {
        if self.inbox.is_empty() {
            return;
        }
        let mut woken = self.inbox.take(std::mem::take(&mut self.spare));
        for slot in woken.drain(..) {
            let exchange = self.exchanges.get_mut(slot as usize);
            if self.watch.is_full() && exchange.is_some_and(Exchange::is_disconnected) {
                self.cut(slot);
            } else {
                self.woken.push_back(slot);
            }
        }
        self.spare = woken;
    }

    fn serve(&mut self, turn: &mut Turn) {
        while let Some(slot) = self.woken.pop_front() {
            let Some(exchange) = self.exchanges.get_mut(slot as usize) else {
                continue;
            };
            let (progress, sent) = exchange.advance(&self.http2.context);
            if sent > 0 {
                self.watch
                    .with_frames(|frames| frames.earn(1 + sent / MAX_DATA_BYTES));
            }
            if exchange.is_blocked() {
                self.timers.schedule_check();
            }
            match progress {
                Progress::Waiting => {}
                Progress::Cut => self.timers.cut(slot),
                Progress::Over => drop(self.exchanges.try_remove(slot as usize)),
                Progress::Gone => self.cut(slot),
            }
            if turn.has_sent(sent) || turn.is_over() {
                return;
            }
        }
    }

    fn cut(&mut self, slot: Slot) {
        if let Some(exchange) = self.exchanges.try_remove(slot as usize) {
            exchange.cut();
        }
    }

    fn step(&mut self, cx: &mut task::Context<'_>) -> Result<(), Closed> {
        self.watch.begin_poll(self.last_turn.leaves_requests());
        self.inbox.register(cx.waker());
        self.check(Instant::now())?;
        // What the check has had h2 send is sent now.
        self.must_poll = false;
        self.last_turn = self.advance(cx)?;
        let now = Instant::now();
        self.check_floods(now);
        self.check_end();
        if self.watch.has_stall_watch() {
            self.timers.schedule_check();
        }
        self.check_idle(cx, now);
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.watch.close(self.http2.context.settings.stall_timeout);
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.step(cx).is_err() {
            if this.watch.has_timed_out() {
                this.stalled();
            }
            return Poll::Ready(());
        }
        let is_full = this.watch.is_full();
        let is_left = !is_full && !this.woken.is_empty();
        if is_left || this.must_poll || this.watch.has_more() {
            cx.waker().wake_by_ref();
        }
        if this.timers.poll(is_full, cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}
