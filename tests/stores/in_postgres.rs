//! What PostgreSQL shows of writes that come late, and of a state that went back.

use sse_broadcaster_presence::{Change, Counts, HubSubscription, SubscriptionChange};

use super::{HEARTBEAT, KeptIn, Place};

/// What a restored backup takes back.
const TABLES: [&str; 7] = [
    "live_lists",
    "live_nodes",
    "live_changes",
    "presence_topics",
    "presence_users",
    "presence_members",
    "hub_subscriptions",
];

/// Runs statements, in which `@` stands for the schema.
fn ask(place: &Place, sql: &str) -> String {
    let KeptIn::Postgres(_, server, schema) = &place.kept_in else {
        panic!("it is in PostgreSQL");
    };
    server.ask(&sql.replace('@', schema))
}

fn save(place: &Place) {
    for table in TABLES {
        ask(
            place,
            &format!("CREATE TABLE @.saved_{table} AS TABLE @.{table}"),
        );
    }
}

fn restore(place: &Place) {
    let restored = TABLES.map(|table| {
        format!(
            "DELETE FROM @.{table}; INSERT INTO @.{table} OVERRIDING SYSTEM VALUE TABLE @.saved_{table}"
        )
    });
    ask(place, &restored.join("; "));
}

fn of(user: &str, connections: u32) -> Change {
    Change::new("room", Some(user.into()), connections)
}

#[test]
fn an_older_state_is_noticed_also_where_it_has_as_many_members() {
    let place = Place::in_postgres();
    place.runtime.block_on(async {
        let (store, heartbeat) = (place.presence(), HEARTBEAT * 1_000);
        store.beat(heartbeat, None).await.unwrap();
        store.write(&[of("anna", 1)]).await.unwrap();
        save(&place);
        assert!(!store.beat(heartbeat, Some(1)).await.unwrap().is_lost);
        store.write(&[of("anna", 0), of("ben", 1)]).await.unwrap();
        assert!(!store.beat(heartbeat, Some(1)).await.unwrap().is_lost);
        restore(&place);
        assert!(store.beat(heartbeat, Some(1)).await.unwrap().is_lost);
        store.write(&[of("ben", 1)]).await.unwrap();
        assert!(!store.beat(heartbeat, Some(1)).await.unwrap().is_lost);
    });
}

#[test]
fn an_older_list_of_subscriptions_is_noticed_also_where_it_has_as_many() {
    let place = Place::in_postgres();
    let begin = |number: u64| SubscriptionChange::Begin {
        number,
        subscription: HubSubscription {
            matcher: "exact a".into(),
            subscriber: number.to_string().into(),
            payload: None,
        },
    };
    place.runtime.block_on(async {
        let (store, heartbeat) = (place.subscriptions(), HEARTBEAT * 1_000);
        store.beat(heartbeat, None).await.unwrap();
        assert!(store.write(1, &[begin(1)]).await.unwrap());
        save(&place);
        let end = SubscriptionChange::End { number: 1 };
        assert!(store.write(2, &[end, begin(2)]).await.unwrap());
        assert!(!store.beat(heartbeat, Some(1)).await.unwrap());
        restore(&place);
        assert!(store.beat(heartbeat, Some(1)).await.unwrap());
    });
}

#[test]
fn a_write_that_comes_after_a_later_one_changes_nothing() {
    let place = Place::in_postgres();
    place.runtime.block_on(async {
        let store = place.presence();
        store.beat(HEARTBEAT, None).await.unwrap();
        store.write(&[of("anna", 1)]).await.unwrap();
        store.write(&[of("anna", 0)]).await.unwrap();
        let late = "SELECT @.presence_write(n.node, 1, '{room}', '{anna}', '{1}', '{NULL}') \
            FROM @.live_nodes AS n WHERE n.list = 'presence'";
        assert_eq!(ask(&place, late), "t");
        assert_eq!(store.counts("room").await.unwrap(), Counts::default());
    });
}

#[test]
fn of_changes_that_nobody_publishes_the_newest_hundred_thousand_wait() {
    let place = Place::in_postgres();
    place.runtime.block_on(async {
        let store = place.presence();
        store.beat(HEARTBEAT, None).await.unwrap();
        let many = |number: usize| {
            format!(
                "SELECT @.presence_set('node', array_agg(convert_to('topic {number} ' || n, 'UTF8')), \
                 array_agg(NULL::bytea), array_agg(1::bigint), NULL) FROM generate_series(1, 60000) AS n"
            )
        };
        ask(&place, &many(1));
        let waiting = "SELECT count(*), max(number) - min(number) + 1 FROM @.live_changes";
        assert_eq!(ask(&place, waiting), "60000|60000");
        ask(&place, &many(2));
        assert_eq!(ask(&place, waiting), "100000|100000");
        let oldest = store.pending(1).await.unwrap();
        assert_eq!(&*oldest[0].topic, "topic 1 20001");
    });
}
