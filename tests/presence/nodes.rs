//! Presence on several nodes of one history: nodes and what has the history are killed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::until_nobody;
use crate::support::{
    PATIENCE, Server, Stream,
    shared::{Emptied, Restarted, SharedHistory},
    tokens::{SECRET, bearer, token},
};

const HEARTBEAT: Duration = Duration::from_secs(1);
/// What a busy machine adds to any time at most.
const BUSY: Duration = Duration::from_secs(20);

pub const SETTINGS: [&str; 8] = [
    "--presence",
    "room",
    "--token-key",
    SECRET,
    "--presence-grace",
    "500ms",
    "--presence-heartbeat",
    "1s",
];

fn three(history: &impl SharedHistory) -> Vec<Server> {
    (0..3).map(|_| history.node(&SETTINGS)).collect()
}

fn user(name: &str) -> String {
    bearer(&token(
        &json!({ "sub": name, "sse": { "presence": ["*"] } }),
    ))
}

pub fn join(node: &Server, name: &str) -> Stream {
    node.subscribe_with("/events?topic=room", &user(name))
}

pub fn observe(node: &Server) -> Stream {
    let mut events = node.subscribe_with("/events?topic=$presence/room", &user("observer"));
    events.until("connected");
    events
}

fn presence(node: &Server, query: &str) -> Option<Value> {
    let head = format!(
        "GET /presence?topic=room{query} HTTP/1.1\n{}",
        user("observer")
    );
    let response = node.request(&head, b"");
    (response.status == 200).then(|| serde_json::from_str(&response.text()).unwrap())
}

pub fn wait_for(node: &Server, users: u64, connections: u64) {
    let expected = json!({ "topic": "room", "users": users, "connections": connections });
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = presence(node, "");
        if found.as_ref() == Some(&expected) {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?} is not {expected}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The next change: its name, the user, and how many there are.
pub fn next(stream: &mut Stream) -> (String, String, u64) {
    let event = stream.event().expect("an event");
    let data: Value = serde_json::from_str(&event.data).unwrap();
    let user = data["user"].as_str().unwrap_or_default().to_owned();
    (event.name, user, data["users"].as_u64().unwrap())
}

pub fn change(name: &str, user: &str, users: u64) -> (String, String, u64) {
    (name.to_owned(), user.to_owned(), users)
}

pub fn a_user_counts_once_over_all_nodes_and_moving_from_one_to_another_shows_nothing<
    H: SharedHistory,
>() {
    let history = H::start();
    let nodes = three(&history);
    let mut observers: Vec<Stream> = nodes.iter().map(observe).collect();
    let mut stream = join(&nodes[0], "anna");
    for observer in &mut observers {
        assert_eq!(next(observer), change("join", "anna", 1));
    }
    let other = join(&nodes[1], "anna");
    wait_for(&nodes[2], 1, 2);
    for turn in 0..20 {
        drop(stream);
        stream = join(&nodes[turn % 3], "anna");
    }
    drop(other);
    wait_for(&nodes[2], 1, 1);
    let _ben = join(&nodes[2], "ben");
    for observer in &mut observers {
        assert_eq!(next(observer), change("join", "ben", 2));
    }
    let page = presence(&nodes[0], "&list=true&limit=1").unwrap();
    assert_eq!(page["members"], json!([{ "user": "anna" }]));
    assert_eq!(page["more"], true);
    drop(stream);
    for observer in &mut observers {
        assert_eq!(next(observer), change("leave", "anna", 1));
    }
}

pub fn the_members_of_a_node_that_was_killed_leave_once_within_three_heartbeats<
    H: SharedHistory,
>() {
    let history = H::start();
    let nodes = three(&history);
    let members = 300;
    let mut observer = observe(&nodes[2]);
    let of_killed: Vec<Stream> = (0..members)
        .map(|number| join(&nodes[0], &format!("user-{number:03}")))
        .collect();
    let _anna = [join(&nodes[0], "anna"), join(&nodes[1], "anna")];
    wait_for(&nodes[1], members + 1, members + 2);
    for _ in 0..=members {
        assert_eq!(next(&mut observer).0, "join");
    }
    nodes[0].signal("-KILL");
    let killed = Instant::now();
    let mut left: Vec<String> = (0..members)
        .map(|number| {
            let (name, user, users) = next(&mut observer);
            assert_eq!((name.as_str(), users), ("leave", members - number));
            user
        })
        .collect();
    let took = killed.elapsed();
    println!("{took:?}");
    assert!(took < HEARTBEAT * 3 + BUSY, "{took:?}");
    left.sort();
    left.dedup();
    assert_eq!(left.len() as u64, members);
    wait_for(&nodes[1], 1, 1);
    // No other change came in between.
    let _ben = join(&nodes[1], "ben");
    assert_eq!(next(&mut observer), change("join", "ben", 2));
    drop(of_killed);
}

pub fn what_was_killed_and_has_kept_its_data_changes_nothing_and_what_changed_meanwhile_is_told<
    R: Restarted,
>() {
    let mut history = R::start();
    let nodes = three(&history);
    let mut observer = observe(&nodes[2]);
    let anna = join(&nodes[0], "anna");
    assert_eq!(next(&mut observer), change("join", "anna", 1));
    let _clara = join(&nodes[1], "clara");
    assert_eq!(next(&mut observer), change("join", "clara", 2));
    history.kill();
    // Longer than the time after which a node is dead.
    std::thread::sleep(HEARTBEAT * 3);
    drop(anna);
    let _ben = join(&nodes[1], "ben");
    history.run();
    let mut told = [next(&mut observer), next(&mut observer)];
    told.sort();
    let names = told.map(|(name, user, _)| (name, user));
    let change = |name: &str, user: &str| (name.to_owned(), user.to_owned());
    assert_eq!(names, [change("join", "ben"), change("leave", "anna")]);
    wait_for(&nodes[0], 2, 2);
}

pub fn after_all_data_was_lost_everybody_who_is_there_joins_again<E: Emptied>() {
    let mut history = E::start_forgetful();
    let nodes = three(&history);
    let mut observer = observe(&nodes[2]);
    let _streams = [join(&nodes[0], "anna"), join(&nodes[1], "ben")];
    next(&mut observer);
    next(&mut observer);
    history.lose_all();
    let mut told = [next(&mut observer), next(&mut observer)];
    told.sort();
    let told = told.map(|(name, user, _)| (name, user));
    let joined = |user: &str| ("join".to_owned(), user.to_owned());
    assert_eq!(told, [joined("anna"), joined("ben")]);
    wait_for(&nodes[2], 2, 2);
}

pub fn the_signal_has_the_counts_of_all_nodes_and_of_none_when_all_have_left_or_were_killed<
    H: SharedHistory,
>() {
    let history = H::start();
    let nodes = three(&history);
    let mut page = nodes[2].subscribe("/signals?name=$presence/room&format=event");
    let streams: Vec<Stream> = (0..6)
        .map(|number| join(&nodes[number % 2], "anna"))
        .collect();
    let wait_for_counts = |counts: &str| {
        let deadline = Instant::now() + PATIENCE;
        while nodes[2].get("/signals/$presence%2Froom").text() != counts {
            assert!(Instant::now() < deadline, "{counts}");
        }
    };
    wait_for_counts(r#"{"connections":6,"users":1}"#);
    nodes[0].signal("-KILL");
    wait_for_counts(r#"{"connections":3,"users":1}"#);
    drop(streams);
    until_nobody(&mut page);
}
