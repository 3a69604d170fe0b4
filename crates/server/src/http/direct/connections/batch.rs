//! Serves several streams at once: what is due to them is sent by one system call.

use std::{
    os::fd::AsFd as _,
    panic::{AssertUnwindSafe, catch_unwind},
};

use bytes::Bytes;

use super::{Connection, Connections};
use crate::http::direct::{
    inbox::Slot,
    ring::{MAX_BATCH, Send, SendRing},
    stream::Step,
};

/// What is collected for a batch.
pub(super) struct Batches {
    ring: SendRing,
    sends: Vec<Send>,
    /// The stream of each, and its bytes without a frame.
    of: Vec<(Slot, Bytes)>,
}

impl Batches {
    pub(super) fn new(ring: SendRing) -> Self {
        Self {
            ring,
            sends: Vec::new(),
            of: Vec::new(),
        }
    }
}

impl Connections {
    /// How many streams one call may serve.
    pub(in crate::http::direct) fn max_batch(&self) -> usize {
        match self.batches {
            Some(_) => MAX_BATCH,
            None => 1,
        }
    }

    /// The streams of these slots were woken.
    pub(in crate::http::direct) fn advance_all(&mut self, slots: &[Slot]) {
        let batches = self.batches.take_if(|_| slots.len() > 1);
        let Some(mut batches) = batches else {
            for slot in slots {
                self.guarded(*slot, Self::advance);
            }
            return;
        };
        for slot in slots {
            self.guarded(*slot, |connections, slot| {
                connections.collect(slot, &mut batches);
            });
        }
        let result = batches.ring.send_all(&mut batches.sends);
        if let Err(error) = &result {
            log::warn!("io_uring failed, and streams are sent to one by one from now on: {error}");
        }
        let mut sends = batches.sends.drain(..);
        for (slot, bytes) in batches.of.drain(..) {
            match sends.next() {
                Some(send) => self.guarded(slot, |connections, slot| {
                    connections.has_sent(slot, bytes, send);
                }),
                // It may have been sent what it would be sent again.
                None => self.close(slot),
            }
        }
        drop(sends);
        self.batches = result.is_ok().then_some(batches);
    }

    /// A panic ends one stream, not all.
    fn guarded(&mut self, slot: Slot, serve: impl FnOnce(&mut Self, Slot)) {
        if catch_unwind(AssertUnwindSafe(|| serve(self, slot))).is_err() {
            self.close(slot);
        }
    }

    fn collect(&mut self, slot: Slot, batches: &mut Batches) {
        let Some(Connection::Streaming(stream)) = self.all.get_mut(slot as usize) else {
            return;
        };
        if batches.of.iter().any(|(collected, _)| *collected == slot) {
            // An earlier connection in this slot was woken, too. If the socket takes a part of what was collected, the
            // rest of that has to come first.
            return stream.wake();
        }
        match stream.take_due(&mut self.framer) {
            Step::Send { whole, bytes } => {
                batches.sends.push(Send::new(stream.socket.as_fd(), whole));
                batches.of.push((slot, bytes));
            }
            Step::Done(progress) => self.follow_up(slot, progress),
        }
    }

    fn has_sent(&mut self, slot: Slot, bytes: Bytes, send: Send) {
        if let Some(Connection::Streaming(stream)) = self.all.get_mut(slot as usize) {
            let progress = stream.has_sent(bytes, send.sent(), &mut self.framer);
            self.follow_up(slot, progress);
        }
    }
}
