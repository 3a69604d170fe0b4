//! What a run has measured, before it becomes a report.

use std::{sync::Arc, time::Duration};

use super::{lanes::Outcome, process::Processes, shared::Shared, tally::Tally, usage::Usage};

/// What a run has measured.
pub(super) struct Measured {
    pub(super) shared: Arc<Shared>,
    pub(super) opening: Duration,
    pub(super) server: Option<(Processes, Usage)>,
    pub(super) client: Option<Usage>,
    pub(super) tally: Tally,
    pub(super) published: Outcome,
}
