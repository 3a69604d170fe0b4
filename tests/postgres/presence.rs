//! Presence on several nodes of one PostgreSQL.

use crate::{
    postgres::nodes::Database,
    presence::nodes::{self, SETTINGS, change, join, next, observe, wait_for},
    redis::nodes::history_of,
    support::{postgres::PostgresServer, shared::tests_of, wait_until},
};

tests_of! { nodes, Database:
    a_user_counts_once_over_all_nodes_and_moving_from_one_to_another_shows_nothing,
    the_members_of_a_node_that_was_killed_leave_once_within_three_heartbeats,
    after_all_data_was_lost_everybody_who_is_there_joins_again,
    the_signal_has_the_counts_of_all_nodes_and_of_none_when_all_have_left_or_were_killed,
}

tests_of! { nodes, PostgresServer:
    what_was_killed_and_has_kept_its_data_changes_nothing_and_what_changed_meanwhile_is_told,
}

/// Takes a schema back to version 3. What is left of its functions, an upgrade replaces.
pub const WITHOUT_VERSION_4: &str = "DROP TABLE @.live_lists, @.live_nodes, @.live_changes, @.presence_topics, \
    @.presence_users, @.presence_members, @.presence_claims, @.hub_subscriptions; \
    UPDATE @.settings SET version = 3";

#[test]
fn publishes_do_not_wait_for_a_list_that_somebody_else_has_locked() {
    let database = Database::new();
    let node = database.node(&[&SETTINGS[..], &["--allow-anonymous-publish"]].concat());
    let mut observer = observe(&node);
    let mut session = database.session();
    session.run("BEGIN; SELECT FROM @.live_lists FOR UPDATE");
    let _anna = join(&node, "anna");
    // When the statement of presence began that waits.
    let waits = "SELECT coalesce(max(query_start)::text, '') FROM pg_stat_activity \
        WHERE application_name = 'sse-broadcaster' AND query LIKE '%@%.presence_%' \
        AND cardinality(pg_blocking_pids(pid)) > 0";
    wait_until("a publish passes by a statement that waits", || {
        let before = database.ask(waits);
        node.publish("other", "x");
        !before.is_empty() && database.ask(waits) == before
    });
    session.run("COMMIT");
    assert_eq!(next(&mut observer), change("join", "anna", 1));
}

#[test]
fn a_schema_of_version_3_is_upgraded_beside_a_node_that_uses_it() {
    let database = Database::new();
    let old = database.node(&[]);
    wait_until("it has history", || history_of(&old) == "ok");
    let id = old.publish("a", "1");
    database.ask(WITHOUT_VERSION_4);
    // It uses nothing of version 4, as a node of version 3.
    old.publish("a", "2");
    let nodes = [database.node(&SETTINGS), database.node(&SETTINGS)];
    let mut observer = observe(&nodes[1]);
    let anna = join(&nodes[0], "anna");
    assert_eq!(next(&mut observer), change("join", "anna", 1));
    wait_for(&nodes[1], 1, 1);
    drop(anna);
    assert_eq!(next(&mut observer), change("leave", "anna", 0));
    assert_eq!(database.number("SELECT version FROM @.settings"), 4);
    old.publish("a", "3");
    for node in [&old, &nodes[0]] {
        let mut stream = node.subscribe_with("/events?topic=a", &format!("Last-Event-ID: {id}"));
        assert_eq!(stream.data(2), ["2", "3"]);
    }
}
