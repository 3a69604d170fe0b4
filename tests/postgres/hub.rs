//! A hub of Mercure's protocol on several nodes of one PostgreSQL, and the list of its subscriptions.

use crate::{
    mercure::{nodes, nodes_faults, nodes_list},
    postgres::nodes::Database,
    support::{postgres::PostgresServer, shared::tests_of},
};

tests_of! { nodes, Database:
    events_ids_and_grants_are_the_same_on_every_node,
    an_id_that_the_window_has_lost_is_found_in_the_log,
    subscriptions_are_announced_on_every_node,
}

tests_of! { nodes_list, Database:
    the_list_of_every_node_has_the_subscriptions_of_all_until_they_end,
    a_change_on_one_node_changes_the_tag_of_the_list_on_the_others,
    short_subscriptions_are_announced_once_when_they_begin_and_once_when_they_end,
    who_reads_the_list_and_follows_the_events_after_its_id_knows_all_subscriptions,
}

tests_of! { nodes_faults, Database:
    the_subscriptions_of_a_node_that_was_killed_end_once_each_within_three_heartbeats,
    a_node_that_is_terminated_announces_the_end_of_its_subscriptions,
    after_all_data_was_lost_every_node_writes_its_subscriptions_again,
    a_reply_that_was_lost_has_nothing_announced_twice,
    a_node_that_was_taken_for_dead_lists_and_announces_its_subscriptions_again,
}

tests_of! { nodes_faults, PostgresServer:
    while_history_is_unreachable_streams_open_at_once_and_are_announced_when_it_has_recovered,
}
