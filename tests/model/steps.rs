//! Random sequences of steps on one thread.

mod step;
mod strategies;

use std::time::Duration;

use proptest::{
    collection::vec,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use sse_broadcaster::{Format, Start};

use self::{step::apply, strategies::step};
use crate::{
    model::oracle::Interest,
    model::seed::seed,
    model::world::{Shape, World},
};

/// What the steps are drawn for.
#[derive(Debug, Clone, Copy)]
struct Scenario {
    shape: Shape,
    /// So many ask for the same topic from the beginning: their walks are split.
    subscribers: u16,
    floods: u32,
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
