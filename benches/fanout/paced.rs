//! A server whose subscribers are sent one event after the other, at a fixed rate.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    publisher::Publisher,
    servers::{Kind, Server},
    streams::Streams,
    table::median,
};

/// The cost of a delivered event.
#[derive(Clone, Copy)]
pub struct Delivery {
    pub cpu_micros: f64,
    /// From the start of a publish until the last subscriber has the event.
    pub last_millis: f64,
}

pub struct Paced {
    kind: Kind,
    streams: Streams,
    server: Server,
    publisher: Publisher,
    request: String,
    cpu_micros: f64,
    blocks: u64,
    latencies: Vec<f64>,
}

impl Paced {
    /// Counting starts here.
    pub fn new(kind: Kind, server: Server, streams: Streams) -> Self {
        Self::with_request(kind, server, streams, kind.publish_request())
    }

    /// The same, with events that are published by this request.
    pub fn with_request(kind: Kind, server: Server, streams: Streams, request: String) -> Self {
        Self {
            request,
            kind,
            publisher: Publisher::connect_with(server.address, kind.tls()),
            cpu_micros: server.cpu_micros(),
            blocks: streams.blocks(),
            latencies: Vec::new(),
            streams,
            server,
        }
    }

    /// Publishes one event; returns once it has arrived, and not before `until`.
    pub fn publish(&mut self, until: Instant) {
        let due = self.streams.blocks() + self.streams.count as u64;
        let begin = Instant::now();
        self.publisher.publish(&self.request);
        thread::sleep(until.saturating_duration_since(Instant::now()));
        self.streams.settle(due, self.kind.loses_nothing());
        let last = self.streams.last().filter(|last| *last > begin);
        let took = last.map(|last| (last - begin).as_secs_f64() * 1e3);
        self.latencies.extend(took);
    }

    pub fn end(self) -> Delivery {
        let cpu = self.server.cpu_micros() - self.cpu_micros;
        Delivery {
            cpu_micros: cpu / (self.streams.blocks() - self.blocks) as f64,
            last_millis: median(self.latencies),
        }
    }
}

/// Publishes to these servers in turn, so that a busy second of the machine affects all of them.
pub fn take_turns(sides: &mut [Paced], turn: Duration, turns: u32) {
    let begun = Instant::now();
    for number in 0..turns {
        let side = number as usize % sides.len();
        sides[side].publish(begun + turn * (number + 1));
    }
}
