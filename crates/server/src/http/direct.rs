//! Streams on sockets of our own: one loop a worker, beside actix's dispatchers on the same thread.
//!
//! A connection whose first request asks for a stream never sees a dispatcher, whose two buffers are
//! most of what an idle stream would take. What is kept for it instead is in `direct/stream.rs`.
//!
//! ```text
//! direct/context.rs      what the connections of a worker share
//! direct/head.rs         whether the first request is for a stream
//! direct/connections.rs  the state of each connection, and its next step
//! direct/stream.rs       one open stream: from its subscription to its socket
//! direct/stall_watch.rs  whether the peer of a stream acknowledges what was written
//! direct/outgoing.rs     chunks, and what a full socket has not taken yet
//! direct/inbox.rs        which streams were woken, and in which order they are served
//! direct/sockets.rs      which sockets have something to read, or room
//! direct/timers.rs       when which connection is checked again
//! ```

mod connections;
mod context;
mod head;
mod inbox;
mod outgoing;
mod sockets;
mod stall_watch;
mod stream;
mod timers;

use std::{
    cell::RefCell,
    future::{Future as _, poll_fn},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use tokio::{
    task::yield_now,
    time::{Sleep, sleep_until},
};

use crate::http::{
    connection::accepted::Accepted,
    direct::{
        connections::Connections,
        head::FirstRequest,
        inbox::{Inbox, Slot, Turns},
        sockets::Ready,
    },
};

pub(super) use crate::http::direct::context::WorkerContext;

/// The streams of one worker.
pub(super) struct Direct {
    inbox: Arc<Inbox>,
    connections: RefCell<Connections>,
}

/// Buffers that each turn of the loop fills anew.
#[derive(Default)]
struct Round {
    ready: Vec<Ready>,
    turns: Turns,
    turn: Vec<Slot>,
}

impl Direct {
    /// Starts the loop on this thread. `serve_http` serves the connections whose first request is not for a
    /// stream.
    pub(super) fn start(
        context: WorkerContext,
        serve_http: impl Fn(Accepted) + 'static,
    ) -> io::Result<Rc<Self>> {
        let inbox = Arc::<Inbox>::default();
        let connections = Connections::new(context, Box::new(serve_http), Arc::clone(&inbox))?;
        let direct = Rc::new(Self {
            inbox,
            connections: RefCell::new(connections),
        });
        actix_web::rt::spawn(Rc::clone(&direct).run());
        Ok(direct)
    }

    /// Takes a connection whose first request is for a stream, or may still be; any other is given back.
    pub(super) fn take(&self, accepted: Accepted) -> Result<(), Accepted> {
        let connections = &mut *self.connections.borrow_mut();
        let earliest = connections.timers.next();
        match connections.classify(&accepted, accepted.received.len()) {
            FirstRequest::Other => return Err(accepted),
            FirstRequest::Stream(granted) => connections.begin(accepted, *granted),
            FirstRequest::Incomplete => connections.wait_for_head(accepted)?,
        }
        if connections.timers.next() != earliest {
            // The loop sleeps until a later time.
            self.inbox.nudge();
        }
        Ok(())
    }

    async fn run(self: Rc<Self>) {
        let mut sleep = pin!(sleep_until(Instant::now().into()));
        let mut round = Round::default();
        loop {
            let woken = poll_fn(|cx| self.poll_woken(cx, sleep.as_mut(), &mut round)).await;
            if let Err(error) = woken {
                log::error!("a worker cannot watch its sockets any more: {error}");
                return;
            }
            self.serve(&mut round);
            if !round.turns.is_empty() || !self.inbox.is_empty() {
                // For new connections, requests, and the walks of other events.
                yield_now().await;
            }
        }
    }

    fn poll_woken(
        &self,
        cx: &mut Context<'_>,
        mut sleep: Pin<&mut Sleep>,
        round: &mut Round,
    ) -> Poll<io::Result<()>> {
        let connections = &mut *self.connections.borrow_mut();
        if let Poll::Ready(result) = connections.sockets.poll(cx, &mut round.ready) {
            return Poll::Ready(result);
        }
        if self.inbox.register(cx.waker()) || !round.turns.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if let Some(next) = connections.timers.next() {
            let next = next.into();
            if sleep.deadline() != next {
                sleep.as_mut().reset(next);
            }
            return sleep.poll(cx).map(Ok);
        }
        Poll::Pending
    }

    /// Does a bounded part of what there is to do.
    fn serve(&self, round: &mut Round) {
        let connections = &mut *self.connections.borrow_mut();
        for ready in round.ready.drain(..) {
            connections.is_ready(ready);
        }
        connections.run_due_timers(Instant::now());
        round.turns.take(&self.inbox);
        round.turns.next(&mut round.turn);
        for slot in round.turn.drain(..) {
            // A panic ends one stream, not all.
            if catch_unwind(AssertUnwindSafe(|| connections.advance(slot))).is_err() {
                connections.close(slot);
            }
        }
    }
}
