//! Failovers under publishers, with connections that move at any moment: by hand, and by Sentinel.

use std::{
    fs,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    redis::crowd::Crowd,
    redis::nodes::history_of,
    redis::pair::Pair,
    redis::proxy::Proxy,
    support::redis::{RedisServer, ask_at},
    support::{free_address, wait_until},
};

/// How many staggered failovers are tried, and from which seed on.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str, default: u64| {
        let text = std::env::var(name).unwrap_or_default();
        text.parse().unwrap_or(default)
    };
    let first = number("FAILOVER_FIRST_SEED", 0);
    first..first + number("FAILOVER_SEEDS", 3)
}

/// Each node's way is redirected, and each of its connections severed, at a moment of its own, before or
/// after the replica is promoted.
fn stagger(pair: &Pair, proxies: &[Proxy], random: &mut fastrand::Rng) {
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Promote,
        Redirect(usize),
        SeverOne(usize, usize),
        Sever(usize, bool),
    }
    let mut steps = vec![Step::Promote];
    for node in 0..proxies.len() {
        steps.push(Step::Redirect(node));
        for _ in 0..random.usize(0..3) {
            steps.push(Step::SeverOne(node, random.usize(0..16)));
        }
        steps.extend([Step::Sever(node, true), Step::Sever(node, false)]);
    }
    random.shuffle(&mut steps);
    for step in steps {
        match step {
            Step::Promote => pair.new.promote(),
            Step::Redirect(node) => proxies[node].redirect(pair.new.address()),
            Step::SeverOne(node, number) => proxies[node].sever_one(number),
            Step::Sever(node, is_tail) => proxies[node].sever(is_tail),
        }
        thread::sleep(Duration::from_millis(random.u64(0..150)));
    }
}

#[test]
fn failovers_in_which_connections_move_at_any_moment_lose_nothing_that_was_acknowledged_without_a_gap()
 {
    for seed in seeds() {
        let mut random = fastrand::Rng::with_seed(seed);
        let pair = Pair::start();
        let (proxies, nodes): (Vec<_>, Vec<_>) = (0..3).map(|_| pair.node()).unzip();
        let crowd = Crowd::gather(&nodes, 6);
        stagger(&pair, &proxies, &mut random);
        // Whatever is left at the old primary leaves it, some of it by itself.
        for proxy in &proxies {
            if random.bool() {
                proxy.sever(true);
                proxy.sever(false);
            }
        }
        wait_until("all nodes are at the new primary", || {
            pair.is_taken_over()
                && nodes.iter().all(|node| history_of(node) == "ok")
                && pair.is_left()
        });
        crowd.wait_for(60);
        let gaps = crowd.end_forked();
        eprintln!("seed {seed}: gaps {gaps:?}");
    }
}

/// Sentinel, which promotes the replica of a pair where its primary does not answer.
struct Sentinel {
    child: Child,
    address: SocketAddr,
    _directory: TempDir,
}

impl Sentinel {
    fn watch(primary: &RedisServer) -> Self {
        let address = free_address();
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("sentinel.conf");
        let settings = format!(
            "port {}\nbind 127.0.0.1\ndir {}\nsentinel monitor log 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds log 500\nsentinel failover-timeout log 3000\n",
            address.port(),
            directory.path().display(),
            primary.port
        );
        fs::write(&file, settings).expect("a file");
        let child = Command::new("redis-sentinel")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-sentinel is installed");
        let sentinel = Self {
            child,
            address,
            _directory: directory,
        };
        wait_until("Sentinel has found the replica", || {
            sentinel.ask("SENTINEL CKQUORUM log").starts_with("+OK")
                && sentinel.ask("SENTINEL REPLICAS log") == "*1"
        });
        sentinel
    }

    fn ask(&self, command: &str) -> String {
        ask_at(self.address, command, 1).unwrap_or_default()
    }

    /// The port of the primary, as Sentinel has it.
    fn primary(&self) -> Option<u16> {
        let command = "SENTINEL GET-MASTER-ADDR-BY-NAME log";
        ask_at(self.address, command, 5)?.parse().ok()
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn failovers_by_sentinel_lose_nothing_that_was_acknowledged_without_a_gap() {
    let pair = Pair::start();
    let sentinel = Sentinel::watch(&pair.old);
    let (proxies, nodes): (Vec<_>, Vec<_>) = (0..3).map(|_| pair.node()).unzip();
    let crowd = Crowd::gather(&nodes, 6);
    // First as an operator does it, then because the primary stands still, which goes on with its old
    // sessions until Sentinel has made it a replica.
    for (from, to, stands_still) in [(&pair.old, &pair.new, false), (&pair.new, &pair.old, true)] {
        if stands_still {
            from.signal("-STOP");
        } else {
            wait_until("Sentinel begins a failover", || {
                sentinel.ask("SENTINEL FAILOVER log") == "+OK"
            });
        }
        wait_until("the replica is promoted", || {
            sentinel.primary() == Some(to.port)
        });
        for proxy in &proxies {
            proxy.redirect(to.address());
        }
        if stands_still {
            from.signal("-CONT");
        }
        wait_until("the old primary is a replica", || {
            from.info("master_link_status").as_deref() == Some("up")
        });
        wait_until("the nodes have moved", || {
            to.is_named_by_its_log() && nodes.iter().all(|node| history_of(node) == "ok")
        });
        crowd.wait_for(60);
    }
    crowd.end_forked();
}
