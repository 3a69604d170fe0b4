//! A stream that is sent to together with others.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

use super::{Progress, Stream};
use crate::http::direct::outgoing::{Framer, Outgoing};

/// What a stream is to be sent by a batch.
pub(in crate::http::direct) enum Step {
    /// The whole of these bytes, which is longer by their frame; then [`Stream::has_sent`] is to be called.
    Send { whole: Bytes, bytes: Bytes },
    /// Nothing.
    Done(Progress),
}

impl Stream {
    /// Has it served once more.
    pub(in crate::http::direct) fn wake(&self) {
        self.waker.reset();
        Waker::from(Arc::clone(&self.waker)).wake();
    }

    /// The first of what is due, or what [`advance`](Self::advance) came to where it is too long for a batch.
    pub(in crate::http::direct) fn take_due(&mut self, framer: &mut Framer) -> Step {
        if self.socket.is_encrypted() {
            return Step::Done(self.advance(framer));
        }
        self.waker.reset();
        if let Some(full) = &self.full {
            return Step::Done(full.wait(&self.waker));
        }
        let waker = Waker::from(Arc::clone(&self.waker));
        let bytes = match self.due.poll_due(&mut Context::from_waker(&waker)) {
            Poll::Ready(Some(bytes)) => bytes,
            Poll::Ready(None) => return Step::Done(self.break_off()),
            Poll::Pending => return Step::Done(Progress::Idle),
        };
        if let Some(whole) = framer.framed(&bytes, self.is_chunked()) {
            return Step::Send { whole, bytes };
        }
        self.due.put_back(bytes);
        Step::Done(self.advance(framer))
    }

    /// What [`take_due`](Self::take_due) returned was sent as far as the socket had room. Writes what else is due.
    pub(in crate::http::direct) fn has_sent(
        &mut self,
        bytes: Bytes,
        sent: io::Result<usize>,
        framer: &mut Framer,
    ) -> Progress {
        let length = bytes.len();
        let outgoing = Outgoing::of(bytes, self.is_chunked());
        let left = outgoing.go_on(&mut self.socket, sent);
        match self.has_written(length, left) {
            Some(progress) => progress,
            None => self.advance(framer),
        }
    }
}
