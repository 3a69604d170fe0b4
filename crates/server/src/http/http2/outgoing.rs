//! Sends the body of a response, as far as the client's windows allow.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, SendStream};

use super::limits::RESERVE_AT_ONCE;
use crate::http::connection::{slow_replay::SlowReplay, stall::Stall};

/// The body of a response, on its way to the client.
pub(super) struct Outgoing {
    send: SendStream<Bytes>,
    /// Boxed, since it is rare.
    blocked: Option<Box<Blocked>>,
}

/// Bytes that wait until the client opens its windows.
struct Blocked {
    bytes: Bytes,
    ends: bool,
    stall: Stall,
    replay: SlowReplay,
    sent: u64,
}

/// The client has reset the stream, or the connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

impl Outgoing {
    pub(super) fn new(send: SendStream<Bytes>) -> Self {
        Self {
            send,
            blocked: None,
        }
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// Fails once the client has reset the stream. Otherwise it wakes when that happens, or a window opens.
    pub(super) fn check_reset(&mut self, cx: &mut Context<'_>) -> Result<(), Gone> {
        match self.send.poll_reset(cx) {
            Poll::Ready(_) => Err(Gone),
            Poll::Pending => Ok(()),
        }
    }

    /// Sends these bytes; `ends` with them ends the body. Pending while a part of them waits; then
    /// [`poll_blocked`](Self::poll_blocked) goes on.
    pub(super) fn poll_send(
        &mut self,
        mut bytes: Bytes,
        ends: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Gone>> {
        if bytes.is_empty() {
            let ended = ends.then(|| self.send.send_data(bytes, true));
            return Poll::Ready(ended.transpose().map(drop).map_err(|_| Gone));
        }
        let sent = send(&mut self.send, &mut bytes, ends, cx);
        if sent.is_pending() {
            let waiting = bytes.len() as u64;
            self.blocked = Some(Box::new(Blocked {
                bytes,
                ends,
                stall: Stall::begin(waiting),
                replay: SlowReplay::begin(0),
                sent: 0,
            }));
        }
        sent
    }

    /// Sends what waits, and adds how many bytes that was to `total`.
    pub(super) fn poll_blocked(
        &mut self,
        total: &mut usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Gone>> {
        let Some(blocked) = &mut self.blocked else {
            return Poll::Ready(Ok(()));
        };
        let before = blocked.bytes.len();
        let sent = send(&mut self.send, &mut blocked.bytes, blocked.ends, cx);
        let bytes = before - blocked.bytes.len();
        blocked.sent += bytes as u64;
        *total += bytes;
        if sent.is_ready() {
            self.blocked = None;
        }
        sent
    }

    /// The check at an interval: whether the client has left its windows closed for too long, or so nearly that it
    /// reads a replay too slowly.
    pub(super) fn is_over(&mut self, timeout: Duration, is_replay_wanted: bool) -> bool {
        self.blocked.as_mut().is_some_and(|blocked| {
            let waiting = blocked.bytes.len() as u64;
            let has_stalled = blocked.stall.is_over(waiting, timeout);
            let is_slow = blocked.replay.is_over(blocked.sent, timeout);
            has_stalled || (is_slow && is_replay_wanted)
        })
    }

    pub(super) fn reset(&mut self, reason: Reason) {
        self.send.send_reset(reason);
    }
}

/// Sends as much of the bytes as possible, without copying them.
fn send(
    stream: &mut SendStream<Bytes>,
    bytes: &mut Bytes,
    ends: bool,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Gone>> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len().min(RESERVE_AT_ONCE));
        let capacity = match stream.capacity() {
            0 => match stream.poll_capacity(cx) {
                Poll::Ready(Some(Ok(capacity))) => capacity,
                Poll::Ready(_) => return Poll::Ready(Err(Gone)),
                Poll::Pending => return Poll::Pending,
            },
            capacity => capacity,
        };
        let piece = bytes.split_to(capacity.min(bytes.len()));
        let is_last = ends && bytes.is_empty();
        if stream.send_data(piece, is_last).is_err() {
            return Poll::Ready(Err(Gone));
        }
    }
    Poll::Ready(Ok(()))
}
