//! What the parts of a history in PostgreSQL know together.

use std::{
    ops::Deref,
    sync::atomic::{AtomicBool, AtomicI64, Ordering},
};

use tokio::sync::Notify;

use super::address::Address;
use sse_broadcaster::history::{Retention, TopicRules, Window};
use sse_broadcaster_remote::RemoteLog;

/// The channels that notify nodes of events in the log and in the outbox.
pub(super) const LOG: &str = "log";
pub(super) const OUTBOX: &str = "outbox";

pub(super) struct Shared {
    remote: RemoteLog<Address>,
    /// By which events of the outbox become last events.
    pub(super) topic_rules: TopicRules,
    /// How many events were appended in all, by the last notification.
    appended: AtomicI64,
    /// The tail is to poll: something was appended.
    pub(super) poll_now: Notify,
    /// Something waits in the outbox.
    pub(super) move_now: Notify,
    /// The last upkeep has failed.
    pub(super) is_upkeep_failing: AtomicBool,
}

impl Shared {
    pub(super) fn new(
        address: Address,
        retention: Retention,
        window: Window,
        topic_rules: TopicRules,
    ) -> Self {
        Self {
            remote: RemoteLog::new(address, retention, window),
            topic_rules,
            appended: AtomicI64::new(0),
            poll_now: Notify::new(),
            move_now: Notify::new(),
            is_upkeep_failing: AtomicBool::new(false),
        }
    }

    /// A notification of what another session did. It may be lost, and the tail polls anyway.
    pub(super) fn notified(&self, channel: &str, payload: &str) {
        if channel == self.address.schema.channel(OUTBOX) {
            self.move_now.notify_one();
        } else if let Ok(number) = payload.parse() {
            self.has_appended(number);
        }
    }

    fn has_appended(&self, number: i64) {
        self.appended.store(number, Ordering::Release);
        self.poll_now.notify_one();
    }

    /// Another log may hold fewer than the one before.
    pub(super) fn holds_now(&self, number: i64) {
        self.appended.store(number, Ordering::Release);
    }

    /// Until a notification says that the log holds events past this number.
    pub(super) async fn appended_past(&self, number: i64) {
        while self.appended.load(Ordering::Acquire) <= number {
            self.poll_now.notified().await;
        }
    }
}

impl Deref for Shared {
    type Target = RemoteLog<Address>;

    fn deref(&self) -> &RemoteLog<Address> {
        &self.remote
    }
}
