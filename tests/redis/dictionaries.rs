//! The dictionary of compressed streams, which nodes on one Redis share.

use crate::{
    redis::nodes::three,
    support::{redis::RedisServer, wait_until},
};

const CURRENT: &str = "/dictionaries/current";

#[test]
fn all_nodes_offer_the_dictionary_that_one_of_them_has_made() {
    let redis = RedisServer::start();
    let nodes = three(&redis);
    let event = |n: u32| format!("{{\"symbol\":\"SHARE\",\"price\":{n},\"currency\":\"EUR\"}}");
    nodes[0].publish_all("prices", (0..20).map(event));
    // All of them are asked at once: one makes it.
    wait_until("each node has a dictionary", || {
        let statuses = nodes.iter().map(|node| node.get(CURRENT).status);
        statuses.filter(|status| *status == 200).count() == nodes.len()
    });
    let first = nodes[0].get(CURRENT).body;
    for node in &nodes[1..] {
        assert_eq!(node.get(CURRENT).body, first);
    }
}
