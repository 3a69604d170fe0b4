//! The nodes of a history: each reports its figures from time to time, for the console of any of them.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::shared_history::SharedHistory;
use crate::metrics::Samples;

/// How often a node reports.
const INTERVAL: Duration = Duration::from_secs(5);
/// A node that has not reported for so long is not listed.
const KEEP: Duration = Duration::from_secs(15);
/// Longest name of a machine in the name of a node.
const MAX_HOST_BYTES: usize = 63;

/// The figures of one node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NodeFigures {
    node: String,
    subscribers: u64,
    published_per_second: f64,
    /// When it has reported, in RFC 3339.
    time: String,
}

/// This node, and what it knows of the others.
#[derive(Debug)]
pub(crate) struct Nodes {
    name: String,
    samples: Arc<Samples>,
    others: Mutex<Others>,
}

/// As of the last report.
#[derive(Debug, Default)]
struct Others {
    figures: Vec<NodeFigures>,
    reported: Option<Instant>,
}

impl Nodes {
    pub(crate) fn new(samples: &Arc<Samples>) -> Arc<Self> {
        Arc::new(Self {
            name: name(),
            samples: Arc::clone(samples),
            others: Mutex::default(),
        })
    }

    /// The name of this node, which no other process has.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// All nodes, this one first.
    pub(crate) fn figures(&self) -> Vec<NodeFigures> {
        let others = self.others.lock();
        let is_known = others.reported.is_some_and(|at| at.elapsed() < KEEP);
        let others = is_known.then(|| others.figures.clone());
        [self.own()]
            .into_iter()
            .chain(others.into_iter().flatten())
            .collect()
    }

    fn own(&self) -> NodeFigures {
        let now = self.samples.now();
        NodeFigures {
            node: self.name.clone(),
            subscribers: now.subscribers,
            published_per_second: now.published,
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        }
    }

    /// Reports to the other nodes, and learns what they have reported. Never ends.
    pub(crate) async fn report_all(self: Arc<Self>, shared: Arc<dyn SharedHistory>) {
        loop {
            self.report(&*shared).await;
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn report(&self, shared: &dyn SharedHistory) {
        let Ok(own) = serde_json::to_string(&self.own()) else {
            return;
        };
        // That it is unreachable is logged by the history.
        let Ok(all) = shared.report_node(&self.name, &own, KEEP).await else {
            return;
        };
        // What cannot be read is of another version.
        let all = all
            .iter()
            .filter_map(|text| serde_json::from_str(text).ok());
        let mut figures: Vec<NodeFigures> = all
            .filter(|one: &NodeFigures| one.node != self.name)
            .collect();
        figures.sort_by(|one, other| one.node.cmp(&other.node));
        *self.others.lock() = Others {
            figures,
            reported: Some(Instant::now()),
        };
    }
}

/// The name of the machine, and what tells its processes apart.
fn name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let is_plain = |char: &char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.');
    let host: String = host.chars().filter(is_plain).take(MAX_HOST_BYTES).collect();
    format!("{host}-{:08x}", fastrand::u32(..))
}
