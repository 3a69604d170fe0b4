//! Access control: what tokens and private events cost, against the same server without them.

use std::time::Duration;

use sse_broadcaster_access::mint::{NewToken, SigningKey};

use super::idle::{self, Idle};
use crate::{
    Selection, limits,
    paced::{Paced, take_turns},
    publisher::{DATA_BYTES, request_with},
    servers::{Kind, Server},
    streams::{Streams, StreamsConfig, request},
    table::{Bound, Compared, Row},
};

const SUBSCRIBERS: usize = 10_000;
/// Subscribers that connect before. More than elsewhere: what verifies tokens takes memory with its first uses, which
/// is not that of a subscriber.
const FIRST: usize = 1_000;
const ROUNDS: usize = 5;
const KEY: &str = "HS256 0123456789abcdef0123456789abcdef";
/// Most bytes that a grant may add to an idle subscriber.
const MOST_BYTES: f64 = 64.0;

fn token(claims: &serde_json::Value) -> String {
    let key = SigningKey::parse(KEY).expect("a key");
    let token = NewToken::new(claims).expect("claims").create(&key);
    format!("Authorization: Bearer {}\r\n", token.expect("a token"))
}

/// Who has which token.
#[derive(Clone, Copy)]
enum Tokens {
    None,
    /// A token each, all with the same grants.
    Alike,
    /// A token each of a user of their own.
    OfUsers,
}

impl Tokens {
    fn of(self, number: usize) -> String {
        let grants = serde_json::json!({ "subscribe": ["bench"] });
        match self {
            Self::None => String::new(),
            // Each text differs, so that each is verified.
            Self::Alike => token(&serde_json::json!({ "n": number, "sse": grants })),
            Self::OfUsers => {
                token(&serde_json::json!({ "sub": number.to_string(), "sse": grants }))
            }
        }
    }
}

fn server(tokens: Tokens) -> Server {
    match tokens {
        Tokens::None => Server::ours(&[]),
        _ => Server::ours(&["--subscribe-access", "private-events", "--token-key", KEY]),
    }
}

fn config(server: &Server, tokens: Tokens, count: usize) -> StreamsConfig {
    // Those that connect first have other tokens.
    let requests: Vec<_> = (0..count)
        .map(|number| request("bench", &tokens.of(count * 100_000 + number)))
        .collect();
    StreamsConfig {
        request: Box::new(move |number| requests[number].clone()),
        ..StreamsConfig::of(Kind::Ours, server, count)
    }
}

fn connect(tokens: Tokens, subscribers: usize) -> Idle {
    let server = server(tokens);
    let config = |count| config(&server, tokens, count);
    idle::measure_with(&server, (FIRST, subscribers), config).0
}

fn connections(what: &str, tokens: Tokens, subscribers: usize) -> [Row; 2] {
    let mut kib = Vec::new();
    let mut pair = || {
        let (without, with) = (
            connect(Tokens::None, subscribers),
            connect(tokens, subscribers),
        );
        kib.push((with.resident_kib, without.resident_kib));
        (with.cpu_micros, without.cpu_micros)
    };
    let cpu = Compared::pairs(ROUNDS, &mut pair);
    // The memory of a process differs by some hundred KiB from start to start.
    for _ in 0..2 {
        Compared::pairs(ROUNDS, &mut pair);
    }
    let measured = format!("{:.1} µs; without a token {:.1} µs", cpu.own, cpu.other);
    let connects = format!("CPU per connection, {subscribers} subscribers connect with {what}");
    let keeps = format!("more bytes per idle subscriber, {subscribers} of them with {what}");
    let (more, error) = mean_difference(&kib);
    let kib = Compared::of(&kib).expect("a pair");
    let bound = match tokens {
        Tokens::Alike => Bound::AtMost(MOST_BYTES),
        _ => Bound::None,
    };
    [
        Row::ratio(connects, "ours", measured, cpu.ratio, Bound::AtMost(2.0)),
        Row {
            figure: Some(more),
            bound,
            ..Row::text(
                keeps,
                "ours",
                format!(
                    "{:.2} KiB; without {:.2} KiB; standard error {error:.0} bytes",
                    kib.own, kib.other
                ),
            )
        },
    ]
}

/// The mean difference of pairs of KiB, in bytes, and its standard error.
fn mean_difference(kib: &[(f64, f64)]) -> (f64, f64) {
    let differences = kib.iter().map(|(own, other)| (own - other) * 1024.0);
    let count = kib.len() as f64;
    let mean = differences.clone().sum::<f64>() / count;
    let squares: f64 = differences.map(|one| (one - mean).powi(2)).sum();
    (mean, (squares / (count * (count - 1.0).max(1.0))).sqrt())
}

/// A server whose subscribers may read private events, and the request that publishes one of either kind.
fn publishing(private: bool, subscribers: usize) -> Paced {
    let server = server(Tokens::Alike);
    let streams = Streams::open(config(&server, Tokens::Alike, subscribers));
    let publisher = token(&serde_json::json!({ "sse": { "publish": ["bench"] } }));
    let query = if private {
        "bench&private=true"
    } else {
        "bench"
    };
    let headers = format!("Content-Type: text/plain\r\n{publisher}");
    let request = request_with(query, &headers, &"x".repeat(DATA_BYTES));
    Paced::with_request(Kind::Ours, server, streams, request)
}

fn deliveries() -> Row {
    let subscribers = limits::subscribers(SUBSCRIBERS) / 2;
    let compared = Compared::pairs(ROUNDS, || {
        let mut sides = [
            publishing(false, subscribers),
            publishing(true, subscribers),
        ];
        take_turns(&mut sides, Duration::from_millis(250), 40);
        let [public, private] = sides.map(|side| side.end().cpu_micros);
        (private, public)
    });
    let measured = format!(
        "{:.2} µs; a public one {:.2} µs",
        compared.own, compared.other
    );
    let what = format!("CPU per delivered private event, {subscribers} subscribers with a grant");
    Row::ratio(what, "ours", measured, compared.ratio, Bound::AtMost(1.1))
}

pub fn rows(_: &Selection) -> Vec<Row> {
    let subscribers = limits::subscribers(SUBSCRIBERS);
    let mut rows = vec![deliveries()];
    rows.extend(connections("the same grants", Tokens::Alike, subscribers));
    rows.extend(connections("a user each", Tokens::OfUsers, subscribers));
    rows
}
