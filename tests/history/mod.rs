//! What every history promises: the same tests for each of them.

mod appends;
mod batches;
mod erasing;
mod erasing_in_postgres;
mod erasing_on_disk;
mod idempotency_keys;
mod identity;
mod log;
mod names;
mod reads;
mod retained;

/// A test of each promise for each history; those that end with the process cannot be opened again.
macro_rules! promises {
    ($($file:ident: $($promise:ident),*;)*) => {
        mod memory {
            $($(#[test]
            fn $promise() {
                crate::history::$file::$promise(crate::history::log::Log::in_memory);
            })*)*
        }
        mod disk {
            $($(#[test]
            fn $promise() {
                crate::history::$file::$promise(crate::history::log::Log::on_disk);
            })*)*
        }
        mod redis {
            $($(#[test]
            fn $promise() {
                crate::history::$file::$promise(crate::history::log::Log::in_redis);
            })*)*
        }
        mod postgres {
            $($(#[test]
            fn $promise() {
                crate::history::$file::$promise(crate::history::log::Log::in_postgres);
            })*)*
        }
    };
}

promises! {
    appends:
        positions_increase_and_come_in_order_through_the_window,
        concurrent_appends_have_one_order_for_all,
        a_batch_stands_together,
        what_is_reserved_is_given_back_when_it_is_in_the_window,
        an_append_whose_caller_is_gone_is_kept;
    batches:
        each_event_of_a_batch_is_a_place_to_resume_from,
        retention_drops_a_part_of_a_batch,
        many_events_of_a_batch_are_erased_at_once;
    idempotency_keys:
        an_idempotency_key_that_is_held_is_answered_with_the_first_position,
        an_idempotency_key_that_stands_twice_in_a_batch_is_stored_once,
        repeats_alone_write_nothing_whatever_they_expect,
        an_idempotency_key_is_a_place_to_resume_from,
        an_idempotency_key_whose_event_was_dropped_is_stored_anew_and_names_no_place,
        idempotency_keys_are_found_again_after_a_restart;
    retained:
        a_value_is_kept_with_the_position_of_its_batch,
        a_value_of_one_event_of_a_batch_has_the_position_of_that_event,
        a_value_of_an_event_that_is_a_repeat_is_not_written,
        what_was_not_expected_is_a_conflict_and_nothing_is_written,
        of_two_that_expect_the_same_one_wins,
        values_outlive_the_events_they_came_with,
        values_have_a_bound,
        a_value_comes_with_an_event,
        values_are_there_after_a_restart;
    names:
        topics_are_listed_in_order_page_by_page_with_their_newest_event,
        a_topic_whose_events_were_dropped_is_listed_no_more,
        retained_keys_are_listed_with_the_id_they_were_written_at;
    reads:
        small_chunks_give_the_same_as_one_read,
        a_topic_is_read_without_the_others,
        private_events_are_passed_over,
        the_last_so_many_are_those_that_match,
        what_matchers_select_is_read_as_by_topic,
        a_time_finds_what_was_taken_since,
        what_is_older_than_the_window_is_read_from_the_log,
        a_read_goes_no_further_than_the_window,
        fields_come_back_as_they_were;
    identity:
        what_was_never_known_is_a_gap,
        the_birth_of_a_log_is_known,
        what_retention_dropped_is_a_gap_and_the_floor_is_not,
        bytes_bound_a_log_too,
        ids_of_another_log_are_not_known,
        ids_go_on_increasing_after_a_restart,
        a_restart_loses_nothing_and_repeats_nothing;
    erasing:
        erased_events_are_gone_and_who_lacks_them_is_told,
        nothing_to_erase_appends_nothing,
        erased_events_do_not_count_and_their_topic_is_listed_no_more,
        what_is_older_than_the_window_is_erased_in_steps,
        an_erasure_ends_at_its_position_and_may_leave_events_of_other_topics,
        the_last_so_many_are_counted_without_those_that_were_erased,
        only_those_who_may_read_them_lack_private_events_that_were_erased,
        the_idempotency_key_of_an_erased_event_is_free_again,
        retention_passes_over_erased_events;
}
