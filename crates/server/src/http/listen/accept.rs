//! Accepting connections: one worker at a time, each some before it is the next one's turn. So they
//! are spread evenly, none is woken in vain, and none changes its thread.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{io::unix::AsyncFd, sync::Notify, task::yield_now};

use super::unix_socket::{Listener, Watched};
use crate::http::connection::socket;

/// How many connections a worker accepts in its turn.
const PER_TURN: usize = 16;
/// How long nothing is accepted after the system had no room for a connection.
const PAUSE: Duration = Duration::from_millis(100);
/// How long it is not said again that connections cannot be accepted.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// Whose turn it is at one listener.
#[derive(Debug)]
pub(crate) struct Turns(Vec<Notify>);

impl Turns {
    pub(crate) fn new(workers: usize) -> Arc<Self> {
        let turns = Self((0..workers).map(|_| Notify::new()).collect());
        if let Some(first) = turns.0.first() {
            first.notify_one();
        }
        Arc::new(turns)
    }

    async fn take(&self, worker: usize) -> Turn<'_> {
        self.0[worker].notified().await;
        let next = &self.0[(worker + 1) % self.0.len()];
        Turn(next)
    }
}

/// Passed on when it is dropped, whyever that is.
struct Turn<'a>(&'a Notify);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Accepts until it is dropped.
pub(crate) async fn accept(
    listener: Listener,
    turns: Arc<Turns>,
    worker: usize,
    route: impl Fn(TcpStream, Option<SocketAddr>),
) {
    let mut listener = Watched::from(listener);
    let mut complaint = Complaint::default();
    loop {
        let _turn = turns.take(worker).await;
        let watched = match socket::watch(listener) {
            Ok(watched) => watched,
            Err((unwatched, error)) => {
                listener = unwatched;
                complaint.make(&error).await;
                continue;
            }
        };
        for _ in 0..PER_TURN {
            match next(&watched).await {
                // One that panics is not to be the last one.
                Ok((io, peer)) => drop(catch_unwind(AssertUnwindSafe(|| route(io, peer)))),
                Err(error) => complaint.make(&error).await,
            }
        }
        listener = watched.into_inner();
        // A turn that comes back at once is to let others have theirs, too.
        yield_now().await;
    }
}

async fn next(listener: &AsyncFd<Watched>) -> io::Result<(TcpStream, Option<SocketAddr>)> {
    loop {
        let mut ready = listener.readable().await?;
        if let Ok(accepted) = ready.try_io(|listener| listener.get_ref().accept()) {
            return accepted;
        }
    }
}

/// When it was last said that connections cannot be accepted.
#[derive(Debug, Default)]
struct Complaint(Option<Instant>);

impl Complaint {
    /// A client that went away while it waited is no matter; a system without room wants a pause.
    async fn make(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if [ConnectionAborted, ConnectionReset, Interrupted].contains(&error.kind()) {
            return;
        }
        if self.0.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
            log::warn!("connections cannot be accepted: {error}");
            self.0 = Some(Instant::now());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
