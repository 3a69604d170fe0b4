//! The task that tells the store of this node's connections, and publishes what changed.

use std::{collections::HashSet, sync::Arc, time::Duration};

use sse_broadcaster::{
    broadcaster::Broadcaster,
    event::Event,
    history::{NameRange, Unavailable},
};
use sse_broadcaster_signals::SignalError;
use tokio::time::{Instant, sleep_until};

use crate::{
    Webhooks, announcement,
    local::Local,
    publish::{Failures, MAX_AT_ONCE, RETRY_AFTER, publish_announcements},
    signal::{SIGNAL_PREFIX, SignalWriter, topic_of_signal},
    store::{Pending, Store},
    webhook,
};

/// Names of signals that are read at once.
const NAMES_AT_ONCE: usize = 1_000;

pub(crate) struct Writer {
    pub(crate) local: Arc<Local>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) signals: Arc<SignalWriter>,
    pub(crate) broadcaster: Broadcaster,
    pub(crate) heartbeat: Duration,
    pub(crate) webhooks: Option<Webhooks>,
}

impl Writer {
    /// Never ends.
    pub(crate) async fn run(self) {
        let mut failures = Failures::of("presence");
        let mut has_begun = false;
        let mut beat_at = Instant::now();
        loop {
            let done = self.turn(&mut has_begun, &mut beat_at).await;
            failures.note(&done, &self.broadcaster);
            let retry_at = done.is_err().then(|| Instant::now() + RETRY_AFTER);
            let Some(retry_at) = retry_at else {
                self.wait(beat_at).await;
                continue;
            };
            // The store may not know the node.
            beat_at = Instant::now();
            // Changes collect meanwhile.
            sleep_until(retry_at).await;
        }
    }

    async fn wait(&self, beat_at: Instant) {
        let grace_ends = self.local.end_graces(Instant::now());
        let until = grace_ends.map_or(beat_at, |at| at.min(beat_at));
        if self.local.written().is_none() {
            return;
        }
        tokio::select! {
            () = self.local.changed.notified() => {}
            () = sleep_until(until) => {}
        }
    }

    async fn turn(&self, has_begun: &mut bool, beat_at: &mut Instant) -> Result<(), Unavailable> {
        if !*has_begun {
            self.begin().await?;
            *has_begun = true;
        }
        let now = Instant::now();
        self.local.end_graces(now);
        if now >= *beat_at {
            self.beat().await?;
            // Twice a heartbeat, so that a dead node is swept within half a heartbeat.
            *beat_at = now + self.heartbeat / 2;
        }
        loop {
            let changes = self.local.unwritten(MAX_AT_ONCE);
            if changes.is_empty() {
                break;
            }
            self.store.write(&changes).await?;
            self.local.set_written(&changes);
            let topics: HashSet<_> = changes.into_iter().map(|change| change.topic).collect();
            self.signals.touch(topics);
        }
        self.publish().await
    }

    async fn beat(&self) -> Result<(), Unavailable> {
        let beat = self
            .store
            .beat(self.heartbeat, self.local.written())
            .await?;
        if beat.is_lost {
            log::info!("presence: the connections of this node are written again");
            self.local.forget_written();
        }
        self.signals.touch(beat.swept);
        Ok(())
    }

    async fn publish(&self) -> Result<(), Unavailable> {
        loop {
            let pending = self.store.pending(MAX_AT_ONCE).await?;
            let Some(first) = pending.first() else {
                return Ok(());
            };
            let events: Vec<Event> = pending.iter().filter_map(event).collect();
            publish_announcements(&self.broadcaster, "presence", events).await?;
            if let Some(webhooks) = &self.webhooks {
                let told = pending.iter().map(webhook::of_pending);
                told.for_each(|event| webhooks.push(event));
            }
            self.store.published(&first.key, pending.len()).await?;
        }
    }

    /// Has signals that an earlier process left written anew. Where nobody knows who was there, announces that those
    /// whom they show are gone.
    async fn begin(&self) -> Result<(), Unavailable> {
        let mut after = String::new();
        loop {
            let range = NameRange::new(NAMES_AT_ONCE).prefix(SIGNAL_PREFIX);
            let signals = &self.signals.signals;
            let names = signals.names(range.after(&after)).await;
            let names = names.map_err(unavailable)?;
            for (name, _) in names.found {
                if let Some(topic) = topic_of_signal(&name) {
                    self.begin_with(topic).await?;
                }
                after = name;
            }
            if !names.more {
                return Ok(());
            }
        }
    }

    async fn begin_with(&self, topic: &str) -> Result<(), Unavailable> {
        if !self.store.outlives_nodes() {
            let shown = self.signals.shows_somebody(topic).await;
            if shown.map_err(unavailable)? {
                let event = announcement::reset(topic);
                let event = event.into_iter().collect();
                publish_announcements(&self.broadcaster, "presence", event).await?;
            }
        }
        self.signals.touch([topic.into()]);
        Ok(())
    }
}

fn event(pending: &Pending) -> Option<Event> {
    match announcement::event(pending)? {
        Ok(event) => Some(event),
        Err(why) => {
            log::warn!("presence: an event is dropped: {why}");
            None
        }
    }
}

fn unavailable(why: SignalError) -> Unavailable {
    match why {
        SignalError::Unavailable(why) => why,
        other => Unavailable::new(other.to_string()).with_source(other),
    }
}
