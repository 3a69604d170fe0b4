//! What the parts of a history in Redis know together.

use std::ops::Deref;

use super::{connection::Address, own::ToTail, script::Keys};
use sse_broadcaster::history::{Retention, Window};
use sse_broadcaster_remote::RemoteLog;

pub(super) struct Shared {
    remote: RemoteLog<Address>,
    pub(super) keys: Keys,
    pub(super) to_tail: ToTail,
}

impl Shared {
    pub(super) fn new(
        address: Address,
        keys: Keys,
        retention: Retention,
        window: Window,
        to_tail: ToTail,
    ) -> Self {
        Self {
            remote: RemoteLog::new(address, retention, window),
            keys,
            to_tail,
        }
    }
}

impl Deref for Shared {
    type Target = RemoteLog<Address>;

    fn deref(&self) -> &RemoteLog<Address> {
        &self.remote
    }
}
