//! Publishers that go on whatever happens, followers that come back, and what became of every event.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use sse_broadcaster::EventId;

use crate::{
    redis::follower::{END, Follower, Got, check, check_forked},
    redis::nodes::{Published, publish},
    support::{Server, wait_until},
};

/// Where an event was stored, and when its publish began.
#[derive(Debug, Clone, Copy)]
pub struct Acknowledged {
    pub id: EventId,
    pub since: Instant,
}

#[derive(Default)]
pub struct Outcomes {
    pub acknowledged: HashMap<String, Acknowledged>,
    pub refused: HashSet<String>,
    pub unknown: usize,
}

/// See the module.
pub struct Crowd {
    pub addresses: Arc<Mutex<Vec<SocketAddr>>>,
    pub followers: Vec<Follower>,
    publishers: Vec<JoinHandle<()>>,
    outcomes: Arc<Mutex<Outcomes>>,
    is_over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
}

/// Longest that a publish may take while Redis is away: its bound, and what a busy machine adds.
const PUBLISH_BOUND: Duration = Duration::from_secs(8);
/// How long a publisher waits between two.
const PAUSE: Duration = Duration::from_millis(12);

impl Crowd {
    /// One follower stays at each node, and one moves on after every few events.
    pub fn gather(nodes: &[Server], publishers: usize) -> Self {
        let addresses: Vec<_> = nodes.iter().map(|node| node.address).collect();
        let addresses = Arc::new(Mutex::new(addresses));
        let mut crowd = Self {
            followers: (0..nodes.len())
                .map(|node| Follower::start(&addresses, node, usize::MAX))
                .collect(),
            publishers: Vec::new(),
            outcomes: Arc::default(),
            is_over: Arc::default(),
            acknowledged: Arc::default(),
            addresses,
        };
        crowd
            .followers
            .push(Follower::start(&crowd.addresses, 0, 7));
        crowd.publishers = (0..publishers)
            .map(|number| crowd.publisher(number))
            .collect();
        crowd.wait_for(50);
        crowd
    }

    fn publisher(&self, number: usize) -> JoinHandle<()> {
        let addresses = Arc::clone(&self.addresses);
        let outcomes = Arc::clone(&self.outcomes);
        let (is_over, acknowledged) = (Arc::clone(&self.is_over), Arc::clone(&self.acknowledged));
        thread::spawn(move || {
            for count in 0.. {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let data = format!("{number}/{count}");
                let node = {
                    let addresses = addresses.lock().unwrap();
                    addresses[(number + count) % addresses.len()]
                };
                let began = Instant::now();
                let published = publish(node, &data);
                assert!(
                    began.elapsed() < PUBLISH_BOUND,
                    "{published:?} took {:?}",
                    began.elapsed()
                );
                let mut outcomes = outcomes.lock().unwrap();
                match published {
                    Published::At(id) => {
                        let (id, since) = (id.parse().unwrap(), began);
                        let at = Acknowledged { id, since };
                        outcomes.acknowledged.insert(data, at);
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                    }
                    Published::Refused => drop(outcomes.refused.insert(data)),
                    Published::Unknown => outcomes.unknown += 1,
                }
                drop(outcomes);
                thread::sleep(PAUSE);
            }
        })
    }

    /// Until so many more were acknowledged.
    pub fn wait_for(&self, more: usize) {
        let from = self.acknowledged.load(Ordering::SeqCst);
        wait_until("more is acknowledged", || {
            self.acknowledged.load(Ordering::SeqCst) >= from + more
        });
    }

    /// Until so many were refused, or not answered.
    pub fn wait_for_refusals(&self, count: usize) {
        wait_until("publishes are refused", || {
            let outcomes = self.outcomes.lock().unwrap();
            outcomes.refused.len() + outcomes.unknown >= count
        });
    }

    /// Ends the publishers and then the followers; checks what each got, and returns how many gaps they
    /// were told of, beside what became of every publish.
    pub fn end(self) -> (Vec<usize>, Outcomes) {
        self.end_with(check)
    }

    /// The same where two servers took events at the same time, each in an order of its own.
    pub fn end_forked(self) -> Vec<usize> {
        self.end_with(check_forked).0
    }

    fn end_with(self, check: impl Fn(&[Got], &Outcomes) -> usize) -> (Vec<usize>, Outcomes) {
        self.is_over.store(true, Ordering::SeqCst);
        for publisher in self.publishers {
            publisher.join().expect("a publisher ends well");
        }
        let first = self.addresses.lock().unwrap()[0];
        wait_until("the end is published", || {
            matches!(publish(first, END), Published::At(_))
        });
        let outcomes = std::mem::take(&mut *self.outcomes.lock().unwrap());
        let gaps = self
            .followers
            .into_iter()
            .map(|follower| check(&follower.join(), &outcomes));
        (gaps.collect(), outcomes)
    }
}
