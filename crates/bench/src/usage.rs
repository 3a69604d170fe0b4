//! What the server and the load tester use of CPU and memory at each stage of a run.

mod process;

pub(crate) use self::process::{ProcessUsage, Processes};

/// What processes had used at the boundaries between the stages of a run.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct StageUsage {
    /// Before the first subscriber opened.
    pub(crate) before: ProcessUsage,
    /// With all subscribers open, and idle.
    pub(crate) idle: ProcessUsage,
    /// When the first event was published.
    pub(crate) at_start: ProcessUsage,
    /// When the last response had come.
    pub(crate) published: ProcessUsage,
    /// When the last event had been delivered.
    pub(crate) at_end: ProcessUsage,
}

/// Reads what processes use.
pub(crate) struct UsageMeter {
    processes: Option<Processes>,
    usage: Option<StageUsage>,
}

impl UsageMeter {
    pub(crate) fn new(processes: Option<Processes>) -> Self {
        Self {
            processes,
            usage: Some(StageUsage::default()),
        }
    }

    /// Reads the usage for one boundary. Once a process has ended, nothing is reported.
    pub(crate) fn read(&mut self, boundary: impl Fn(&mut StageUsage) -> &mut ProcessUsage) {
        let used = self.processes.as_ref().and_then(Processes::usage);
        match (&mut self.usage, used) {
            (Some(usage), Some(used)) => *boundary(usage) = used,
            _ => self.usage = None,
        }
    }

    /// The processes and what they used; `None` once one of them has ended.
    pub(crate) fn finish(self) -> Option<(Processes, StageUsage)> {
        self.processes.zip(self.usage)
    }
}
