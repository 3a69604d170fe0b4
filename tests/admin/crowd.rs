//! Many connections.

use std::collections::HashSet;

use super::{get, start};
use crate::{
    load::subscribers::{Crowd, room_for},
    support::Server,
};

const LIMIT: usize = 700;

#[test]
fn ten_thousand_connections_are_listed_in_pages_while_events_are_published_and_delivered() {
    let count = room_for(10_000);
    // Their texts are compared, and pings come to each at a time of its own.
    let server = start(&["--ping-interval", "1h"]);
    let crowd = Crowd::open(server.address, "/events?topic=a", count);
    let published = std::thread::scope(|scope| {
        let listing = scope.spawn(|| list_all(&server));
        let mut ids = Vec::new();
        while !listing.is_finished() || ids.len() < 3 {
            ids.push(server.publish("a", "x"));
            crowd.wait_for(&ids[ids.len() - 1]);
        }
        assert_eq!(listing.join().unwrap(), count);
        ids
    });
    let none = get(&server, "/admin/connections?user=nobody");
    assert!(none["connections"].as_array().unwrap().is_empty());
    assert_eq!(crowd.ids(), published);
    let topics = get(&server, "/admin/topics");
    assert_eq!(topics["topics"][0]["subscribers"], count);
}

/// Lists all connections page by page, each once, and returns how many there are.
fn list_all(server: &Server) -> usize {
    let (mut ids, mut after) = (HashSet::new(), String::new());
    loop {
        let page = get(server, &format!("/admin/connections?limit={LIMIT}{after}"));
        let found = page["connections"].as_array().unwrap();
        let is_whole = page["more"] == false || found.len() == LIMIT;
        assert!(
            is_whole && found.len() <= LIMIT,
            "{} of {LIMIT}",
            found.len()
        );
        for connection in found {
            let id = connection["id"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} is listed twice");
        }
        match found.last().filter(|_| page["more"] == true) {
            Some(last) => after = format!("&after={}", last["id"].as_str().unwrap()),
            None => return ids.len(),
        }
    }
}
