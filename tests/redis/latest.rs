//! The last events of topics on several nodes.

use crate::{
    redis::nodes::node,
    support::{redis::RedisServer, wait_until},
};

const RULES: [&str; 4] = [
    "--topic-rule",
    "prices/{symbol}=latest",
    "--history-events",
    "16",
];

#[test]
fn what_one_node_takes_last_every_node_sends_first() {
    let redis = RedisServer::start();
    let nodes = [0, 1].map(|_| node(redis.address(), &RULES));
    for n in 0..12 {
        let data = ["old", "new"].map(|age| format!("{age} {n}"));
        nodes[0].publish(&format!("prices/{n}"), &data[0]);
        nodes[1].publish(&format!("prices/{n}"), &data[1]);
    }
    for n in 0..20 {
        nodes[n % 2].publish("other", "x");
    }
    let head = nodes[1].publish("other", "head");
    let expected: Vec<_> = (0..12).map(|n| format!("new {n}")).collect();
    for node in &nodes {
        wait_until("the node has everything", || {
            let mut stream = node.subscribe("/events?topic=none");
            stream.until("connected").id == head
        });
        let mut stream = node.subscribe("/events?topic=*");
        assert_eq!(stream.data(12), expected);
        assert_eq!(stream.until("connected").id, head);
        let mut one = node.subscribe("/events?topic=prices/3");
        assert_eq!(one.data(1), ["new 3"]);
        one.until("connected");
    }
    // After a gap, from any node.
    let mut resumed = nodes[1].subscribe("/events?topic=prices/3&last_event_id=1-1");
    assert_eq!(resumed.next().unwrap().name, "gap");
    assert_eq!(resumed.data(1), ["new 3"]);
    resumed.until("connected");
}

#[test]
fn no_event_is_lost_or_repeated_between_the_last_one_and_those_of_another_node() {
    const ROUNDS: usize = 60;
    let redis = RedisServer::start();
    let nodes = [0, 1].map(|_| node(redis.address(), &RULES));
    let [publisher, subscriber] = &nodes;
    publisher.publish("prices/a", "0");
    for round in 1..=ROUNDS {
        let mut stream = std::thread::scope(|scope| {
            scope.spawn(|| publisher.publish("prices/a", &round.to_string()));
            subscriber.subscribe("/events?topic=prices/a&topic=end")
        });
        let end = format!("end {round}");
        publisher.publish("end", &end);
        let mut got = Vec::new();
        while got.last().is_none_or(|data| *data != end) {
            got.extend(stream.data(1));
        }
        let (before, now) = ((round - 1).to_string(), round.to_string());
        let whole = [&before[..], &now, &end];
        assert!(got == whole || got == whole[1..], "{round}: {got:?}");
    }
}
