//! Presence on several nodes of one Redis.

use crate::{
    presence::nodes,
    support::{redis::RedisServer, shared::tests_of},
};

tests_of! { nodes, RedisServer:
    a_user_counts_once_over_all_nodes_and_moving_from_one_to_another_shows_nothing,
    the_members_of_a_node_that_was_killed_leave_once_within_three_heartbeats,
    what_was_killed_and_has_kept_its_data_changes_nothing_and_what_changed_meanwhile_is_told,
    after_all_data_was_lost_everybody_who_is_there_joins_again,
    the_signal_has_the_counts_of_all_nodes_and_of_none_when_all_have_left_or_were_killed,
}
