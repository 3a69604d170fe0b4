//! The cost of a publish depends on the subscribers that it matches, not on those that are connected.

use crate::{
    Selection, limits,
    publisher::{Publisher, small},
    servers::{Kind, Server},
    streams::{Streams, StreamsConfig, request},
    table::{Bound, Compared, Row},
};

const TOPICS: usize = 1_000;
/// The topics of the server that it is compared with. Connections are accepted in turn, so with five topics the
/// matching subscribers are spread over the workers as they are with many topics.
const FEW_TOPICS: usize = 5;
/// Subscribers of each topic, which connect one after the other, so that both workers have some.
const OF_EACH: usize = 10;
/// Publishes of one turn. The two servers take turns, since on a busy machine no second is like the next. All turns
/// together are fewer than the events after which quiet streams are sent a position, which would count as an event.
const PUBLISHES: u64 = 1_000;
const TURNS: usize = 6;

/// One server with subscribers of a number of topics, and subscribers of all topics.
struct Side {
    server: Server,
    streams: Streams,
    matching: u64,
}

impl Side {
    fn new(topics: usize, of_everything: usize) -> Self {
        // Pings, which go to all that are connected, would fall into some measurements.
        let server = Server::ours(&["--ping-interval", "1h"]);
        let of_topics = limits::subscribers(topics * OF_EACH);
        let streams = Streams::open(StreamsConfig {
            request: Box::new(move |number| match number {
                n if n < of_topics => request(&format!("t{}", n / OF_EACH), ""),
                _ => request("*", ""),
            }),
            ..StreamsConfig::of(Kind::Ours, &server, of_topics + of_everything)
        });
        Self {
            server,
            streams,
            matching: (OF_EACH + of_everything) as u64,
        }
    }

    /// Microseconds of CPU for each publish of one turn.
    fn take_turn(&self) -> f64 {
        let mut publisher = Publisher::connect(self.server.address);
        let request = small("t0");
        let (cpu, blocks) = (self.server.cpu_micros(), self.streams.blocks());
        for _ in 0..PUBLISHES {
            publisher.publish(&request);
        }
        self.streams.wait_for(blocks + PUBLISHES * self.matching);
        (self.server.cpu_micros() - cpu) / PUBLISHES as f64
    }
}

fn row(of_everything: usize) -> Row {
    let compared = Compared::pairs(usize::MAX, || {
        let many = Side::new(TOPICS, of_everything);
        let few = Side::new(FEW_TOPICS, of_everything);
        // The first turn, in which much is done for the first time, is not counted.
        let turns = (0..=TURNS).map(|_| (many.take_turn(), few.take_turn()));
        let turns = turns.skip(1).collect::<Vec<_>>();
        let mean = |side: fn(&(f64, f64)) -> f64| {
            let sum = turns.iter().map(side).sum::<f64>();
            sum / TURNS as f64
        };
        (mean(|turn| turn.0), mean(|turn| turn.1))
    });
    let others = TOPICS * OF_EACH;
    let star = match of_everything {
        0 => String::new(),
        count => format!(" and to {count} that ask for *"),
    };
    Row::ratio(
        format!("CPU per publish to {OF_EACH}{star}, among {others} of {TOPICS} topics"),
        "ours",
        format!(
            "{:.1} µs; among {} {:.1} µs",
            compared.own,
            FEW_TOPICS * OF_EACH,
            compared.other
        ),
        compared.ratio,
        Bound::AtMost(1.2),
    )
}

pub fn rows(_: &Selection) -> Vec<Row> {
    vec![row(0), row(OF_EACH)]
}
