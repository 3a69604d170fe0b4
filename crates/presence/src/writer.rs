//! The task that tells the store of this node's connections, and publishes what changed.

use std::{collections::HashSet, sync::Arc, time::Duration};

use sse_broadcaster::{
    broadcaster::{Broadcaster, PublishError},
    event::Event,
    history::{Batch, NameRange, Unavailable},
};
use sse_broadcaster_signals::{Condition, SignalError};
use tokio::time::{Instant, sleep_until};

use crate::{
    Webhooks, announcement,
    local::Local,
    signal::{SIGNAL_PREFIX, SignalWriter, signal_name, topic_of_signal},
    store::{Pending, Store},
    webhook,
};

/// Most changes in one write, and most events in one publish.
const MAX_AT_ONCE: usize = 256;
/// How long to wait after a failure.
const RETRY_AFTER: Duration = Duration::from_millis(500);
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
        let mut is_failing = false;
        let mut is_reset = self.store.outlives_nodes();
        let mut beat_at = Instant::now();
        loop {
            let done = self.turn(&mut is_reset, &mut beat_at).await;
            let retry_at = done.is_err().then(|| Instant::now() + RETRY_AFTER);
            match done {
                // The nodes that go on, or the next process, announce who is still there.
                Err(_) if self.broadcaster.is_draining() => {}
                Err(why) if !is_failing => {
                    log::warn!("presence cannot be written and is retried: {why}");
                    is_failing = true;
                }
                Ok(()) if is_failing => {
                    log::info!("presence is written again");
                    is_failing = false;
                }
                _ => {}
            }
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

    async fn turn(&self, is_reset: &mut bool, beat_at: &mut Instant) -> Result<(), Unavailable> {
        if !*is_reset {
            self.reset().await?;
            *is_reset = true;
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
        let limit = MAX_AT_ONCE.min(self.broadcaster.max_batch_events()).max(1);
        loop {
            let pending = self.store.pending(limit).await?;
            let Some(first) = pending.first() else {
                return Ok(());
            };
            let events: Vec<Event> = pending.iter().filter_map(event).collect();
            if !events.is_empty() {
                self.publish_events(events).await?;
            }
            if let Some(webhooks) = &self.webhooks {
                let told = pending.iter().map(webhook::of_pending);
                told.for_each(|event| webhooks.push(event));
            }
            self.store.published(&first.key, pending.len()).await?;
        }
    }

    async fn publish_events(&self, events: Vec<Event>) -> Result<(), Unavailable> {
        let again = |why: &PublishError| Unavailable::new(why.to_string());
        match self.broadcaster.publish(Batch::from(events)).await {
            Ok(_) => Ok(()),
            Err(PublishError::Unavailable(why) | PublishError::OutcomeUnknown(why)) => Err(why),
            Err(why @ (PublishError::Overloaded | PublishError::Draining)) => Err(again(&why)),
            Err(why) => {
                // It would fail each time, and hold up what comes after it.
                log::warn!("presence: some events could not be published and are dropped: {why}");
                Ok(())
            }
        }
    }

    /// Announces that those who were there before this process are gone: nobody knows who they were, but the signals
    /// that they left name their topics.
    async fn reset(&self) -> Result<(), Unavailable> {
        loop {
            let range = NameRange::new(NAMES_AT_ONCE).prefix(SIGNAL_PREFIX);
            let signals = &self.signals.signals;
            let names = signals.names(range).await.map_err(unavailable)?;
            let topics = names.found.iter();
            for topic in topics.filter_map(|(name, _)| topic_of_signal(name)) {
                let event = announcement::reset(topic);
                self.publish_events(event.into_iter().collect()).await?;
                let Ok(name) = signal_name(topic) else {
                    continue;
                };
                let removed = signals.remove(&name, &Condition::default()).await;
                match removed {
                    Ok(_) | Err(SignalError::Missing) => {}
                    Err(why) => return Err(unavailable(why)),
                }
            }
            if !names.more {
                return Ok(());
            }
        }
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
