//! What is acknowledged comes to everybody once and in order, whatever dies, stops or is cut off.

use crate::{
    postgres::nodes::{node, three},
    redis::crowd::Crowd,
    redis::nodes::history_of,
    redis::proxy::{Proxy, Way},
    support::postgres::PostgresServer,
    support::{Server, wait_until},
};

const SCHEMA: &str = "sse_broadcaster";

fn wait_for_history(nodes: &[Server], state: &str) {
    wait_until(&format!("history is {state}"), || {
        nodes.iter().all(|node| history_of(node) == state)
    });
}

#[test]
fn followers_that_hop_between_nodes_also_to_one_that_lags_miss_and_repeat_nothing() {
    let server = PostgresServer::start();
    let proxy = Proxy::start(server.address());
    let nodes = [
        node(server.address(), SCHEMA, &[]),
        node(server.address(), SCHEMA, &[]),
        node(proxy.address, SCHEMA, &[]),
    ];
    proxy.set(Way::Slow);
    let crowd = Crowd::gather(&nodes, 16);
    crowd.wait_for(1_000);
    wait_until("the one that hops has come far", || {
        crowd.followers[3].seen() > 300
    });
    let (gaps, outcomes) = crowd.end();
    assert_eq!(gaps, [0, 0, 0, 0]);
    assert_eq!((outcomes.refused.len(), outcomes.unknown), (0, 0));
}

#[test]
fn nodes_that_are_killed_take_nothing_with_them_that_was_acknowledged() {
    let server = PostgresServer::start();
    let mut nodes = three(&server);
    let crowd = Crowd::gather(&nodes, 8);
    for index in [1, 2] {
        nodes[index].signal("-KILL");
        nodes[index].wait();
        crowd.wait_for(100);
        nodes[index] = node(server.address(), SCHEMA, &[]);
        crowd.addresses.lock().unwrap()[index] = nodes[index].address;
        crowd.wait_for(100);
    }
    let (gaps, _) = crowd.end();
    assert_eq!(gaps, [0, 0, 0, 0]);
}

#[test]
fn postgres_that_is_killed_and_comes_back_goes_on_where_it_was() {
    let mut server = PostgresServer::start_with(&["-c", "fsync=on"]);
    let nodes = three(&server);
    let crowd = Crowd::gather(&nodes, 8);
    for _ in 0..2 {
        server.kill();
        crowd.wait_for_refusals(8);
        wait_for_history(&nodes, "unavailable");
        server.run();
        wait_for_history(&nodes, "ok");
        crowd.wait_for(100);
    }
    let (gaps, _) = crowd.end();
    assert_eq!(gaps, [0, 0, 0, 0]);
}

#[test]
fn sessions_that_are_terminated_lose_nothing_that_was_acknowledged() {
    let server = PostgresServer::start();
    let nodes = three(&server);
    let crowd = Crowd::gather(&nodes, 8);
    for _ in 0..5 {
        server.ask(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'sse-broadcaster'",
        );
        crowd.wait_for(50);
    }
    let (gaps, _) = crowd.end();
    assert_eq!(gaps, [0, 0, 0, 0]);
}

#[test]
fn postgres_that_is_stopped_leaves_streams_open_and_goes_on_where_it_was() {
    let server = PostgresServer::start();
    let nodes = three(&server);
    let crowd = Crowd::gather(&nodes, 8);
    server.signal_all("-STOP");
    crowd.wait_for_refusals(16);
    wait_for_history(&nodes, "unavailable");
    server.signal_all("-CONT");
    wait_for_history(&nodes, "ok");
    crowd.wait_for(100);
    let (gaps, outcomes) = crowd.end();
    assert_eq!(gaps, [0, 0, 0, 0]);
    assert!(
        outcomes.unknown > 0,
        "what was sent while it stood was not answered"
    );
}

#[test]
fn a_way_to_postgres_that_swallows_what_is_sent_costs_nothing_that_was_acknowledged() {
    for way in [Way::Cut, Way::WithoutReplies] {
        let server = PostgresServer::start();
        let proxies: Vec<_> = (0..3).map(|_| Proxy::start(server.address())).collect();
        let nodes: Vec<_> = proxies
            .iter()
            .map(|proxy| node(proxy.address, SCHEMA, &[]))
            .collect();
        let crowd = Crowd::gather(&nodes, 8);
        // One node alone, and then all of them.
        for cut in [&proxies[1..2], &proxies[..]] {
            for proxy in cut {
                proxy.set(way);
            }
            wait_for_history(&nodes[1..2], "unavailable");
            if cut.len() == 1 {
                crowd.wait_for(50);
            }
            for proxy in cut {
                proxy.set(Way::Whole);
            }
            wait_for_history(&nodes, "ok");
            crowd.wait_for(100);
        }
        let (gaps, outcomes) = crowd.end();
        assert_eq!(gaps, [0, 0, 0, 0], "{way:?}");
        assert!(outcomes.unknown > 0, "{way:?}");
    }
}

#[test]
fn a_limit_of_connections_is_reported_and_lasts_no_longer_than_it_is_reached() {
    // Three for superusers are beside these.
    let server = PostgresServer::start_with(&[
        "-c",
        "max_connections=8",
        "-c",
        "superuser_reserved_connections=3",
    ]);
    server.ask("CREATE ROLE node LOGIN; CREATE SCHEMA sse_broadcaster AUTHORIZATION node");
    let url = format!(
        "postgres://node@{}/postgres?sslmode=disable",
        server.address()
    );
    let start = || {
        let mut command = crate::support::command(&["--listen", "127.0.0.1:0", "--workers", "1"]);
        command.args(["--postgres-url", &url]);
        Server::spawn(command)
    };
    let first = start();
    wait_until("it is connected", || history_of(&first) == "ok");
    let mut others: Vec<_> = (0..2).map(|_| start()).collect();
    let is_short = |node: &mut Server| node.log().contains("53300");
    wait_until("one says that there are no more", || {
        others.iter_mut().any(is_short)
    });
    first.publish("t", "x");
    drop(first);
    others.truncate(1);
    wait_until("there is room again", || history_of(&others[0]) == "ok");
    assert_eq!(
        others[0]
            .subscribe("/events?topic=t&since=earliest")
            .data(1),
        ["x"]
    );
}
