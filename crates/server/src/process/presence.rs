//! Starts presence and webhooks as the settings say.

use std::{path::Path, sync::Arc, time::Duration};

use super::key_file::{PLAIN_KEY_RECIPE, with_recipe};
use crate::config::{BadSetting, Config};
use sse_broadcaster_access::transport::{HttpTransport, HttpUrl};
use sse_broadcaster_actix::AppState;
use sse_broadcaster_cli::KeyFile;
use sse_broadcaster_presence::{Presence, PresenceOptions, Store, WebhookSecret, Webhooks};

/// How long the end of the process waits for webhooks.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);

/// The same state, with presence of the topics that the settings name.
///
/// # Errors
/// For a pattern or a URL that is not valid, and for a secret that cannot be read or is too short.
pub(crate) fn start(
    config: &Config,
    state: AppState,
    members: Arc<dyn Store>,
) -> Result<AppState, BadSetting> {
    let Some(options) = options(config)? else {
        return Ok(state);
    };
    let presence = Presence::start(options, members, &state.signals);
    Ok(state.presence(presence))
}

/// The options of presence, with those of webhooks; `None` if no topic has any.
///
/// # Errors
/// As of [`start`].
pub(super) fn options(config: &Config) -> Result<Option<PresenceOptions>, BadSetting> {
    let Some(options) = config.presence.options(&config.given)? else {
        return Ok(None);
    };
    Ok(Some(match config.presence.webhook()? {
        Some((url, file)) => options.webhooks(webhooks(url, file)?),
        None => options,
    }))
}

/// Sends what waits for the application, for a while.
pub(crate) async fn end(state: &AppState) {
    let presence = state.presence.as_ref();
    if let Some(webhooks) = presence.and_then(Presence::webhooks) {
        webhooks.flush(FLUSH_WITHIN).await;
    }
}

fn webhooks(url: HttpUrl, file: &Path) -> Result<Webhooks, BadSetting> {
    const FLAG: &str = "--webhook-secret-file";
    let keys = KeyFile::read(FLAG, file).map_err(|bad| with_recipe(bad, file, PLAIN_KEY_RECIPE))?;
    if let Some(exposure) = keys.exposure() {
        log::warn!("{exposure}");
    }
    let secret = keys.first();
    let secret = WebhookSecret::parse(secret.as_ref().map_or("", |secret| secret.expose()));
    let secret = secret.map_err(|why| BadSetting(format!("{FLAG} {}: {why}", file.display())))?;
    Ok(Webhooks::start(
        url,
        secret,
        Arc::new(HttpTransport::default()),
    ))
}
