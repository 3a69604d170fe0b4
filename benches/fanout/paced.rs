//! A server whose subscribers get one event after the other, at a pace.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    crowd::Crowd,
    publisher::{Publisher, small},
    servers::{Kind, Server},
    table::median,
};

/// What a delivered event took.
#[derive(Clone, Copy)]
pub struct Delivery {
    pub cpu_micros: f64,
    /// From the begin of a publish until the last has its event.
    pub last_millis: f64,
}

pub struct Paced {
    kind: Kind,
    crowd: Crowd,
    server: Server,
    publisher: Publisher,
    start: Instant,
    cpu_micros: f64,
    blocks: u64,
    latencies: Vec<f64>,
}

impl Paced {
    /// It counts from here on.
    pub fn new(kind: Kind, server: Server, crowd: Crowd) -> Self {
        Self {
            kind,
            publisher: Publisher::connect(server.address),
            start: Instant::now(),
            cpu_micros: server.cpu_micros(),
            blocks: crowd.blocks(),
            latencies: Vec::new(),
            crowd,
            server,
        }
    }

    /// One event; returns when it has come, and not before `until`.
    pub fn publish(&mut self, until: Instant) {
        let due = self.crowd.blocks() + self.crowd.count as u64;
        let begin = Instant::now();
        self.publisher.publish(&small("bench"));
        thread::sleep(until.saturating_duration_since(Instant::now()));
        self.crowd.settle(due, self.kind.loses_nothing());
        let last = self.crowd.last().filter(|last| *last > begin);
        let took = last.map(|last| (last - begin).as_secs_f64() * 1e3);
        self.latencies.extend(took);
    }

    /// `idle_micros` is what the server takes of a second by itself.
    pub fn end(self, idle_micros: f64) -> Delivery {
        let idle = idle_micros * self.start.elapsed().as_secs_f64();
        let cpu = self.server.cpu_micros() - self.cpu_micros - idle;
        Delivery {
            cpu_micros: cpu / (self.crowd.blocks() - self.blocks) as f64,
            last_millis: median(self.latencies),
        }
    }
}

/// So many events to these, in turn: a second in which the machine is busy is one for all of them.
pub fn take_turns(sides: &mut [Paced], turn: Duration, turns: u32) {
    let begun = Instant::now();
    for number in 0..turns {
        let side = number as usize % sides.len();
        sides[side].publish(begun + turn * (number + 1));
    }
}

/// Microseconds of CPU that the server takes of a second by itself.
pub fn idle_micros(server: &Server, lasting: Duration) -> f64 {
    let cpu = server.cpu_micros();
    let start = Instant::now();
    thread::sleep(lasting);
    (server.cpu_micros() - cpu) / start.elapsed().as_secs_f64()
}
