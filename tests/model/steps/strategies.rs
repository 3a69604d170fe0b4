//! How steps are drawn at random.

use proptest::{collection::vec, prelude::*, strategy::Union};

use super::{
    Scenario,
    step::{Begin, Step},
};
use crate::{
    model::gate::Reads,
    model::oracle::{EVERY_TOPIC, Interest},
    model::world::NewEvent,
};

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

pub(super) fn step(scenario: Scenario) -> impl Strategy<Value = Step> {
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
