//! What the server and the load tester use of CPU and memory at each stage of a run.

use super::process::{Processes, Used};

/// What a process had used at each turn of the run.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Usage {
    pub(super) before: Used,
    pub(super) idle: Used,
    pub(super) at_start: Used,
    /// When the last publish was answered.
    pub(super) published: Used,
    pub(super) at_end: Used,
}

/// What processes have used at each turn of the run.
pub(super) struct Meter {
    processes: Option<Processes>,
    usage: Option<Usage>,
}

impl Meter {
    pub(super) fn new(processes: Option<Processes>) -> Self {
        Self {
            processes,
            usage: Some(Usage::default()),
        }
    }

    /// A process that has ended is not reported.
    pub(super) fn read(&mut self, turn: impl Fn(&mut Usage) -> &mut Used) {
        let used = self.processes.as_ref().and_then(Processes::used);
        match (&mut self.usage, used) {
            (Some(usage), Some(used)) => *turn(usage) = used,
            _ => self.usage = None,
        }
    }

    /// The processes and what they used; `None` once one of them has ended.
    pub(super) fn finish(self) -> Option<(Processes, Usage)> {
        self.processes.zip(self.usage)
    }
}
