//! History that continues as another log, whose ids may be lower than those before: every stream is sent one gap,
//! and nothing that comes after is lost.

mod history;
mod world;

use fastrand::Rng;
use sse_broadcaster::{EventId, Start};

use self::world::{Reader, World};
use crate::{model::gate::Reads, model::seed::seeds};

const WINDOW: usize = 64;
const MAX_EVENT_BYTES: usize = 60_000;
/// More senders than a walk visits at once.
const CROWD: usize = 300;
const SCENARIOS: usize = 1_000;

fn after(id: EventId, by: u64) -> EventId {
    EventId::new(id.ms(), id.seq() + by)
}

fn blocks_of(blocks: &[(&str, EventId)]) -> Vec<(String, String)> {
    let blocks = blocks
        .iter()
        .map(|(name, id)| ((*name).into(), id.to_string()));
    blocks.collect()
}

const LOWER: EventId = EventId::new(500, 0);
const HIGHER: EventId = EventId::new(9_000, 0);

#[test]
fn live_and_slow_streams_are_sent_one_gap_by_a_new_epoch_and_continue() {
    for head in [LOWER, HIGHER] {
        let mut world = World::new();
        let (mut live, mut slow) = (world.join(Start::Live), world.join(Start::Live));
        world.settle([&mut live, &mut slow]);
        world.publish(3);
        world.settle([&mut live]);
        live.seen();
        slow.seen();
        world.history.replace(head);
        world.settle([&mut live]);
        world.publish(2);
        world.settle([&mut live]);
        let on = [("gap", head), ("", after(head, 1)), ("", after(head, 2))];
        assert_eq!(live.seen(), blocks_of(&on));
        world.settle([&mut slow]);
        assert_eq!(slow.seen(), blocks_of(&on));
    }
}

#[test]
fn a_stream_that_is_polled_before_the_walk_sees_the_new_epoch_waits_for_it() {
    // Of small events its shard still has all that it is due; the large ones it would have to read of history.
    let large = "x".repeat(MAX_EVENT_BYTES);
    for (head, text, sent_before) in [
        (LOWER, "x", 3),
        (HIGHER, "x", 3),
        (LOWER, &large, 0),
        (HIGHER, &large, 0),
    ] {
        let mut world = World::new();
        let mut slow = world.join(Start::Live);
        world.settle([&mut slow]);
        for _ in 0..3 {
            world.publish_text(text, 1);
            world.walk();
            world.walk();
        }
        slow.seen();
        world.history.replace(head);
        for _ in 0..9 {
            slow.poll();
        }
        world.publish(1);
        world.settle([&mut slow]);
        world.publish(1);
        world.settle([&mut slow]);
        let seen = slow.seen();
        let gaps = seen
            .iter()
            .enumerate()
            .filter(|(_, (name, _))| name == "gap");
        let gaps: Vec<_> = gaps.map(|(at, _)| at).collect();
        assert_eq!(gaps, [sent_before], "{seen:?}");
        assert_eq!(
            seen.last(),
            blocks_of(&[("", after(head, 2))]).first(),
            "{seen:?}"
        );
    }
}

#[test]
fn a_resume_with_an_id_of_the_previous_epoch_is_sent_one_gap() {
    for head in [LOWER, HIGHER] {
        let mut world = World::new();
        let mut stays = world.join(Start::Live);
        let last_id = world.publish(3);
        world.settle([&mut stays]);
        world.history.replace(head);
        let mut back = world.join(Start::After(last_id.to_string()));
        world.settle([&mut back, &mut stays]);
        world.publish(1);
        world.settle([&mut back, &mut stays]);
        let on = [("gap", head), ("connected", head), ("", after(head, 1))];
        assert_eq!(back.seen(), blocks_of(&on));
    }
}

#[test]
fn a_subscriber_that_joins_during_a_change_of_epoch_has_no_gap() {
    for head in [LOWER, HIGHER] {
        let mut world = World::new();
        let mut crowd: Vec<_> = (0..CROWD).map(|_| world.join(Start::Live)).collect();
        world.settle(&mut crowd);
        let leaves = crowd.pop();
        drop(leaves);
        world.history.replace(head);
        world.walk();
        let mut joined = world.join(Start::Live);
        world.settle([&mut joined]);
        world.publish(1);
        world.settle([&mut joined]);
        assert_eq!(
            joined.seen(),
            blocks_of(&[("connected", head), ("", after(head, 1))])
        );
        world.settle(&mut crowd);
        for reader in &mut crowd {
            let seen = reader.seen();
            assert_eq!(seen[1..], blocks_of(&[("gap", head), ("", after(head, 1))]));
        }
    }
}

/// Checks the blocks of a reader, and returns which log it has come to, and which position of it.
fn follow(seen: &[(String, String)], logs: &[Vec<EventId>]) -> (usize, usize) {
    let find = |id: &str| {
        let id: EventId = id.parse().unwrap();
        let find = |(log, ids): (usize, &Vec<EventId>)| Some((log, ids.binary_search(&id).ok()?));
        logs.iter().enumerate().find_map(find).expect("a position")
    };
    let (mut at, mut announced) = (None, Vec::new());
    for (name, id) in seen {
        let to = find(id);
        match (&name[..], at) {
            ("connected", None) => announced.push(to.0),
            ("connected", Some(gap)) => assert_eq!((to, announced.len()), (gap, 1), "{seen:?}"),
            ("gap", _) => {
                assert!(
                    !announced.contains(&to.0),
                    "a log was announced twice: {seen:?}"
                );
                announced.push(to.0);
            }
            ("position", Some((log, index))) => assert!(to.0 == log && to.1 >= index, "{seen:?}"),
            ("", Some((log, index))) => assert_eq!(to, (log, index + 1), "{seen:?}"),
            _ => panic!("out of place: {seen:?}"),
        }
        at = Some(to);
    }
    at.expect("it has begun")
}

/// Nothing is published to the topic "b".
fn topic(rng: &mut Rng) -> &'static str {
    if rng.u8(0..4) == 0 { "b" } else { "a" }
}

fn step(world: &mut World, readers: &mut Vec<Reader>, rng: &mut Rng) {
    match rng.u8(0..18) {
        0 => {
            let birth = EventId::new(rng.u64(1..2_000), 0);
            if !world.logs().iter().any(|log| log[0] == birth) {
                world.history.replace(birth);
            }
        }
        1..5 if world.broadcaster.lag() < 20 && world.log().len() < WINDOW - 4 => {
            world.publish(rng.usize(1..4));
        }
        5..9 => world.walk(),
        9 => readers.push(world.join_topic(topic(rng), Start::Live)),
        10 => {
            let logs = world.logs();
            let log = &logs[rng.usize(..logs.len())];
            let start = Start::After(log[rng.usize(..log.len())].to_string());
            readers.push(world.join_topic(topic(rng), start));
        }
        11 => world.history.gate.set(Reads::Held),
        12 => world.history.gate.set(Reads::Immediate),
        _ if readers.is_empty() => {}
        _ => {
            // More than one where there are many.
            let reader = rng.usize(..readers.len());
            for reader in readers.iter_mut().skip(reader).step_by(40) {
                reader.poll();
            }
        }
    }
}

fn run(seed: u64, crowd: usize, steps: usize) {
    let mut rng = Rng::with_seed(seed);
    let (mut world, mut readers) = (World::new(), Vec::new());
    readers.extend((0..crowd).map(|_| world.join_topic(topic(&mut rng), Start::Live)));
    for _ in 0..rng.usize(10..steps) {
        step(&mut world, &mut readers, &mut rng);
    }
    world.history.gate.set(Reads::Immediate);
    world.publish(1);
    world.settle(&mut readers);
    let logs = world.logs();
    for reader in &mut readers {
        let (log, index) = follow(&reader.seen(), &logs);
        assert_eq!(log, logs.len() - 1, "the log that it was sent last, {seed}");
        let all = reader.topic == "b" || index == logs[log].len() - 1;
        assert!(all, "something is due and was not sent, {seed}");
    }
}

#[test]
fn a_new_epoch_at_any_step_sends_every_stream_one_gap() {
    for seed in seeds(254).take(SCENARIOS) {
        run(seed, 0, 80);
    }
    for seed in seeds(253).take(SCENARIOS / 50) {
        run(seed, CROWD, 400);
    }
}
