use std::{sync::Arc, time::Duration};

use crate::{
    publish::PublishStats,
    run_state::RunState,
    subscribe::DeliveryStats,
    usage::{Processes, StageUsage},
};

/// What a run has measured, before it becomes a report.
pub(crate) struct Measurements {
    pub(crate) state: Arc<RunState>,
    /// How long it took to open the subscribers.
    pub(crate) opening: Duration,
    pub(crate) server: Option<(Processes, StageUsage)>,
    pub(crate) client: Option<StageUsage>,
    pub(crate) deliveries: DeliveryStats,
    pub(crate) published: PublishStats,
}
