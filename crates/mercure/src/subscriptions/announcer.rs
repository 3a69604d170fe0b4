//! The task that writes the subscriptions of this node to the list, and announces what changed.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use sse_broadcaster::{Broadcaster, Event, history::Unavailable};
use sse_broadcaster_presence::{
    Announcement, MAX_WAITING_ANNOUNCEMENTS, SubscriptionChange, SubscriptionStore,
    internal::{Failures, MAX_AT_ONCE, RETRY_AFTER, publish_announcements},
};
use tokio::time::{Instant, sleep_until};

use super::{
    document::Subscription,
    local::{Change, Local, Taken},
};

/// How often a node reports that it lives. The subscriptions of one that was killed are ended within three of these.
const HEARTBEAT: Duration = Duration::from_secs(5);
const WHAT: &str = "the list of subscriptions";

pub(super) struct Announcer {
    local: Arc<Local>,
    store: Arc<dyn SubscriptionStore>,
    broadcaster: Broadcaster,
    /// What was taken and is not known to be written: each with its number, under which it may be repeated.
    batches: VecDeque<(u64, Vec<SubscriptionChange>)>,
    last_batch: u64,
    /// Up to where changes were taken.
    taken_up_to: u64,
    /// How many subscriptions of this node the list has.
    listed: usize,
    beat_at: Instant,
}

impl Announcer {
    pub(super) fn new(
        local: &Arc<Local>,
        store: &Arc<dyn SubscriptionStore>,
        broadcaster: &Broadcaster,
    ) -> Self {
        Self {
            local: Arc::clone(local),
            store: Arc::clone(store),
            broadcaster: broadcaster.clone(),
            batches: VecDeque::new(),
            last_batch: 0,
            taken_up_to: 0,
            listed: 0,
            beat_at: Instant::now(),
        }
    }

    /// Never ends.
    pub(super) async fn run(mut self) {
        let mut failures = Failures::of(WHAT);
        loop {
            let done = self.turn().await;
            failures.note(&done, &self.broadcaster);
            if done.is_err() {
                // The store may not know the node.
                self.beat_at = Instant::now();
                sleep_until(self.beat_at + RETRY_AFTER).await;
                continue;
            }
            tokio::select! {
                () = self.local.changed.notified() => {}
                () = sleep_until(self.beat_at) => {}
            }
        }
    }

    async fn turn(&mut self) -> Result<(), Unavailable> {
        let now = Instant::now();
        if now >= self.beat_at {
            self.beat().await?;
            // Twice a heartbeat, so that a dead node is swept within half a heartbeat.
            self.beat_at = now + HEARTBEAT / 2;
        }
        loop {
            if self.batches.is_empty() {
                self.take();
            }
            let has_written = !self.batches.is_empty();
            let written = self.write().await;
            // What waits to be announced may be why nothing was written.
            self.publish().await?;
            written?;
            self.local.announced_up_to.send_replace(self.taken_up_to);
            if !has_written {
                return Ok(());
            }
        }
    }

    async fn beat(&mut self) -> Result<(), Unavailable> {
        let listed = self.batches.is_empty().then_some(self.listed);
        if self.store.beat(HEARTBEAT, listed).await? {
            if self.last_batch > 0 {
                log::info!("{WHAT}: those of this node are written again");
            }
            self.batches.clear();
            self.listed = 0;
            self.local.forget_written();
        }
        Ok(())
    }

    fn take(&mut self) {
        let Taken { changes, up_to } = self.local.take(MAX_AT_ONCE);
        let mut changes = changes.iter().flat_map(of_subscriptions).peekable();
        while changes.peek().is_some() {
            self.last_batch += 1;
            let batch = changes.by_ref().take(MAX_AT_ONCE).collect();
            self.batches.push_back((self.last_batch, batch));
        }
        self.taken_up_to = up_to;
    }

    async fn write(&mut self) -> Result<(), Unavailable> {
        while let Some((number, changes)) = self.batches.front() {
            if !self.store.write(*number, changes).await? {
                return Err(Unavailable::new(format!(
                    "{MAX_WAITING_ANNOUNCEMENTS} announcements wait to be published"
                )));
            }
            for change in changes {
                match change {
                    SubscriptionChange::Begin { .. } => self.listed += 1,
                    SubscriptionChange::End { .. } => self.listed = self.listed.saturating_sub(1),
                }
            }
            self.batches.pop_front();
        }
        self.local.written_up_to.send_replace(self.taken_up_to);
        Ok(())
    }

    async fn publish(&self) -> Result<(), Unavailable> {
        loop {
            let pending = self.store.pending(MAX_AT_ONCE).await?;
            let Some(first) = pending.first() else {
                return Ok(());
            };
            let events = pending.iter().filter_map(event).collect();
            publish_announcements(&self.broadcaster, WHAT, events).await?;
            self.store.published(&first.key, pending.len()).await?;
        }
    }
}

/// The changes of each subscription of a connection.
fn of_subscriptions(change: &Change) -> impl Iterator<Item = SubscriptionChange> {
    let numbered = (change.number..).zip(&change.subscriber.subscriptions);
    numbered.map(|(number, subscription)| {
        if change.is_active {
            SubscriptionChange::Begin {
                number,
                subscription: subscription.clone(),
            }
        } else {
            SubscriptionChange::End { number }
        }
    })
}

fn event(announcement: &Announcement) -> Option<Event> {
    let subscription = Subscription::read(&announcement.subscription, announcement.is_active)?;
    let event = subscription.event(&announcement.key);
    event
        .inspect_err(|invalid| log::debug!("a subscription is not announced: {invalid}"))
        .ok()
}
