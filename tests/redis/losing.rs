//! What Redis has lost is announced on every stream that stood before it, and never passed over.

use crate::{
    redis::crowd::Crowd,
    redis::nodes::{history_of, node, three},
    redis::proxy::{Proxy, Way},
    support::redis::{RedisServer, SNAPSHOTS},
    support::{Server, free_address, wait_until},
};

fn number(id: &str) -> (u64, u64) {
    let (ms, seq) = id.split_once('-').expect("a position");
    (ms.parse().unwrap(), seq.parse().unwrap())
}

#[test]
fn redis_that_is_emptied_under_publishers_is_a_gap_and_everything_behind_it_comes() {
    let redis = RedisServer::start();
    let nodes = three(&redis);
    let crowd = Crowd::gather(&nodes, 8);
    for _ in 0..2 {
        assert_eq!(redis.ask("FLUSHALL"), "+OK");
        crowd.wait_for(200);
    }
    let (gaps, _) = crowd.end();
    assert!(gaps.iter().all(|gaps| *gaps >= 2), "{gaps:?}");
}

#[test]
fn redis_that_is_emptied_while_nobody_publishes_is_announced_all_the_same() {
    let redis = RedisServer::start();
    let nodes = three(&redis);
    let mut streams: Vec<_> = nodes
        .iter()
        .map(|node| node.subscribe("/events?topic=t"))
        .collect();
    let before = nodes[0].publish("t", "before");
    redis.ask("FLUSHALL");
    for stream in &mut streams {
        assert_eq!(stream.data(1), ["before"]);
        let gap = stream.until("gap");
        assert!(gap.data.contains(&before), "{gap:?}");
        assert!(
            number(&gap.id) > number(&before),
            "ids of the new log are above those of the old"
        );
    }
    let mut resumed =
        nodes[1].subscribe_with("/events?topic=t", &format!("Last-Event-ID: {before}"));
    assert_eq!(resumed.next().unwrap().name, "gap");
    nodes[2].publish("t", "after");
    for stream in streams.iter_mut().chain([&mut resumed]) {
        assert_eq!(stream.data(1), ["after"]);
    }
}

#[test]
fn a_node_that_comes_late_to_a_log_that_was_begun_anew_sends_everything_behind_the_gap() {
    let mut redis = RedisServer::start_with(&SNAPSHOTS);
    let first = node(redis.address(), &[]);
    let proxy = Proxy::start(redis.address());
    let late = node(proxy.address, &[]);
    let mut stream = late.subscribe("/events?topic=t");
    for data in ["1", "2"] {
        first.publish("t", data);
    }
    assert_eq!(stream.data(2), ["1", "2"]);
    // Nothing listens there.
    proxy.redirect(free_address());
    redis.kill();
    redis.run();
    wait_until("the log is begun anew", || history_of(&first) == "ok");
    for data in ["3", "4"] {
        first.publish("t", data);
    }
    proxy.redirect(redis.address());
    stream.until("gap");
    assert_eq!(stream.data(2), ["3", "4"]);
}

#[test]
fn redis_that_comes_back_older_is_a_gap_also_where_its_ids_are_above_again() {
    let mut redis = RedisServer::start_with(&SNAPSHOTS);
    let mut nodes = three(&redis);
    for node in &mut nodes {
        assert!(node.log().contains("append-only"), "{}", node.log());
    }
    let crowd = Crowd::gather(&nodes, 8);
    assert_eq!(redis.ask("SAVE"), "+OK");
    crowd.wait_for(200);
    redis.kill();
    crowd.wait_for_refusals(8);
    redis.run();
    crowd.wait_for(200);
    let (gaps, _) = crowd.end();
    assert!(gaps.iter().all(|gaps| *gaps >= 1), "{gaps:?}");
}

#[test]
fn a_node_that_is_overtaken_by_trimming_says_so_and_goes_on() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.address());
    let small = ["--history-events", "40", "--max-event-bytes", "1000"];
    let (here, far) = (node(redis.address(), &small), node(proxy.address, &small));
    let mut stream = far.subscribe("/events?topic=t");
    let first = here.publish("t", "first");
    assert_eq!(stream.data(1), ["first"]);
    proxy.set(Way::Cut);
    wait_until("it is away", || history_of(&far) == "unavailable");
    let ids: Vec<_> = (0..100)
        .map(|count| here.publish("t", &count.to_string()))
        .collect();
    proxy.set(Way::Whole);
    wait_until("it is there", || history_of(&far) == "ok");
    let gap = loop {
        match stream.next() {
            Some(message) if message.name == "gap" => break message,
            Some(_) => {}
            // Cut, since the read of history took too long: a client comes back with its last id.
            None => {
                let id = format!("Last-Event-ID: {first}");
                stream = far.subscribe_with("/events?topic=t", &id);
            }
        }
    };
    assert!(gap.data.contains(&first), "{gap:?}");
    let lost = ids
        .iter()
        .position(|id| *id == gap.id)
        .expect("the gap goes on at a position");
    let rest: Vec<_> = (lost + 1..100).map(|count| count.to_string()).collect();
    assert_eq!(stream.data(rest.len()), rest);
    assert_eq!(rest.len(), 40, "all that the log holds");
}

#[test]
fn what_somebody_else_writes_into_the_stream_is_passed_over() {
    let redis = RedisServer::start();
    let mut node = node(redis.address(), &[]);
    let mut stream = node.subscribe("/events?topic=t");
    node.publish("t", "1");
    let foreign = [
        "t \"\\xff\"",
        "{bad x",
        "t x \"\\r\" more",
        "t x own connected",
        "t x own more and more",
        "\"\" x",
    ];
    for entry in foreign {
        let added = redis.ask(&format!("XADD {{sse-broadcaster}}:log * {entry}"));
        assert!(added.starts_with('$'), "{added}");
    }
    node.publish("t", "2");
    assert_eq!(stream.data(2), ["1", "2"]);
    node.wait_for_log("no event of ours");
    let mut replayed = node.subscribe("/events?topic=t&since=earliest");
    assert_eq!(replayed.data(2), ["1", "2"]);
    assert_eq!(node.log().matches("no event of ours").count(), 1);
}

#[test]
fn a_restarted_node_goes_on_with_what_redis_holds() {
    let redis = RedisServer::start();
    let mut before = node(redis.address(), &[]);
    let ids = before.publish_all("t", (0..30).map(|count| count.to_string()));
    before.signal("-KILL");
    before.wait();
    for args in [
        &[][..],
        &["--window-events", "16", "--max-event-bytes", "1000"],
    ] {
        let node: Server = node(redis.address(), args);
        let rest: Vec<_> = (3..30).map(|count| count.to_string()).collect();
        let mut resumed =
            node.subscribe_with("/events?topic=t", &format!("Last-Event-ID: {}", ids[2]));
        assert_eq!(resumed.next().unwrap().name, "connected");
        assert_eq!(resumed.data(27), rest);
        assert_eq!(
            node.subscribe("/events?topic=t&last=20").data(20),
            rest[7..]
        );
        assert_eq!(
            node.subscribe("/events?topic=*&since=earliest").data(30)[3..],
            rest
        );
        assert_eq!(
            node.subscribe("/events?topic=t&since=10m").data(30)[3..],
            rest
        );
        let mut other = node.subscribe("/events?topic=other&since=earliest&until=head");
        assert_eq!(other.until("position").id, ids[29]);
    }
}
