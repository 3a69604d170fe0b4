//! The subscribers of a run: each reads one stream, and checks which events it delivers.

mod delivery_stats;
mod group;
mod subscriber;

pub(crate) use self::{
    delivery_stats::DeliveryStats,
    group::{GroupSettings, SubscriberGroup},
};
