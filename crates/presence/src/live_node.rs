//! The name by which a node is known to the others that share its store, and its heartbeats.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use sse_broadcaster::history::Unavailable;

use crate::Beat;

/// For how long one node publishes queued changes, if it does not say that it is done.
pub const PUBLISHES_FOR: Duration = Duration::from_secs(2);
/// Most steps in which the members of dead nodes are removed, in one beat.
const MAX_SWEEPS: usize = 1_000;

/// By which name this node is known, another one each time that it has to begin again; and what it has written under it.
#[derive(Debug)]
pub struct LiveNode {
    node: Mutex<Node>,
    /// The number of the last batch that the store surely has under that name.
    batch: AtomicU64,
}

#[derive(Debug)]
struct Node {
    name: String,
    is_known: bool,
}

/// What this node has written under its name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// How many members; `None` if that is not known.
    pub members: Option<usize>,
    /// The number of the last batch; 0 if there was none, or they have no numbers.
    pub batch: u64,
}

/// The reply of a store to one report that this node lives.
#[derive(Debug)]
pub struct Reported {
    /// The store knew the node, and has what it has written.
    pub is_whole: bool,
    /// Some members of a dead node were removed, and there may be more.
    pub has_more: bool,
    /// The topics of these members.
    pub topics: Vec<Arc<str>>,
}

impl Node {
    fn new() -> Self {
        Self {
            name: format!("{:032x}", fastrand::u128(..)),
            is_known: false,
        }
    }
}

impl Default for LiveNode {
    fn default() -> Self {
        Self {
            node: Mutex::new(Node::new()),
            batch: AtomicU64::new(0),
        }
    }
}

impl LiveNode {
    /// The name that this node has now.
    #[must_use]
    pub fn name(&self) -> String {
        self.node.lock().name.clone()
    }

    /// The store has this batch under the name of this node.
    pub fn has_written(&self, batch: u64) {
        self.batch.fetch_max(batch, Ordering::Relaxed);
    }

    /// Begins again under another name, if this one was known: what is left under it is removed like the members of
    /// a dead node.
    fn rename(&self) -> bool {
        let mut node = self.node.lock();
        let was_known = node.is_known;
        if was_known {
            *node = Node::new();
        }
        was_known
    }

    /// Reports that the node lives, until no dead node has members. `report` does it once, under the name that the node
    /// has by then. `members` is how many it has written; `None` if that is not known.
    ///
    /// # Errors
    /// Those of `report`.
    pub async fn beat<F>(
        &self,
        members: Option<usize>,
        report: impl Fn(Written) -> F,
    ) -> Result<Beat, Unavailable>
    where
        F: Future<Output = Result<Reported, Unavailable>>,
    {
        let (mut beat, unknown) = (Beat::default(), Written::default());
        let batch = self.batch.load(Ordering::Relaxed);
        let mut reported = report(Written { members, batch }).await?;
        if !reported.is_whole {
            beat.is_lost = true;
            if self.rename() {
                let swept = report(unknown).await?.topics;
                reported.topics.extend(swept);
            }
        }
        self.node.lock().is_known = true;
        beat.swept.append(&mut reported.topics);
        for _ in 0..MAX_SWEEPS {
            if !reported.has_more {
                break;
            }
            reported = report(unknown).await?;
            beat.swept.append(&mut reported.topics);
        }
        beat.swept.sort_unstable();
        beat.swept.dedup();
        if beat.is_lost {
            self.batch.store(0, Ordering::Relaxed);
        }
        Ok(beat)
    }
}
