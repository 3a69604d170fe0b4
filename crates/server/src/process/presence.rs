//! Starts presence as the settings say.

use std::sync::Arc;

use crate::config::{BadSetting, Config};
use sse_broadcaster_actix::AppState;
use sse_broadcaster_presence::{MemoryStore, Presence};

/// The same state, with presence of the topics that the settings name.
///
/// # Errors
/// For a pattern that is not valid.
pub(crate) fn start(config: &Config, state: AppState) -> Result<AppState, BadSetting> {
    let Some(options) = config.presence.options(&config.given)? else {
        return Ok(state);
    };
    let store = Arc::new(MemoryStore::new());
    let presence = Presence::start(options, store, &state.signals);
    Ok(state.presence(presence))
}
