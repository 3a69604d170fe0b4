//! One open stream: sends what is due from its subscription. While the client's windows are closed, the subscription is
//! not polled, and nothing is kept for it.

use std::task::{Context, Poll};

use h2::{Reason, SendStream};

use bytes::Bytes;

use super::{
    exchange::Progress,
    limits::SEND_AT_ONCE,
    outgoing::{Gone, Outgoing},
};
use crate::http::connection::{capacity::Counted, settings::Settings};
use sse_broadcaster::broadcaster::{DisconnectWatch, EncodedStream, Ended};
use sse_broadcaster_http::{AddressSlot, OpenedStream, StreamGuard};
use sse_broadcaster_presence::Connection;

/// A subscription as the body of a response.
pub(super) struct Stream {
    out: Outgoing,
    due: EncodedStream,
    /// Everything was sent, and the stream is about to be cut.
    is_ending: bool,
    /// What an operator ends the stream by while it is not polled. Boxed, since it is rare.
    disconnect: Option<Box<DisconnectWatch>>,
    _counted: Counted,
    _slot: Option<AddressSlot>,
    _presence: Option<Box<Connection>>,
    _guard: Option<StreamGuard>,
}

impl Stream {
    pub(super) fn new(send: SendStream<Bytes>, opened: OpenedStream, counted: Counted) -> Self {
        Self {
            out: Outgoing::new(send),
            due: opened.stream,
            is_ending: false,
            disconnect: None,
            _counted: counted,
            _slot: opened.slot,
            _presence: opened.presence,
            _guard: opened.guard,
        }
    }

    /// Sends what is due, up to a bound. Also returns how many bytes that was.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) -> (Progress, usize) {
        let mut sent = 0;
        let progress = self.send_due(cx, &mut sent);
        // Last: h2 has one waker for a reset and for an open window, and forgets it when it sends.
        let checked = self.out.check_reset(cx).and(progress);
        (checked.unwrap_or(Progress::Gone), sent)
    }

    fn send_due(&mut self, cx: &mut Context<'_>, sent: &mut usize) -> Result<Progress, Gone> {
        if self.is_ending {
            return Ok(Progress::Waiting);
        }
        match self.out.poll_blocked(sent, cx) {
            Poll::Ready(result) => result?,
            Poll::Pending => return self.wait(cx),
        }
        self.disconnect = None;
        while *sent < SEND_AT_ONCE {
            let bytes = match self.due.poll_due(cx) {
                Poll::Ready(Some(bytes)) => bytes,
                Poll::Ready(None) => {
                    self.is_ending = true;
                    return Ok(Progress::Cut);
                }
                Poll::Pending => return Ok(Progress::Waiting),
            };
            *sent += bytes.len();
            match self.out.poll_send(bytes, false, cx) {
                Poll::Ready(result) => result?,
                Poll::Pending => return self.wait(cx),
            }
            if self.due.is_settled() {
                return Ok(Progress::Waiting);
            }
        }
        cx.waker().wake_by_ref();
        Ok(Progress::Waiting)
    }

    /// The subscription is not polled for now: fails once an operator has ended the stream.
    pub(super) fn wait(&mut self, cx: &mut Context<'_>) -> Result<Progress, Gone> {
        if self.disconnect.is_none() {
            self.disconnect = self.due.disconnect_watch().map(Box::new);
        }
        match &self.disconnect {
            Some(watch) if watch.poll(cx).is_ready() => Err(Gone),
            _ => Ok(Progress::Waiting),
        }
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.out.is_blocked()
    }

    /// The check at an interval: fails for a client that does not open its windows, or reads a replay too slowly while
    /// others wait for its buffers.
    pub(super) fn check(&mut self, settings: &Settings) -> Result<(), Gone> {
        let is_wanted = settings.replay_buffers.waiting() > 0 && self.due.is_past();
        if self.out.is_over(settings.stall_timeout, is_wanted) {
            self.stalled();
            return Err(Gone);
        }
        Ok(())
    }

    /// The client reads too little, so that the stream is ended.
    pub(super) fn stalled(&mut self) {
        self.due.ends_as(Ended::Stalled);
    }

    pub(super) fn reset(&mut self, reason: Reason) {
        self.out.reset(reason);
    }
}
