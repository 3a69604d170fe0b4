//! Whether the peer of a stream acknowledges what was written. This is checked only while something may not be
//! acknowledged.

use std::{os::fd::AsFd, time::Duration};

use crate::http::connection::{
    socket,
    stall::{Stall, UncheckedBytes},
};

#[derive(Debug, Default)]
pub(in crate::http) struct StallWatch {
    /// `Some` while something may not be acknowledged.
    stall: Option<Box<Stall>>,
    unchecked: UncheckedBytes,
}

impl StallWatch {
    pub(in crate::http) fn is_active(&self) -> bool {
        self.stall.is_some()
    }

    /// Counts bytes of a write that the kernel took whole.
    pub(in crate::http) fn add_written(&mut self, socket: &impl AsFd, bytes: usize) {
        if let Some(stall) = &mut self.stall {
            stall.has_written(bytes);
        } else if self.unchecked.add(bytes) {
            match socket::unacknowledged(socket) {
                0 => {}
                unacknowledged => self.begin(socket, unacknowledged),
            }
        }
    }

    /// Counts bytes of a write of which the kernel took a part only: something is not acknowledged.
    pub(in crate::http) fn add_partly_written(&mut self, socket: &impl AsFd, bytes: usize) {
        match &mut self.stall {
            Some(stall) => stall.has_written(bytes),
            None => self.begin(socket, socket::unacknowledged(socket)),
        }
    }

    /// From now on the peer's progress is checked here, and not by the kernel.
    fn begin(&mut self, socket: &impl AsFd, unacknowledged: u64) {
        socket::wait_for_peer(socket, None);
        self.stall = Some(Box::new(Stall::begin(unacknowledged)));
    }

    /// The kernel's own timeout is enough: everything is acknowledged, or the socket is about to be closed, after which the
    /// kernel keeps unsent bytes for this long.
    pub(in crate::http) fn end(&mut self, socket: &impl AsFd, timeout: Duration) {
        if self.stall.take().is_some() {
            socket::wait_for_peer(socket, Some(timeout));
        }
    }

    /// The check at an interval: whether the peer has acknowledged too little for too long. `is_full`: a write waits for
    /// room in the socket.
    pub(in crate::http) fn has_stalled(
        &mut self,
        socket: &impl AsFd,
        is_full: bool,
        timeout: Duration,
    ) -> bool {
        let unacknowledged = socket::unacknowledged(socket);
        if !is_full && unacknowledged == 0 {
            self.end(socket, timeout);
        }
        let stall = self.stall.as_mut();
        stall.is_some_and(|stall| stall.is_over(unacknowledged, timeout))
    }
}
