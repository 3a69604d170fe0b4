//! Random sequences of steps on one thread.

use std::time::Duration;

use proptest::{
    collection::vec,
    prelude::*,
    strategy::Union,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use sse_broadcaster::{Format, Start};

use crate::{
    model::gate::Reads,
    model::oracle::{EVERY_TOPIC, Interest, idempotency_key, time},
    model::seed::seed,
    model::world::{NewEvent, Shape, World},
};

/// Clients are named by any number: it is taken modulo how many there are.
#[derive(Debug, Clone)]
enum Step {
    Publish {
        batch: Vec<NewEvent>,
        data_bytes: usize,
    },
    Flood {
        events: u16,
        topics: u8,
        data_bytes: usize,
    },
    DropAPublisher,
    Walk,
    ReplaceWalkers,
    Ping,
    Join {
        interest: Interest,
        json: bool,
        from: Begin,
        tells_head: bool,
    },
    Connect {
        client: u16,
    },
    Poll {
        client: u16,
        times: u8,
    },
    PollSome {
        first: u16,
        count: u16,
    },
    Move {
        client: u16,
    },
    Receive {
        client: u16,
        bytes: u16,
    },
    Cut {
        client: u16,
        bytes: u16,
    },
    CutSome {
        first: u16,
        count: u16,
    },
    Reads(Reads),
    ExpireEvents,
    Settle,
}

#[derive(Debug, Clone)]
enum Begin {
    Live,
    /// After the event that is so many before the newest.
    After(u16),
    Key(u8),
    Garbage(u8),
    /// Since the time of the event that is so many before the newest.
    Since(u16),
    Earliest,
    Last(usize),
}

/// What the steps are drawn for.
#[derive(Debug, Clone, Copy)]
struct Scenario {
    shape: Shape,
    /// So many ask for the same topic from the beginning: their walks are split.
    subscribers: u16,
    floods: u32,
}

fn interest() -> impl Strategy<Value = Interest> {
    // Some of them hardly anything is published to.
    let topics = prop_oneof![1 => Just(0), 3 => 1..=EVERY_TOPIC, 2 => Just(1 << 2)];
    (topics, prop::bool::weighted(0.2)).prop_map(|(topics, private)| Interest { topics, private })
}

fn topics() -> impl Strategy<Value = u8> {
    prop_oneof![6 => Just(1), 2 => Just(1 << 1), 3 => 1..=EVERY_TOPIC]
}

fn new_event(scenario: Scenario) -> impl Strategy<Value = NewEvent> {
    // Where events grow old by the clock, it is unknown which idempotency keys are held.
    let has_keys = scenario.shape.age.is_none();
    let key = (0..24_u8).prop_map(move |drawn| drawn.checked_sub(20).filter(|_| has_keys));
    let fields = (topics(), prop::bool::weighted(0.1), key);
    fields.prop_map(|(topics, private, key)| NewEvent {
        topics,
        private,
        key,
    })
}

fn data_bytes() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(1), 1 => Just(usize::MAX)]
}

fn begin() -> impl Strategy<Value = Begin> {
    prop_oneof![
        4 => Just(Begin::Live),
        6 => (0..40_u16).prop_map(Begin::After),
        1 => any::<u16>().prop_map(Begin::After),
        2 => (0..5_u8).prop_map(Begin::Key),
        1 => (0..4_u8).prop_map(Begin::Garbage),
        2 => (0..40_u16).prop_map(Begin::Since),
        2 => Just(Begin::Earliest),
        2 => (0..20_usize).prop_map(Begin::Last),
    ]
}

fn bytes() -> impl Strategy<Value = u16> {
    prop_oneof![0..300_u16, Just(u16::MAX)]
}

fn step(scenario: Scenario) -> impl Strategy<Value = Step> {
    let steps = [steps_of_publishers(scenario), steps_of_clients(scenario)].concat();
    let drawn = steps.into_iter().filter(|(weight, _)| *weight > 0);
    Union::new_weighted(drawn.collect())
}

fn steps_of_publishers(scenario: Scenario) -> Vec<(u32, BoxedStrategy<Step>)> {
    let is = u32::from;
    let batch = vec(new_event(scenario), 1..=(scenario.shape.events / 4).min(6));
    let publish = (batch, data_bytes());
    let publish = publish.prop_map(|(batch, data_bytes)| Step::Publish { batch, data_bytes });
    let flood = (1..=256_u16, topics(), data_bytes());
    let flood = flood.prop_map(|(events, topics, data_bytes)| Step::Flood {
        events,
        topics,
        data_bytes,
    });
    let reads = prop_oneof![
        2 => Just(Reads::Immediate),
        2 => Just(Reads::Held),
        1 => Just(Reads::Failed),
    ];
    vec![
        (12, publish.boxed()),
        (scenario.floods, flood.boxed()),
        (1, Just(Step::DropAPublisher).boxed()),
        (14, Just(Step::Walk).boxed()),
        (
            2 * is(scenario.shape.shards == 1),
            Just(Step::ReplaceWalkers).boxed(),
        ),
        (1, Just(Step::Ping).boxed()),
        (
            6 * is(scenario.shape.gated),
            reads.prop_map(Step::Reads).boxed(),
        ),
        (
            is(scenario.shape.age.is_some()),
            Just(Step::ExpireEvents).boxed(),
        ),
        (1, Just(Step::Settle).boxed()),
    ]
}

fn steps_of_clients(scenario: Scenario) -> Vec<(u32, BoxedStrategy<Step>)> {
    let client = any::<u16>;
    let crowd = u32::from(scenario.subscribers > 0);
    let join = (
        interest(),
        any::<bool>(),
        begin(),
        prop::bool::weighted(0.2),
    );
    let join = join.prop_map(|(interest, json, from, tells_head)| Step::Join {
        interest,
        json,
        from,
        tells_head,
    });
    let connect = client().prop_map(|client| Step::Connect { client });
    let poll = (client(), 1..4_u8).prop_map(|(client, times)| Step::Poll { client, times });
    let some = || (client(), prop_oneof![3 => 0..300_u16, 1 => Just(u16::MAX)]);
    let poll_some = some().prop_map(|(first, count)| Step::PollSome { first, count });
    let cut_some = some().prop_map(|(first, count)| Step::CutSome { first, count });
    let some_bytes = || (client(), bytes());
    let receive = some_bytes().prop_map(|(client, bytes)| Step::Receive { client, bytes });
    let cut = some_bytes().prop_map(|(client, bytes)| Step::Cut { client, bytes });
    vec![
        (6, join.boxed()),
        (6, connect.boxed()),
        (20, poll.boxed()),
        (8 * crowd, poll_some.boxed()),
        (2 * crowd, cut_some.boxed()),
        (1, client().prop_map(|client| Step::Move { client }).boxed()),
        (6, receive.boxed()),
        (6, cut.boxed()),
    ]
}

impl Scenario {
    fn begin(self) -> World {
        let mut world = World::new(self.shape);
        let interest = Interest {
            topics: 1,
            private: false,
        };
        for _ in 0..self.subscribers {
            world.join(interest, Format::Sse, Start::Live, false);
        }
        world
    }
}

fn start(world: &World, from: &Begin) -> Start {
    let events = &world.log.events;
    let back = |by: u16| events.len() - usize::from(by) % (events.len() + 1);
    match *from {
        Begin::Live => Start::Live,
        Begin::After(by) => Start::After(world.log.before(back(by)).to_string()),
        Begin::Key(number) => Start::After(idempotency_key(number)),
        Begin::Garbage(which) => {
            let garbage = ["", "1-1", "99999999999999-7", "\u{fc}ber\n"];
            Start::After(garbage[usize::from(which)].into())
        }
        Begin::Since(by) => Start::Since(time(world.log.before(back(by)))),
        Begin::Earliest => Start::Earliest,
        Begin::Last(count) => Start::Last(count),
    }
}

fn flood(world: &mut World, events: u16, topics: u8, data_bytes: usize) {
    let event = NewEvent {
        topics,
        private: false,
        key: None,
    };
    world.publish(vec![event; usize::from(events)], data_bytes);
}

fn apply(world: &mut World, step: Step) {
    let clients = world.clients.len();
    let of = |client: u16| usize::from(client) % clients;
    match step {
        Step::Publish { batch, data_bytes } => world.publish(batch, data_bytes),
        Step::Flood {
            events,
            topics,
            data_bytes,
        } => flood(world, events, topics, data_bytes),
        Step::DropAPublisher => world.drop_a_publisher(),
        Step::Walk => drop(world.walk()),
        Step::ReplaceWalkers => world.replace_walkers(),
        Step::Ping => world.ping(),
        Step::Join {
            interest,
            json,
            from,
            tells_head,
        } => {
            let format = if json { Format::Json } else { Format::Sse };
            let start = start(world, &from);
            world.join(interest, format, start, tells_head);
        }
        Step::Reads(reads) => world.set_reads(reads),
        Step::ExpireEvents => world.expire_events(),
        Step::Settle => world.settle(),
        _ if clients == 0 => {}
        Step::Connect { client } => world.connect(of(client)),
        Step::Poll { client, times } => {
            for _ in 0..times {
                world.poll(of(client));
            }
        }
        Step::PollSome { first, count } => {
            for client in of(first)..(of(first) + usize::from(count)).min(clients) {
                world.poll(client);
            }
        }
        Step::Move { client } => world.move_to_another_task(of(client)),
        Step::Receive { client, bytes } => world.receive(of(client), bytes.into()),
        Step::Cut { client, bytes } => world.cut(of(client), bytes.into()),
        Step::CutSome { first, count } => {
            for client in of(first)..(of(first) + usize::from(count)).min(clients) {
                world.cut(client, usize::MAX);
            }
        }
    }
}

fn run(scenario: Scenario, cases: u32, steps: usize) {
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed().to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let steps = vec(step(scenario), 1..steps);
    let result = TestRunner::new_with_rng(config, rng).run(&steps, |steps| {
        let mut world = scenario.begin();
        for step in steps {
            apply(&mut world, step);
            world.check_those_at_rest();
        }
        world.finish();
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

const SMALL: Scenario = Scenario {
    shape: Shape::of(16),
    subscribers: 0,
    floods: 0,
};

#[test]
fn every_subscriber_gets_its_topics_in_the_smallest_window() {
    run(SMALL, 300, 120);
}

#[test]
fn every_subscriber_gets_its_topics_on_two_shards() {
    let shape = Shape {
        shards: 2,
        ..Shape::of(24)
    };
    run(Scenario { shape, ..SMALL }, 60, 120);
}

#[test]
fn every_subscriber_gets_its_topics_when_bytes_bound_the_window() {
    let shape = Shape {
        bytes: 32 << 10,
        data_bytes: 500,
        ..Shape::of(64)
    };
    run(Scenario { shape, ..SMALL }, 150, 120);
}

#[test]
fn joins_leaves_and_polls_in_the_middle_of_a_walk_lose_nothing() {
    let shape = Shape::of(24);
    for (subscribers, cases) in [(300, 30), (600, 15)] {
        let scenario = Scenario {
            shape,
            subscribers,
            ..SMALL
        };
        run(scenario, cases, 80);
    }
}

#[test]
fn long_replays_are_read_in_chunks_and_may_be_cut_anywhere() {
    let shape = Shape {
        data_bytes: 1_500,
        bytes: 2 << 20,
        ..Shape::of(1_024)
    };
    let scenario = Scenario {
        shape,
        floods: 10,
        ..SMALL
    };
    run(scenario, 50, 80);
}

#[test]
fn more_events_than_one_walk_handles_are_walked_in_parts() {
    let scenario = Scenario {
        shape: Shape::of(4_096),
        floods: 20,
        ..SMALL
    };
    run(scenario, 60, 60);
}

#[test]
fn a_history_whose_reads_are_late_or_fail_loses_nothing() {
    for (window, floods, cases) in [(16, 0, 200), (1_024, 10, 30)] {
        let shape = Shape {
            gated: true,
            ..Shape::of(window)
        };
        let scenario = Scenario {
            shape,
            floods,
            ..SMALL
        };
        run(scenario, cases, 100);
    }
}

#[test]
fn events_dropped_by_age_are_announced_by_a_gap() {
    let shape = Shape {
        age: Some(Duration::from_millis(15)),
        ..Shape::of(24)
    };
    run(Scenario { shape, ..SMALL }, 30, 60);
}
