//! The subscriptions of a single node, in memory.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    time::Duration,
};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use sse_broadcaster::history::Unavailable;

use super::{
    Announcement, HubSubscription, MAX_WAITING_ANNOUNCEMENTS, SubscriptionChange, SubscriptionStore,
};
use crate::memory::{done, random_key, remove_published};

/// The subscriptions of a single node. They end with the process.
#[derive(Default)]
pub struct MemorySubscriptions(Mutex<State>);

#[derive(Default)]
struct State {
    /// By number, which is the order in which they began.
    listed: BTreeMap<u64, HubSubscription>,
    pending: VecDeque<Announcement>,
    /// The last batch that was made.
    batch: u64,
}

impl MemorySubscriptions {
    /// No subscriptions yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl State {
    fn write(&mut self, batch: u64, changes: &[SubscriptionChange]) -> bool {
        if batch <= self.batch {
            return true;
        }
        if self.pending.len() >= MAX_WAITING_ANNOUNCEMENTS {
            return false;
        }
        self.batch = batch;
        for change in changes {
            self.apply(change);
        }
        true
    }

    fn apply(&mut self, change: &SubscriptionChange) {
        let (subscription, is_active) = match change {
            SubscriptionChange::Begin {
                number,
                subscription,
            } => {
                let known = self.listed.insert(*number, subscription.clone());
                (known.is_none().then(|| subscription.clone()), true)
            }
            SubscriptionChange::End { number } => (self.listed.remove(number), false),
        };
        if let Some(subscription) = subscription {
            self.pending.push_back(Announcement {
                key: random_key(),
                subscription,
                is_active,
            });
        }
    }
}

impl SubscriptionStore for MemorySubscriptions {
    fn write<'a>(
        &'a self,
        batch: u64,
        changes: &'a [SubscriptionChange],
    ) -> BoxFuture<'a, Result<bool, Unavailable>> {
        done(self.0.lock().write(batch, changes))
    }

    fn beat(&self, _: Duration, _: Option<usize>) -> BoxFuture<'_, Result<bool, Unavailable>> {
        done(false)
    }

    fn pending(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Announcement>, Unavailable>> {
        done(self.0.lock().pending.iter().take(limit).cloned().collect())
    }

    fn published<'a>(
        &'a self,
        first: &'a str,
        count: usize,
    ) -> BoxFuture<'a, Result<(), Unavailable>> {
        let pending = &mut self.0.lock().pending;
        remove_published(pending, |pending| &pending.key, first, count);
        done(())
    }

    fn list<'a>(
        &'a self,
        matcher: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<HubSubscription>, Unavailable>> {
        let state = self.0.lock();
        let is_asked =
            |one: &&HubSubscription| matcher.is_none_or(|matcher| *one.matcher == *matcher);
        let asked = state.listed.values().filter(is_asked);
        done(asked.take(limit).cloned().collect())
    }

    fn find<'a>(
        &'a self,
        matcher: &'a str,
        subscriber: &'a str,
    ) -> BoxFuture<'a, Result<Option<HubSubscription>, Unavailable>> {
        let state = self.0.lock();
        let mut listed = state.listed.values();
        let found = listed.find(|one| *one.matcher == *matcher && *one.subscriber == *subscriber);
        done(found.cloned())
    }
}

impl fmt::Debug for MemorySubscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySubscriptions")
            .field("listed", &self.0.lock().listed.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(number: u64) -> SubscriptionChange {
        SubscriptionChange::Begin {
            number,
            subscription: HubSubscription {
                matcher: "exact a".into(),
                subscriber: number.to_string().into(),
                payload: None,
            },
        }
    }

    fn changes(state: &State) -> Vec<(String, bool)> {
        let pending = state.pending.iter();
        let change = |one: &Announcement| (one.subscription.subscriber.to_string(), one.is_active);
        pending.map(change).collect()
    }

    #[test]
    fn a_batch_that_is_repeated_announces_nothing_again_not_even_what_began_and_ended_in_it() {
        let mut state = State::default();
        for _ in 0..2 {
            let batch = [begin(1), begin(2), SubscriptionChange::End { number: 1 }];
            assert!(state.write(1, &batch));
        }
        let expected = [("1", true), ("2", true), ("1", false)];
        let expected = expected.map(|(subscriber, is_active)| (subscriber.to_owned(), is_active));
        assert_eq!(changes(&state), expected);
        assert_eq!(state.listed.len(), 1);
    }

    #[test]
    fn nothing_is_written_while_too_many_announcements_wait() {
        let mut state = State::default();
        let many: Vec<_> = (0..MAX_WAITING_ANNOUNCEMENTS as u64).map(begin).collect();
        assert!(state.write(1, &many));
        assert!(!state.write(2, &[SubscriptionChange::End { number: 0 }]));
        state.pending.pop_front();
        assert!(state.write(2, &[SubscriptionChange::End { number: 0 }]));
        assert_eq!(state.pending.len(), MAX_WAITING_ANNOUNCEMENTS);
    }
}
