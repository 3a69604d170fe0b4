//! An operator disconnects a client. Its stream ends when it is next polled. While its socket is full it is not polled:
//! then the owner of the socket is woken, by a waker of its own.

use std::{
    task::{Poll, Waker},
    time::Duration,
};

use super::{Connections, Shard};
use crate::{
    broadcaster::shard::sender_indexes::SenderIndex,
    sse::{Ending, Sender},
};

impl Connections {
    /// Whether the connection of this serial has this index.
    fn holds(&self, index: SenderIndex, serial: u32) -> bool {
        self.get(index)
            .is_some_and(|described| described.serial == serial)
    }

    /// Returns the waker that this one replaces, to be dropped outside of the lock.
    fn wake_on_disconnect(&mut self, index: SenderIndex, waker: &Waker) -> Option<Waker> {
        match self.disconnect_wakers.get(&index) {
            Some(registered) if registered.will_wake(waker) => None,
            _ => self.disconnect_wakers.insert(index, waker.clone()),
        }
    }
}

impl Sender {
    fn is_disconnected(&self) -> bool {
        matches!(self.ending, Some(Ending::Disconnect { .. }))
    }
}

impl Shard {
    /// Ends the stream of this connection. False if another one, or none, has its index.
    pub(in crate::broadcaster) fn disconnect(
        &self,
        index: SenderIndex,
        serial: u32,
        retry: Duration,
    ) -> bool {
        let wakers = {
            let mut senders = self.senders.lock();
            let state = &mut *self.state.lock();
            let Some(connections) = &mut state.connections else {
                return false;
            };
            if !connections.holds(index, serial) {
                return false;
            }
            let sender = &mut senders[index];
            let retry_ms = u32::try_from(retry.as_millis()).unwrap_or(u32::MAX);
            sender.ending = Some(Ending::Disconnect { retry_ms });
            [sender.wake(), connections.disconnect_wakers.remove(&index)]
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
        true
    }

    /// Whether an operator has ended this stream.
    pub(in crate::broadcaster) fn is_disconnected(&self, index: SenderIndex) -> bool {
        self.senders.lock()[index].is_disconnected()
    }

    /// The serial of the connection of this index, where connections are kept.
    pub(in crate::broadcaster) fn serial(&self, index: SenderIndex) -> Option<u32> {
        if !self.keeps_connections {
            return None;
        }
        let _senders = self.senders.lock();
        let state = self.state.lock();
        let described = state.connections.as_ref()?.get(index)?;
        Some(described.serial)
    }

    /// Ready once an operator has ended the stream of this connection; its waker is kept until then. A connection that
    /// has left is not ended any more.
    pub(in crate::broadcaster) fn poll_disconnected(
        &self,
        index: SenderIndex,
        serial: u32,
        waker: &Waker,
    ) -> Poll<()> {
        let replaced = {
            let senders = self.senders.lock();
            let state = &mut *self.state.lock();
            let connections = state.connections.as_mut();
            let Some(connections) = connections.filter(|all| all.holds(index, serial)) else {
                return Poll::Pending;
            };
            if senders[index].is_disconnected() {
                return Poll::Ready(());
            }
            connections.wake_on_disconnect(index, waker)
        };
        drop(replaced);
        Poll::Pending
    }
}
