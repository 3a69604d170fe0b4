//! Cases that the random steps and the threads have found, one by one, and those that are too rare for them.

use sse_broadcaster::{Format, Start};

use crate::{
    model::oracle::Interest,
    model::world::{NewEvent, Shape, TICKS_PER_PING, World},
};

const WINDOW: usize = 16;
/// More senders than a walk visits at once.
const CROWD: usize = 300;
/// More events than a replay takes at once.
const CHUNK: usize = 256;

const BUSY: Interest = Interest {
    topics: 0b001,
    private: false,
};
const QUIET: Interest = Interest {
    topics: 0b100,
    private: false,
};

fn publish(world: &mut World, interest: Interest, events: usize) {
    let event = NewEvent {
        topics: interest.topics,
        private: interest.private,
        key: None,
    };
    world.publish(vec![event; events], 1);
}

/// As many as one likes: each is walked before the next.
fn pass(world: &mut World, interest: Interest, events: usize) {
    for _ in 0..events {
        publish(world, interest, 1);
        world.walk();
    }
}

fn join(world: &mut World, interest: Interest, start: Start) -> usize {
    world.join(interest, Format::Sse, start, false)
}

/// The response, and where its events begin.
fn open(world: &mut World, client: usize) {
    world.poll(client);
    world.poll(client);
}

fn crowd(world: &mut World, interest: Interest) {
    for _ in 0..CROWD {
        join(world, interest, Start::Live);
    }
    world.settle();
}

#[test]
fn a_replay_that_reads_past_the_walks_is_not_sent_those_events_twice() {
    let mut world = World::new(Shape::of(WINDOW));
    let client = join(&mut world, BUSY, Start::Earliest);
    publish(&mut world, BUSY, 2);
    open(&mut world, client);
    world.poll(client);
    world.walk();
    pass(&mut world, BUSY, 2);
    world.finish();
}

#[test]
fn an_event_of_two_topics_is_not_sent_twice_by_the_second_half_of_a_walk() {
    let mut world = World::new(Shape::of(WINDOW));
    let both = Interest {
        topics: BUSY.topics | QUIET.topics,
        ..BUSY
    };
    crowd(&mut world, both);
    publish(&mut world, QUIET, 1);
    publish(&mut world, BUSY, 1);
    world.walk();
    for client in 0..CROWD {
        world.poll(client);
    }
    world.finish();
}

#[test]
fn a_stream_that_stalls_after_its_replay_has_no_gap_while_nothing_is_due() {
    let mut world = World::new(Shape::of(WINDOW));
    publish(&mut world, QUIET, 1);
    let client = join(&mut world, QUIET, Start::Earliest);
    open(&mut world, client);
    pass(&mut world, BUSY, 2 * WINDOW);
    world.finish();
}

#[test]
fn a_stream_that_stalls_within_its_replay_has_no_gap_while_history_holds_the_rest() {
    let mut world = World::new(Shape::of(4 * CHUNK));
    pass(&mut world, QUIET, CHUNK);
    pass(&mut world, BUSY, CHUNK);
    pass(&mut world, QUIET, 1);
    let client = join(&mut world, QUIET, Start::Earliest);
    open(&mut world, client);
    pass(&mut world, BUSY, 4 * CHUNK - CHUNK / 2);
    world.finish();
}

#[test]
fn a_stream_that_stalls_within_live_events_has_no_gap_while_history_holds_the_rest() {
    let mut world = World::new(Shape::of(4 * CHUNK));
    let client = join(&mut world, QUIET, Start::Live);
    world.settle();
    publish(&mut world, QUIET, CHUNK);
    publish(&mut world, BUSY, CHUNK - 50);
    publish(&mut world, QUIET, 1);
    world.walk();
    world.poll(client);
    pass(&mut world, BUSY, 4 * CHUNK - 150);
    world.finish();
}

#[test]
fn private_events_that_a_subscriber_may_not_read_are_no_gap() {
    let mut world = World::new(Shape::of(WINDOW));
    let private = Interest {
        private: true,
        ..BUSY
    };
    let client = join(&mut world, BUSY, Start::Live);
    open(&mut world, client);
    pass(&mut world, private, 2 * WINDOW);
    world.finish();
}

#[test]
fn a_resume_on_a_quiet_topic_is_sent_its_position_at_once() {
    let mut world = World::new(Shape::of(8 * WINDOW));
    join(&mut world, BUSY, Start::Live);
    pass(&mut world, BUSY, 2);
    let last_id = world.log.head().to_string();
    pass(&mut world, BUSY, 8 * WINDOW - 2);
    join(&mut world, QUIET, Start::After(last_id));
    world.settle();
    publish(&mut world, BUSY, WINDOW / 2);
    world.settle();
    world.finish();
}

#[test]
fn a_quiet_stream_is_sent_its_position_in_time_also_by_a_walk_over_half_the_window() {
    let mut world = World::new(Shape::of(8 * WINDOW));
    let client = join(&mut world, QUIET, Start::Live);
    publish(&mut world, QUIET, 1);
    publish(&mut world, BUSY, 2 * WINDOW);
    publish(&mut world, BUSY, 2 * WINDOW - 1);
    world.settle();
    publish(&mut world, BUSY, WINDOW / 2);
    world.walk();
    while world.poll(client) {}
    publish(&mut world, BUSY, 2 * WINDOW);
    publish(&mut world, BUSY, 2 * WINDOW);
    world.check_those_at_rest();
    world.finish();
}

#[test]
fn history_is_read_once_for_all_equal_reconnects_at_once() {
    let mut world = World::new(Shape::of(WINDOW));
    let last_id = world.log.head().to_string();
    publish(&mut world, BUSY, WINDOW / 2);
    world.walk();
    for _ in 0..CROWD {
        join(&mut world, BUSY, Start::After(last_id.clone()));
    }
    let before = world.reads();
    world.settle();
    assert_eq!(world.reads() - before, 1);
    // But not with what was not there yet.
    publish(&mut world, BUSY, 1);
    join(&mut world, BUSY, Start::After(last_id));
    world.settle();
    world.finish();
}

#[test]
fn a_stream_that_was_sent_an_event_meanwhile_is_pinged_later() {
    let mut world = World::new(Shape::of(WINDOW));
    crowd(&mut world, BUSY);
    for _ in 1..TICKS_PER_PING {
        world.tick();
    }
    publish(&mut world, BUSY, 1);
    world.settle();
    let before = world.broadcaster.stats().bytes_sent.get();
    world.tick();
    world.settle();
    assert_eq!(world.broadcaster.stats().bytes_sent.get(), before);
    world.ping();
    world.settle();
    let sent = world.broadcaster.stats().bytes_sent.get() - before;
    assert_eq!(sent, (CROWD * ": ping\n".len()) as u64);
}

#[test]
fn every_stream_that_was_sent_nothing_is_pinged() {
    let mut world = World::new(Shape::of(WINDOW));
    crowd(&mut world, BUSY);
    let before = world.broadcaster.stats().bytes_sent.get();
    world.ping();
    world.settle();
    let sent = world.broadcaster.stats().bytes_sent.get() - before;
    assert_eq!(sent, (CROWD * ": ping\n".len()) as u64);
}

#[test]
fn a_subscriber_that_joins_when_all_others_left_within_a_walk_begins_at_the_head() {
    let mut world = World::new(Shape::of(WINDOW));
    crowd(&mut world, BUSY);
    publish(&mut world, BUSY, 1);
    world.walk();
    for client in 0..CROWD {
        world.cut(client, 0);
    }
    for _ in 0..WINDOW {
        publish(&mut world, BUSY, 2);
    }
    join(&mut world, QUIET, Start::Live);
    world.finish();
}

#[test]
fn events_lost_by_a_shard_without_walks_are_no_gap_to_new_subscribers() {
    let mut world = World::new(Shape::of(WINDOW));
    crowd(&mut world, BUSY);
    world.stop_walking();
    for _ in 0..WINDOW {
        publish(&mut world, BUSY, 2);
    }
    world.replace_walkers();
    world.walk();
    let joined = join(&mut world, QUIET, Start::Live);
    world.walk();
    world.walk();
    open(&mut world, joined);
    world.finish();
}

#[test]
fn a_walk_goes_to_its_end_also_when_its_task_ends_in_the_middle() {
    let mut world = World::new(Shape::of(WINDOW));
    crowd(&mut world, BUSY);
    publish(&mut world, BUSY, 1);
    world.walk();
    world.replace_walkers();
    world.finish();
}

#[test]
fn waiting_publishers_continue_when_all_subscribers_have_left() {
    let mut world = World::new(Shape::of(WINDOW));
    let client = join(&mut world, BUSY, Start::Live);
    for _ in 0..WINDOW {
        publish(&mut world, BUSY, 1);
    }
    assert_eq!(world.log.events.len(), WINDOW / 2);
    world.cut(client, 0);
    while world.poll_publishers() {}
    assert_eq!(world.log.events.len(), WINDOW);
}

#[test]
fn waiting_publishers_continue_when_walks_end() {
    let mut world = World::new(Shape::of(WINDOW));
    join(&mut world, BUSY, Start::Live);
    for _ in 0..WINDOW {
        publish(&mut world, BUSY, 1);
    }
    world.stop_walking();
    while world.poll_publishers() {}
    assert_eq!(world.log.events.len(), WINDOW);
}

#[test]
fn a_replay_is_sent_a_position_at_the_head_also_when_its_last_events_are_live() {
    let mut world = World::new(Shape::of(4 * CHUNK));
    join(&mut world, BUSY, Start::Live);
    publish(&mut world, QUIET, CHUNK);
    publish(&mut world, QUIET, 1);
    publish(&mut world, BUSY, 1);
    world.walk();
    world.join(QUIET, Format::Sse, Start::Earliest, true);
    world.finish();
}
