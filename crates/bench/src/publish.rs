//! Publishing the events of a run over several connections.

mod pool;
mod publisher;
mod rate;
mod scheduler;

pub(crate) use self::{
    pool::{PublishPlan, PublishStats},
    rate::Rate,
    scheduler::{Schedule, Scheduler},
};
