//! Messages between the threads of the yardstick.

use std::os::fd::OwnedFd;

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};

use super::Event;

pub enum Message {
    Connection(OwnedFd),
    Event(Event),
}

pub struct Inbox {
    messages: Mutex<Vec<Message>>,
    wake: OwnedFd,
}

impl Inbox {
    pub fn new() -> Self {
        let flags = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
        Self {
            messages: Mutex::default(),
            wake: eventfd(0, flags).expect("an eventfd"),
        }
    }

    /// Readable when a message is waiting.
    pub fn wake(&self) -> &OwnedFd {
        &self.wake
    }

    pub fn put(&self, message: Message) {
        let mut messages = self.messages.lock();
        let was_empty = messages.is_empty();
        messages.push(message);
        drop(messages);
        if was_empty {
            rustix::io::write(&self.wake, &1_u64.to_ne_bytes()).expect("woken");
        }
    }

    pub fn take(&self) -> Vec<Message> {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
        std::mem::take(&mut *self.messages.lock())
    }
}
