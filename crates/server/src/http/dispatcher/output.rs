//! Takes note of writes to a connection, to notice stalled peers and slow replays.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep};

use crate::http::connection::{
    async_socket::AsyncSocket,
    settings::Settings,
    slow_replay::SlowReplay,
    socket,
    stall::{Stall, UncheckedBytes},
};
use sse_broadcaster_actix::internal::Link;

/// The connection that is written to.
#[derive(Clone, Copy)]
pub(super) struct Peer<'a> {
    pub(super) io: &'a AsyncSocket,
    pub(super) link: &'a Link,
    pub(super) settings: &'a Settings,
}

#[derive(Debug, Default)]
pub(super) struct Output {
    /// Whether a write waits for room in the socket.
    is_full: bool,
    written: u64,
    unchecked: UncheckedBytes,
    /// `Some` while something may not be acknowledged.
    stall: Option<Timed<Stall>>,
    /// `Some` while a stream is sent replayed events and its socket has been full.
    slow_replay: Option<Timed<SlowReplay>>,
}

/// A value that is checked at intervals.
#[derive(Debug)]
struct Timed<T> {
    timer: Pin<Box<Sleep>>,
    watched: T,
}

impl<T> Timed<T> {
    fn new(watched: T, settings: &Settings) -> Self {
        Self {
            timer: Box::pin(sleep(Stall::interval(settings.stall_timeout))),
            watched,
        }
    }

    fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        self.timer.as_mut().poll(cx).is_ready()
    }

    fn restart(&mut self, settings: &Settings) {
        let next = Instant::now() + Stall::interval(settings.stall_timeout);
        self.timer.as_mut().reset(next);
    }
}

impl Output {
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Whether the kernel's own timeout is switched off.
    pub(super) fn has_stall_watch(&self) -> bool {
        self.stall.is_some()
    }

    /// Takes note of a write, for which the kernel was given `sent` bytes, and returns its result. If the socket is full,
    /// fails once the peer has acknowledged too little for too long, or an operator disconnects it.
    pub(super) fn wrote(
        &mut self,
        written: Poll<io::Result<usize>>,
        sent: usize,
        peer: Peer<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.has_sent(sent, peer);
        match written {
            Poll::Pending => self.poll_full(peer, cx),
            Poll::Ready(result) => {
                if std::mem::take(&mut self.is_full) && !peer.link.ignores_input() {
                    // Reading has been paused.
                    cx.waker().wake_by_ref();
                }
                Poll::Ready(result.inspect_err(|error| note_timeout(peer.link, error)))
            }
        }
    }

    fn poll_full(&mut self, peer: Peer<'_>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.is_full = true;
        if peer.link.poll_disconnected(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        self.check_replay(peer, cx)?;
        if self.stall.is_none() {
            self.watch_stall(peer, socket::unacknowledged(peer.io));
        }
        self.check_stall(peer, cx)?;
        Poll::Pending
    }

    /// Counts bytes that the kernel was given.
    fn has_sent(&mut self, bytes: usize, peer: Peer<'_>) {
        self.written += bytes as u64;
        if let Some(stall) = &mut self.stall {
            stall.watched.has_written(bytes);
        } else if self.unchecked.add(bytes) {
            match socket::unacknowledged(peer.io) {
                0 => {}
                unacknowledged => self.watch_stall(peer, unacknowledged),
            }
        }
    }

    /// From now on the peer's progress is checked here, and not by the kernel.
    fn watch_stall(&mut self, peer: Peer<'_>, unacknowledged: u64) {
        socket::wait_for_peer(peer.io, None);
        peer.link.set_unacknowledged(true);
        self.stall = Some(Timed::new(Stall::begin(unacknowledged), peer.settings));
    }

    /// Fails once the peer has acknowledged too little for too long.
    pub(super) fn check_stall(&mut self, peer: Peer<'_>, cx: &mut Context<'_>) -> io::Result<()> {
        let timeout = peer.settings.stall_timeout;
        while let Some(stall) = &mut self.stall
            && stall.is_due(cx)
        {
            let unacknowledged = socket::unacknowledged(peer.io);
            if !self.is_full && unacknowledged == 0 {
                self.stall = None;
                peer.link.set_unacknowledged(false);
                socket::wait_for_peer(peer.io, Some(timeout));
            } else if stall.watched.is_over(unacknowledged, timeout) {
                return Err(stalled(peer.link));
            } else {
                stall.restart(peer.settings);
            }
        }
        Ok(())
    }

    /// Fails if a replay is read too slowly while others wait for its buffers.
    fn check_replay(&mut self, peer: Peer<'_>, cx: &mut Context<'_>) -> io::Result<()> {
        if !peer.link.is_replaying() {
            self.slow_replay = None;
            return Ok(());
        }
        let (written, settings) = (self.written, peer.settings);
        let replay = self
            .slow_replay
            .get_or_insert_with(|| Timed::new(SlowReplay::begin(written), settings));
        while replay.is_due(cx) {
            if replay.watched.is_over(written, settings.stall_timeout)
                && settings.replay_buffers.waiting() > 0
            {
                return Err(stalled(peer.link));
            }
            replay.restart(settings);
        }
        Ok(())
    }
}

fn stalled(link: &Link) -> io::Error {
    link.set_stalled();
    io::ErrorKind::TimedOut.into()
}

/// The kernel has the same timeout, and may be the first to notice that the peer has stalled.
pub(super) fn note_timeout(link: &Link, error: &io::Error) {
    if error.kind() == io::ErrorKind::TimedOut {
        link.set_stalled();
    }
}
