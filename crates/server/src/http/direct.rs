//! Streams on sockets that the server writes itself: one loop per worker, beside actix's dispatchers on the
//! same thread.
//!
//! A connection whose first request is for a stream does not get a dispatcher, whose two buffers would be most of the
//! memory of an idle stream. `direct/stream.rs` has its state instead.
//!
//! ```text
//! direct/context.rs      what the connections of a worker share
//! direct/head.rs         whether the first request is for a stream
//! direct/connections.rs  the state of each connection, and its next step
//! direct/stream.rs       one open stream: from its subscription to its socket
//! direct/stall_watch.rs  whether the peer of a stream acknowledges what was written
//! direct/{connections,stream}/batch.rs  several streams at once (--io-uring)
//! direct/ring.rs         many sends by one system call; no_ring.rs: where the system has none
//! direct/outgoing.rs     chunks, and the rest of a write to a full socket
//! direct/inbox.rs        which streams were woken
//! direct/turns.rs        in which order they are served, and for how long before others have their turn
//! direct/sockets.rs      which sockets are readable or writable
//! direct/timers.rs       when each connection is checked again
//! ```

mod connections;
mod context;
pub(super) mod head;
pub(super) mod inbox;
mod outgoing;
#[cfg_attr(not(target_os = "linux"), path = "direct/no_ring.rs")]
mod ring;
mod sockets;
pub(super) mod stall_watch;
mod stream;
mod timers;
mod turns;

use std::{
    cell::RefCell,
    future::{Future as _, poll_fn},
    io,
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
        inbox::{Inbox, Slot},
        ring::SendRing,
        sockets::Ready,
        turns::Turns,
    },
};

pub(super) use crate::http::direct::context::WorkerContext;

/// The streams of one worker.
pub(super) struct Direct {
    inbox: Arc<Inbox>,
    connections: RefCell<Connections>,
}

/// What is left for the next round of the loop.
#[derive(Default)]
struct Round {
    ready: Vec<Ready>,
    turns: Turns,
    /// The streams that are served at once.
    batch: Vec<Slot>,
}

impl Direct {
    /// Whether streams can be sent to in batches.
    pub(super) fn can_batch() -> bool {
        match SendRing::new() {
            Ok(_) => {
                log::info!("streams are sent to in batches, by io_uring");
                true
            }
            Err(error) => {
                log::warn!(
                    "--io-uring: the kernel has no io_uring for this process ({error}), so each stream is sent to by a \
                     call of its own; container runtimes allow it by their seccomp profile"
                );
                false
            }
        }
    }

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

    /// Serves a connection whose first request is for a stream or may still become one; returns any other.
    pub(super) fn try_serve(&self, accepted: Accepted) -> Result<(), Accepted> {
        let connections = &mut *self.connections.borrow_mut();
        let earliest = connections.timers.next();
        match connections.classify(&accepted, accepted.received.len()) {
            FirstRequest::Other => return Err(accepted),
            FirstRequest::Stream(granted) => connections.begin(accepted, *granted),
            FirstRequest::Incomplete => connections.wait_for_head(accepted)?,
        }
        if connections.timers.next() != earliest {
            // The loop sleeps until a later timer.
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
                log::error!(
                    "a worker stopped serving streams, since it cannot poll its sockets: {error}"
                );
                return;
            }
            self.serve(&mut round);
            if !round.turns.is_empty() || !self.inbox.is_empty() {
                // Lets new connections, requests, and the walks of other events run.
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

    /// Does a bounded part of the work.
    fn serve(&self, round: &mut Round) {
        let connections = &mut *self.connections.borrow_mut();
        for ready in round.ready.drain(..) {
            connections.is_ready(ready);
        }
        connections.run_due_timers(Instant::now());
        let mut turn = round.turns.begin(&self.inbox);
        loop {
            let most = turn.max_batch().min(connections.max_batch());
            round.batch.clear();
            let next = std::iter::from_fn(|| round.turns.next());
            round.batch.extend(next.take(most));
            if round.batch.is_empty() {
                return;
            }
            connections.advance_all(&round.batch);
            if turn.is_over(round.batch.len()) {
                return;
            }
        }
    }
}
