//! Who joined and left, as stores queue it.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use sse_broadcaster_presence::{Change, Counts, Pending, PendingKind, Store};

use super::{HEARTBEAT, Place};

/// More than any of these tests queues.
const ALL: usize = 10_000;
/// Then another node may.
const PUBLISHES_FOR: Duration = Duration::from_secs(2);

fn of(user: &str, connections: u32) -> Change {
    Change::new("room", Some(user.into()), connections)
}

fn anonymous(connections: u32) -> Change {
    Change::new("room", None, connections)
}

/// The store of a node that has reported.
async fn node(place: &Place) -> Arc<dyn Store> {
    let store = place.presence();
    store.beat(HEARTBEAT, None).await.unwrap();
    store
}

fn described(pending: &Pending) -> String {
    assert_eq!(&*pending.topic, "room");
    match &pending.kind {
        PendingKind::Join { user, users, .. } => format!("join {user} {users}"),
        PendingKind::Leave { user, users, .. } => format!("leave {user} {users}"),
        PendingKind::FirstSubscriber => "first".to_owned(),
        PendingKind::LastSubscriber => "last".to_owned(),
        other => panic!("{other:?}"),
    }
}

/// All that is queued, which is removed.
async fn told(store: &Arc<dyn Store>) -> Vec<String> {
    let pending = store.pending(ALL).await.unwrap();
    if let Some(first) = pending.first() {
        store.published(&first.key, pending.len()).await.unwrap();
    }
    assert!(store.pending(ALL).await.unwrap().is_empty());
    let keys: BTreeSet<_> = pending.iter().map(|pending| &pending.key).collect();
    assert_eq!(keys.len(), pending.len());
    pending.iter().map(described).collect()
}

pub fn changes_are_told_in_their_order_and_what_changes_nothing_is_not_told(place: &Place) {
    place.runtime.block_on(async {
        let store = node(place).await;
        let came = [of("anna", 1), anonymous(2), of("ben", 1)];
        store.write(&came).await.unwrap();
        assert_eq!(told(&store).await, ["first", "join anna 1", "join ben 2"]);
        store.write(&came).await.unwrap();
        store.write(&[of("anna", 3)]).await.unwrap();
        assert!(told(&store).await.is_empty());
        let counts = Counts {
            users: 2,
            connections: 6,
        };
        assert_eq!(store.counts("room").await.unwrap(), counts);
        let gone = [of("ben", 0), anonymous(0), of("anna", 0)];
        store.write(&gone).await.unwrap();
        assert_eq!(told(&store).await, ["leave ben 1", "leave anna 0", "last"]);
        assert_eq!(store.counts("room").await.unwrap(), Counts::default());
    });
}

pub fn a_user_and_a_topic_may_come_and_go_within_one_write(place: &Place) {
    place.runtime.block_on(async {
        let store = node(place).await;
        let changes = [of("anna", 1), of("anna", 0), of("ben", 1), of("anna", 2)];
        store.write(&changes).await.unwrap();
        let expected = [
            "first",
            "join anna 1",
            "leave anna 0",
            "last",
            "first",
            "join ben 1",
            "join anna 2",
        ];
        assert_eq!(told(&store).await, expected);
        let counts = Counts {
            users: 2,
            connections: 3,
        };
        assert_eq!(store.counts("room").await.unwrap(), counts);
    });
}

pub fn users_are_listed_in_the_order_of_their_bytes_page_by_page_with_their_data(place: &Place) {
    let mut random = fastrand::Rng::with_seed(7);
    let long: String = (0..6_000).map(|_| random.alphanumeric()).collect();
    let mut names = ["b", "a", "A", "a\0b", "ä", "\u{10ffff}", "a b"]
        .map(str::to_owned)
        .to_vec();
    names.extend(["2", "1", "3"].map(|last| format!("{long}{last}")));
    place.runtime.block_on(async {
        let store = node(place).await;
        let changes = names.iter();
        let changes: Vec<_> = changes
            .map(|name| of(name, 1).data(r#"{"a":"b"}"#))
            .collect();
        store.write(&changes).await.unwrap();
        store
            .write(&[Change::new("other", Some("aa".into()), 1)])
            .await
            .unwrap();
        let (mut listed, mut after) = (Vec::new(), Arc::<str>::from(""));
        loop {
            let page = store.members("room", &after, 3).await.unwrap();
            assert!(page.found.len() == 3 || !page.more);
            let data = page.found.iter().map(|member| member.data.as_deref());
            assert!(data.into_iter().all(|data| data == Some(r#"{"a":"b"}"#)));
            listed.extend(page.found.into_iter().map(|member| member.user));
            after = listed.last().cloned().unwrap();
            if !page.more {
                break;
            }
        }
        names.sort();
        let listed: Vec<_> = listed.iter().map(|user| &**user).collect();
        assert_eq!(listed, names);
    });
}

pub fn no_node_writes_a_signal_again_before_its_interval_is_over(place: &Place) {
    place.runtime.block_on(async {
        let (long, short) = (Duration::from_secs(600), Duration::from_millis(20));
        let nodes = [place.presence(), place.presence()];
        assert!(nodes[0].claim_signal("a", long).await.unwrap());
        assert!(!nodes[0].claim_signal("a", long).await.unwrap());
        assert!(!nodes[1].claim_signal("a", long).await.unwrap());
        assert!(nodes[1].claim_signal("b", short).await.unwrap());
        while !nodes[0].claim_signal("b", short).await.unwrap() {
            tokio::time::sleep(short / 4).await;
        }
    });
}

pub fn a_user_of_two_nodes_joins_once_and_leaves_with_the_last(place: &Place) {
    place.runtime.block_on(async {
        let nodes = [node(place).await, node(place).await];
        for store in &nodes {
            store.write(&[of("anna", 2)]).await.unwrap();
        }
        assert_eq!(told(&nodes[1]).await, ["first", "join anna 1"]);
        let counts = Counts {
            users: 1,
            connections: 4,
        };
        assert_eq!(nodes[0].counts("room").await.unwrap(), counts);
        nodes[0].write(&[of("anna", 0)]).await.unwrap();
        assert!(told(&nodes[1]).await.is_empty());
        nodes[1].write(&[of("anna", 0)]).await.unwrap();
        assert_eq!(told(&nodes[0]).await, ["leave anna 0", "last"]);
    });
}

pub fn a_node_that_has_not_reported_cannot_write(place: &Place) {
    place.runtime.block_on(async {
        let store = place.presence();
        let refused = store.write(&[of("anna", 1)]).await.unwrap_err();
        assert!(
            refused.to_string().contains("does not know this node"),
            "{refused}"
        );
        assert!(store.beat(HEARTBEAT, None).await.unwrap().is_lost);
        store.write(&[of("anna", 1)]).await.unwrap();
        assert_eq!(told(&store).await, ["first", "join anna 1"]);
    });
}

pub fn one_node_at_a_time_publishes_and_only_what_is_the_oldest_is_removed(place: &Place) {
    place.runtime.block_on(async {
        let nodes = [node(place).await, node(place).await];
        let users = ["a", "b", "c"].map(|user| of(user, 1));
        nodes[0].write(&users).await.unwrap();
        let began = Instant::now();
        let first = nodes[0].pending(2).await.unwrap();
        assert_eq!(first.len(), 2);
        if !nodes[1].pending(ALL).await.unwrap().is_empty() {
            assert!(began.elapsed() >= PUBLISHES_FOR);
            return;
        }
        nodes[1].published("another", 2).await.unwrap();
        nodes[1].published(&first[1].key, 2).await.unwrap();
        assert_eq!(nodes[0].pending(2).await.unwrap(), first);
        nodes[1].published(&first[0].key, 2).await.unwrap();
        assert_eq!(told(&nodes[0]).await, ["join b 2", "join c 3"]);
        nodes[0].write(&[of("a", 0)]).await.unwrap();
        assert_eq!(told(&nodes[1]).await, ["leave a 2"]);
    });
}

pub fn the_members_of_a_node_that_reports_no_more_leave_once(place: &Place) {
    let members = 300;
    place.runtime.block_on(async {
        let nodes = [node(place).await, node(place).await];
        let users: Vec<_> = (0..members)
            .map(|number| format!("user {number}"))
            .collect();
        let changes: Vec<_> = users.iter().map(|user| of(user, 1)).collect();
        nodes[0].write(&changes).await.unwrap();
        nodes[0].write(&[anonymous(7)]).await.unwrap();
        nodes[1].write(&changes[..1]).await.unwrap();
        assert_eq!(told(&nodes[1]).await.len(), members + 1);
        let (mut left, mut swept) = (Vec::new(), BTreeSet::new());
        while left.len() < members - 1 {
            let beat = nodes[1].beat(HEARTBEAT, Some(1)).await.unwrap();
            assert!(!beat.is_lost);
            swept.extend(beat.swept.iter().map(ToString::to_string));
            left.extend(told(&nodes[1]).await);
        }
        let mut expected: Vec<_> = users[1..].iter().collect();
        expected.sort();
        let user = |leave: &String| leave.rsplit_once(' ').unwrap().0["leave ".len()..].to_owned();
        let mut found: Vec<_> = left.iter().map(user).collect();
        found.sort();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected);
        assert!(left.last().unwrap().ends_with(" 1"));
        assert_eq!(swept.into_iter().collect::<Vec<_>>(), ["room"]);
        let counts = nodes[1].counts("room").await.unwrap();
        assert_eq!((counts.users, counts.connections), (1, 1));
        assert!(nodes[0].write(&changes[1..2]).await.is_err());
        assert!(
            nodes[0]
                .beat(HEARTBEAT, Some(members + 1))
                .await
                .unwrap()
                .is_lost
        );
        nodes[0].write(&changes[1..2]).await.unwrap();
        assert_eq!(told(&nodes[1]).await, ["join user 1 2"]);
    });
}

pub fn a_node_whose_members_are_not_there_is_told_so(place: &Place) {
    place.runtime.block_on(async {
        let store = node(place).await;
        store.write(&[of("anna", 1), anonymous(1)]).await.unwrap();
        assert!(!store.beat(HEARTBEAT * 100, Some(2)).await.unwrap().is_lost);
        assert!(!store.beat(HEARTBEAT * 100, None).await.unwrap().is_lost);
        assert!(store.beat(HEARTBEAT * 100, Some(3)).await.unwrap().is_lost);
        // It goes on under another name, of which nothing is known, and tells nothing again.
        store.write(&[of("anna", 1)]).await.unwrap();
        assert!(!store.beat(HEARTBEAT * 100, Some(1)).await.unwrap().is_lost);
        assert_eq!(told(&store).await, ["first", "join anna 1"]);
    });
}
