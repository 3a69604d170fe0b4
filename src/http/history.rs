//! The history that the settings ask for.

use std::sync::Arc;

use super::listeners::ServeError;
use crate::{
    config::{Config, LogPlace},
    history::{History, Memory},
};

/// What was opened, and how to call it.
pub(super) struct Opened {
    pub(super) history: Arc<dyn History>,
    pub(super) description: String,
}

/// Opens it. Blocks while it waits for another process to let go of it.
///
/// # Errors
/// When a setting cannot be, or the log is out of order: with the choice that the operator has.
pub(super) fn open(config: &Config) -> Result<Opened, ServeError> {
    let retention = config.history.retention();
    let (events, mebibytes) = (retention.events, retention.bytes >> 20);
    match config.history.place().map_err(ServeError::Setting)? {
        LogPlace::Memory => Ok(Opened {
            history: Arc::new(Memory::new(retention)),
            description: format!("in memory ({events} events, {mebibytes} MiB)"),
        }),
        LogPlace::Disk(_) => todo!(),
        LogPlace::Redis(_) => todo!(),
    }
}
