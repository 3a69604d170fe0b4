//! Which subscriptions began and ended, as stores list and queue it.

use std::sync::Arc;

use sse_broadcaster_presence::{
    Announcement, HubSubscription, MAX_WAITING_ANNOUNCEMENTS, SubscriptionChange, SubscriptionStore,
};

use super::{HEARTBEAT, Place};

/// More than most of these tests queue.
const ALL: usize = 1_000;
/// Changes of one batch.
const AT_ONCE: usize = 256;

fn subscription(matcher: &str, subscriber: &str) -> HubSubscription {
    HubSubscription {
        matcher: matcher.into(),
        subscriber: subscriber.into(),
        payload: None,
    }
}

fn begin(number: u64) -> SubscriptionChange {
    SubscriptionChange::Begin {
        number,
        subscription: subscription("exact a", &number.to_string()),
    }
}

fn end(number: u64) -> SubscriptionChange {
    SubscriptionChange::End { number }
}

/// The store of a node that has reported.
async fn node(place: &Place) -> Arc<dyn SubscriptionStore> {
    let store = place.subscriptions();
    store.beat(HEARTBEAT, None).await.unwrap();
    store
}

/// All that is queued, which is removed.
async fn announced(store: &Arc<dyn SubscriptionStore>) -> Vec<(String, bool)> {
    let pending = store.pending(ALL).await.unwrap();
    if let Some(first) = pending.first() {
        store.published(&first.key, pending.len()).await.unwrap();
    }
    assert!(store.pending(ALL).await.unwrap().is_empty());
    let change = |one: &Announcement| (one.subscription.subscriber.to_string(), one.is_active);
    pending.iter().map(change).collect()
}

fn changes<const N: usize>(changes: [(&str, bool); N]) -> Vec<(String, bool)> {
    let changes = changes.into_iter();
    changes
        .map(|(subscriber, is_active)| (subscriber.to_owned(), is_active))
        .collect()
}

async fn listed(store: &Arc<dyn SubscriptionStore>) -> Vec<String> {
    let listed = store.list(None, ALL).await.unwrap();
    listed
        .iter()
        .map(|one| one.subscriber.to_string())
        .collect()
}

pub fn a_batch_is_made_once_and_announces_each_of_its_changes_in_their_order(place: &Place) {
    place.runtime.block_on(async {
        let store = node(place).await;
        for _ in 0..2 {
            assert!(store.write(1, &[begin(1), begin(2), end(1)]).await.unwrap());
        }
        let expected = changes([("1", true), ("2", true), ("1", false)]);
        assert_eq!(announced(&store).await, expected);
        assert_eq!(listed(&store).await, ["2"]);
        assert!(store.write(2, &[end(2), end(7), begin(3)]).await.unwrap());
        assert!(store.write(1, &[end(3)]).await.unwrap());
        assert_eq!(
            announced(&store).await,
            changes([("2", false), ("3", true)])
        );
        assert_eq!(listed(&store).await, ["3"]);
    });
}

pub fn nothing_is_written_while_too_many_announcements_wait(place: &Place) {
    place.runtime.block_on(async {
        let store = node(place).await;
        let batches = MAX_WAITING_ANNOUNCEMENTS.div_ceil(AT_ONCE);
        for batch in 0..batches as u64 {
            let first = batch * AT_ONCE as u64;
            let begun: Vec<_> = (first..first + AT_ONCE as u64).map(begin).collect();
            assert!(store.write(batch + 1, &begun).await.unwrap());
        }
        let next = batches as u64 + 1;
        assert!(!store.write(next, &[end(0)]).await.unwrap());
        assert!(!store.write(next, &[end(0)]).await.unwrap());
        let first = store.pending(AT_ONCE).await.unwrap();
        assert_eq!(first.len(), AT_ONCE);
        store.published(&first[0].key, AT_ONCE).await.unwrap();
        assert!(store.write(next, &[end(0)]).await.unwrap());
        assert_eq!(listed(&store).await[0], "1");
    });
}

pub fn subscriptions_are_listed_in_the_order_in_which_they_began(place: &Place) {
    let mut random = fastrand::Rng::with_seed(7);
    let long: String = (0..4_000).map(|_| random.alphanumeric()).collect();
    let named = [
        ("exact b", "1"),
        (&long, "2"),
        ("exact a", "3"),
        (&long, "1\0"),
        ("exact b", "0"),
    ];
    let mut subscriptions = named.map(|(matcher, subscriber)| subscription(matcher, subscriber));
    subscriptions[1].payload = Some(r#"{"user":"änna"}"#.into());
    place.runtime.block_on(async {
        let store = node(place).await;
        let begun = (7..).zip(&subscriptions).map(|(number, subscription)| {
            let subscription = subscription.clone();
            SubscriptionChange::Begin {
                number,
                subscription,
            }
        });
        assert!(store.write(1, &begun.collect::<Vec<_>>()).await.unwrap());
        assert_eq!(store.list(None, ALL).await.unwrap(), subscriptions);
        assert_eq!(store.list(None, 2).await.unwrap(), subscriptions[..2]);
        let [_, long_2, _, long_1, _] = &subscriptions;
        let by_matcher = [long_2.clone(), long_1.clone()];
        assert_eq!(store.list(Some(&long), ALL).await.unwrap(), by_matcher);
        assert_eq!(store.list(Some(&long), 1).await.unwrap(), by_matcher[..1]);
        assert!(store.list(Some("exact"), ALL).await.unwrap().is_empty());
        assert_eq!(store.find(&long, "2").await.unwrap().as_ref(), Some(long_2));
        assert_eq!(store.find(&long, "1").await.unwrap(), None);
    });
}

pub fn the_subscriptions_of_a_node_that_reports_no_more_end_once(place: &Place) {
    let count = 450;
    place.runtime.block_on(async {
        let nodes = [node(place).await, node(place).await];
        let begun: Vec<_> = (0..count).map(begin).collect();
        for (batch, begun) in (1..).zip(begun.chunks(AT_ONCE)) {
            assert!(nodes[0].write(batch, begun).await.unwrap());
        }
        let of_other = SubscriptionChange::Begin {
            number: 1,
            subscription: subscription("exact a", "other"),
        };
        assert!(nodes[1].write(1, &[of_other]).await.unwrap());
        let mut begun = announced(&nodes[1]).await;
        assert_eq!(begun.pop(), Some(("other".to_owned(), true)));
        let mut ended = Vec::new();
        while ended.len() < begun.len() {
            assert!(!nodes[1].beat(HEARTBEAT, Some(1)).await.unwrap());
            ended.extend(announced(&nodes[1]).await);
        }
        let mut expected = begun;
        for (_, is_active) in &mut expected {
            *is_active = false;
        }
        ended.sort();
        expected.sort();
        assert_eq!(ended, expected);
        assert_eq!(listed(&nodes[1]).await, ["other"]);
        assert!(nodes[0].write(3, &[end(1)]).await.is_err());
        assert!(nodes[0].beat(HEARTBEAT, None).await.unwrap());
        assert!(nodes[0].write(3, &[begin(1)]).await.unwrap());
        assert_eq!(announced(&nodes[1]).await, changes([("1", true)]));
    });
}

pub fn what_a_node_writes_again_takes_the_place_of_what_it_had_written(place: &Place) {
    place.runtime.block_on(async {
        let nodes = [node(place).await, node(place).await, node(place).await];
        assert!(nodes[0].write(1, &[begin(1), begin(2)]).await.unwrap());
        // It begins again under another name.
        assert!(nodes[0].beat(HEARTBEAT, Some(5)).await.unwrap());
        assert!(nodes[0].write(2, &[begin(1)]).await.unwrap());
        let of_third = SubscriptionChange::Begin {
            number: 1,
            subscription: subscription("exact a", "third"),
        };
        nodes[2].beat(HEARTBEAT, Some(0)).await.unwrap();
        assert!(nodes[2].write(1, &[of_third]).await.unwrap());
        let mut seen = announced(&nodes[1]).await;
        while seen.len() < 5 {
            for (store, written) in [(&nodes[0], 1), (&nodes[1], 0)] {
                assert!(!store.beat(HEARTBEAT, Some(written)).await.unwrap());
            }
            seen.extend(announced(&nodes[1]).await);
        }
        seen[3..].sort();
        let expected = [
            ("1", true),
            ("2", true),
            ("third", true),
            ("2", false),
            ("third", false),
        ];
        assert_eq!(seen, changes(expected));
        assert_eq!(listed(&nodes[1]).await, ["1"]);
    });
}
