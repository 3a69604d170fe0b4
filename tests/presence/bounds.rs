//! What strangers cannot use up by joining many topics.

use super::start;
use crate::support::{Server, wait_until};

const ADMIN_KEY: &str = "0123456789abcdef-of-an-operator";

/// How many signals there are.
fn signals(server: &Server) -> usize {
    let (mut count, mut after) = (0, String::new());
    loop {
        let page = server
            .get(&format!("/signals?limit=1000&after={after}"))
            .json();
        let names = page["signals"].as_array().expect("a list");
        count += names.len();
        if page["more"] == false {
            return count;
        }
        let last = names.last().expect("a name")["name"].as_str();
        last.expect("a text").clone_into(&mut after);
    }
}

#[test]
fn strangers_in_many_rooms_leave_room_for_revocations_and_the_signals_of_others() {
    const MOST: usize = 2_500;
    let server = start(&["--admin-key", ADMIN_KEY]);
    // More rooms together than get a signal.
    let _streams: Vec<_> = (0..30)
        .map(|client| {
            let rooms = (0..100).map(|room| format!("topic=rooms/{client}-{room}"));
            let rooms: Vec<_> = rooms.collect();
            server.subscribe(&format!("/events?{}", rooms.join("&")))
        })
        .collect();
    wait_until("there are as many signals as may be", || {
        signals(&server) >= MOST
    });
    let head = format!(
        "POST /admin/revoke HTTP/1.1\nContent-Type: application/json\nAuthorization: Bearer {ADMIN_KEY}"
    );
    let revoked = server.request(&head, br#"{"sub":"mallory"}"#);
    assert_eq!(revoked.status, 200, "{revoked:?}");
    assert_eq!(signals(&server), MOST);
}
