//! A client of one topic that comes back whenever its stream ends, to the next node if told so, and
//! writes down what it got.

use std::{
    collections::HashSet,
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use sse_broadcaster::EventId;

use crate::{
    redis::crowd::{Acknowledged, Outcomes},
    support::{PATIENCE, Stream},
};

/// What one got, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    Event(EventId, String),
    /// What was asked for, as far as it is an id, where it goes on, and when it came.
    Gap(Option<EventId>, EventId, Instant),
}

/// The data that ends every follower.
pub const END: &str = "the end";

pub struct Follower {
    thread: JoinHandle<Vec<Got>>,
    seen: Arc<Mutex<usize>>,
}

impl Follower {
    /// Follows the nodes of this list, whose addresses may change; moves on after every `per_node`
    /// events, and whenever a stream ends.
    pub fn start(nodes: &Arc<Mutex<Vec<SocketAddr>>>, first: usize, per_node: usize) -> Self {
        let seen = Arc::new(Mutex::new(0));
        let (nodes, count) = (Arc::clone(nodes), Arc::clone(&seen));
        let (opened, is_open) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let mut got = Vec::new();
            let (mut last_id, mut at) = (String::new(), first);
            let (mut known, mut changed) = (0, Instant::now());
            loop {
                if got.len() > known {
                    (known, changed) = (got.len(), Instant::now());
                }
                assert!(
                    changed.elapsed() < PATIENCE,
                    "nothing more came, and no end; last {:?}",
                    got.last()
                );
                let node = {
                    let nodes = nodes.lock().unwrap();
                    nodes[at % nodes.len()]
                };
                at += 1;
                let Some(mut stream) = open(node, &last_id) else {
                    thread::sleep(Duration::from_millis(20));
                    continue;
                };
                let _ = opened.send(());
                if read(&mut stream, &mut got, per_node, &count) {
                    return got;
                }
                last_id.clone_from(&stream.last_id);
                if stream.end.is_some() {
                    thread::sleep(Duration::from_millis(20));
                }
            }
        });
        is_open.recv_timeout(PATIENCE).expect("a stream opens");
        Self { thread, seen }
    }

    pub fn seen(&self) -> usize {
        *self.seen.lock().unwrap()
    }

    pub fn join(self) -> Vec<Got> {
        self.thread.join().expect("the follower comes to the end")
    }
}

fn open(node: SocketAddr, last_id: &str) -> Option<Stream> {
    use std::io::Write;
    let mut socket = TcpStream::connect(node).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).ok()?;
    let last = match last_id {
        "" => String::new(),
        id => format!("Last-Event-ID: {id}\r\n"),
    };
    let head = format!("GET /events?topic=t HTTP/1.1\r\nHost: {node}\r\n{last}\r\n");
    socket.write_all(head.as_bytes()).ok()?;
    let mut stream = Stream::try_open(socket)?;
    last_id.clone_into(&mut stream.last_id);
    Some(stream)
}

/// Reads so many events, or until the stream ends; whether the end was among them.
fn read(stream: &mut Stream, got: &mut Vec<Got>, events: usize, seen: &Mutex<usize>) -> bool {
    let mut left = events;
    while left > 0 {
        let Some(message) = stream.next() else {
            return false;
        };
        let id: EventId = message.id.parse().expect("a position");
        match &message.name[..] {
            "gap" => {
                let data: serde_json::Value = serde_json::from_str(&message.data).unwrap();
                let requested = data["requested"]
                    .as_str()
                    .and_then(|text| text.parse().ok());
                got.push(Got::Gap(requested, id, Instant::now()));
            }
            "" => {
                if message.data == END {
                    return true;
                }
                got.push(Got::Event(id, message.data));
                *seen.lock().unwrap() += 1;
                left -= 1;
            }
            _ => {}
        }
    }
    false
}

/// Checks what one got against what was acknowledged: each once, in order, or behind a gap; and nothing
/// that was refused. Returns how many gaps there were.
pub fn check(got: &[Got], outcomes: &Outcomes) -> usize {
    let gaps = gaps_of(got);
    let seen = check_order(got, outcomes, false);
    for (data, Acknowledged { id, .. }) in &outcomes.acknowledged {
        let is_behind_a_gap = gaps
            .iter()
            .any(|(from, to, _)| *from < Some(*id) && id <= to);
        assert!(
            seen.contains(data) || is_behind_a_gap,
            "lost without a word: {data} at {id}, gaps {gaps:?}"
        );
    }
    gaps.len()
}

/// The same where positions of two servers do not compare: what is not there was taken before a gap came.
/// Behind a gap that leads back, what came before may come again.
pub fn check_forked(got: &[Got], outcomes: &Outcomes) -> usize {
    let gaps = gaps_of(got);
    let seen = check_order(got, outcomes, true);
    for (data, Acknowledged { id, since }) in &outcomes.acknowledged {
        let is_announced = gaps.iter().any(|(_, _, at)| at > since);
        assert!(
            seen.contains(data) || is_announced,
            "lost without a word: {data} at {id}, gaps {gaps:?}"
        );
    }
    gaps.len()
}

fn gaps_of(got: &[Got]) -> Vec<(Option<EventId>, EventId, Instant)> {
    let (mut last, mut gaps) = (None, Vec::new());
    for one in got {
        match one {
            Got::Event(id, _) => last = Some(*id),
            Got::Gap(from, to, at) => {
                gaps.push((from.or(last), *to, *at));
                last = Some(*to);
            }
        }
    }
    gaps
}

/// All that was seen.
fn check_order(got: &[Got], outcomes: &Outcomes, may_lead_back: bool) -> HashSet<String> {
    let (mut all, mut seen, mut last) = (HashSet::new(), HashSet::new(), None);
    for one in got {
        match one {
            Got::Event(id, data) => {
                assert!(last < Some(*id), "{id} after {last:?}: {data}");
                assert!(seen.insert(data.clone()), "twice: {data}");
                assert!(!outcomes.refused.contains(data), "was refused: {data}");
                let known = outcomes.acknowledged.get(data);
                assert!(
                    known.is_none_or(|known| known.id == *id),
                    "another id than was answered: {data}"
                );
                all.insert(data.clone());
                last = Some(*id);
            }
            Got::Gap(_, to, _) => {
                if may_lead_back && Some(*to) < last {
                    seen.clear();
                }
                last = Some(*to);
            }
        }
    }
    all
}
