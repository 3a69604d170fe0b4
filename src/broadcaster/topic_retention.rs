//! Drops events by the rules of their topics.
//!
//! What a rule lets go is found by reads of history, and [erased](crate::history::History::erase), so that every history
//! keeps the rules alike. This is done in rounds, by each node for the topics of what it sees: publishers do not wait for
//! it, and what two nodes find is erased once. An event stays for a round at least, in which the nodes offer it to their
//! subscribers, and until all shards of this node have walked it.

mod limits;
#[cfg(all(test, not(shuttle)))]
mod tests;
mod waiting;

use std::{
    sync::Weak,
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval};

use super::{Broadcaster, PublishError, inner::Inner};
use crate::{
    event::{EventId, Topic},
    history::{EraseScope, Erasure, NameKind, NameRange, TopicRule, TopicRules, Unavailable},
};
use limits::Totals;
use waiting::Waiting;

/// How often the topics are looked at that have new events.
const ROUND: Duration = Duration::from_secs(1);
/// Most topics that are looked at in one round; the others follow in the next.
const TOPICS_PER_ROUND: usize = 500;
/// Most steps of an erasure of one topic in one round.
const STEPS_PER_TOPIC: usize = 16;
/// How often all topics are looked at for events that have grown too old: ten times within the shortest age, and within
/// these.
const SCANS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Keeps the rules until the broadcaster is gone.
pub(super) async fn keep(broadcaster: Weak<Inner>, rules: TopicRules) {
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let Some(inner) = broadcaster.upgrade() else {
        return;
    };
    let mut keeper = Keeper::new(&inner, rules);
    drop(inner);
    loop {
        rounds.tick().await;
        let Some(inner) = broadcaster.upgrade() else {
            return;
        };
        // History logs itself that it cannot be reached, and the next round goes on from here.
        let _ = keeper.round(Broadcaster { inner }).await;
    }
}

struct Keeper {
    rules: TopicRules,
    waiting: Waiting,
    totals: Totals,
    scan: Scan,
}

/// A look at all topics, page by page.
struct Scan {
    /// Behind this name; `None` between two scans.
    after: Option<String>,
    next: Option<Instant>,
    every: Option<Duration>,
}

/// The round ends early, and is gone on with in the next.
struct Interrupted;

impl Keeper {
    fn new(inner: &Inner, rules: TopicRules) -> Self {
        let ages = rules.rules().iter().filter_map(|rule| rule.age);
        let every = ages.min().map(|age| (age / 10).clamp(SCANS.0, SCANS.1));
        Self {
            waiting: Waiting::new(inner.window.head()),
            totals: Totals::default(),
            scan: Scan {
                after: Some(String::new()),
                next: None,
                every,
            },
            rules,
        }
    }

    async fn round(&mut self, broadcaster: Broadcaster) -> Result<(), Interrupted> {
        let inner = &broadcaster.inner;
        // What was seen in the round before.
        let settled = self.waiting.position();
        if inner.quota.have_walked_to(settled) {
            self.look(&broadcaster, settled.id).await?;
        }
        if self
            .waiting
            .see(&inner.window, &self.rules, &mut self.totals)
        {
            self.scan.restart();
        }
        self.scan(inner).await
    }

    /// Has the next page of all topics looked at, if a scan is under way or due.
    async fn scan(&mut self, inner: &Inner) -> Result<(), Interrupted> {
        let Some(after) = self.scan.due(Instant::now()) else {
            return Ok(());
        };
        let range = NameRange::new(TOPICS_PER_ROUND).after(after);
        let names = inner.history.names(NameKind::Topics, range).await?;
        for (name, _) in &names.found {
            if let Ok(topic) = Topic::uri(name)
                && self.rules.limit(name).is_some()
            {
                self.waiting.add(&topic);
            }
        }
        let last = names.found.last().map(|(name, _)| name.clone());
        self.scan.has_come_to(last.filter(|_| names.more));
        Ok(())
    }

    /// Looks at the topics that wait the longest, and drops events up to this position.
    async fn look(
        &mut self,
        broadcaster: &Broadcaster,
        settled: EventId,
    ) -> Result<(), Interrupted> {
        for _ in 0..TOPICS_PER_ROUND {
            let Some(topic) = self.waiting.first().cloned() else {
                return Ok(());
            };
            if let Some(rule) = self.rules.limit(topic.as_str()).cloned() {
                self.apply(broadcaster, (&topic, &rule), settled).await?;
            }
            self.waiting.remove_first();
        }
        Ok(())
    }

    async fn apply(
        &mut self,
        broadcaster: &Broadcaster,
        (topic, rule): (&Topic, &TopicRule),
        settled: EventId,
    ) -> Result<(), Interrupted> {
        let history = &*broadcaster.inner.history;
        let dropped = self.totals.dropped(history, topic, rule, settled);
        let Some(up_to) = dropped.await? else {
            return Ok(());
        };
        let erasure = Erasure {
            topic: topic.clone(),
            up_to: Some(up_to.min(settled)),
            scope: EraseScope::Alone,
        };
        for _ in 0..STEPS_PER_TOPIC {
            if !broadcaster.erase_some(erasure.clone()).await?.more {
                return Ok(());
            }
        }
        self.waiting.add_again(topic);
        Ok(())
    }
}

impl Scan {
    fn restart(&mut self) {
        self.after = Some(String::new());
    }

    fn due(&mut self, now: Instant) -> Option<&str> {
        if self.next.is_some_and(|next| next <= now) {
            self.next = None;
            self.restart();
        }
        self.after.as_deref()
    }

    fn has_come_to(&mut self, after: Option<String>) {
        if after.is_none() {
            self.next = self.every.map(|every| Instant::now() + every);
        }
        self.after = after;
    }
}

impl From<Unavailable> for Interrupted {
    fn from(_: Unavailable) -> Self {
        Self
    }
}

impl From<PublishError> for Interrupted {
    fn from(_: PublishError) -> Self {
        Self
    }
}
