//! Accepts connections, one worker at a time: each accepts some, then it is the turn of the next. So connections are
//! spread evenly, no worker is woken in vain, and no connection changes its thread.

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
/// How long nothing is accepted after an error, for example when there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);
/// How often such an error is logged at most.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Which worker accepts on one listener.
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

    async fn wait(&self, worker: usize) -> Turn<'_> {
        self.0[worker].notified().await;
        let next = &self.0[(worker + 1) % self.0.len()];
        Turn(next)
    }
}

/// The turn of one worker. It goes to the next when this is dropped.
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
    let mut errors = AcceptErrors::default();
    loop {
        let _turn = turns.wait(worker).await;
        let watched = match socket::watch(listener) {
            Ok(watched) => watched,
            Err((unwatched, error)) => {
                listener = unwatched;
                errors.report(&error).await;
                continue;
            }
        };
        for _ in 0..PER_TURN {
            match next(&watched).await {
                // The worker goes on accepting after a panic.
                Ok((io, peer)) => drop(catch_unwind(AssertUnwindSafe(|| route(io, peer)))),
                Err(error) => errors.report(&error).await,
            }
        }
        listener = watched.into_inner();
        // The next turn may be this worker's at once; others run in between.
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

/// When an error was logged last.
#[derive(Debug, Default)]
struct AcceptErrors(Option<Instant>);

impl AcceptErrors {
    /// Logs an error and pauses. A client that disconnected before it was accepted is not an error.
    async fn report(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if [ConnectionAborted, ConnectionReset, Interrupted].contains(&error.kind()) {
            return;
        }
        if self.0.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL) {
            log::warn!("connections cannot be accepted: {error}");
            self.0 = Some(Instant::now());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
