//! The hub of Mercure's protocol, as the settings say.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sse_broadcaster_access::keys::Keys;
use sse_broadcaster_http::KeyRing;
use sse_broadcaster_mercure::{Hub, HubKeys, HubOptions};

use super::{
    authorization::Grantors,
    key_file::{PLAIN_KEY_RECIPE, Watched, WatchedFile, with_recipe},
    token_keys::read,
};
use crate::config::{BadSetting, Config, HubKey};

/// A hub, and what keeps its keys as their files have them.
pub(crate) struct OpenedHub {
    pub(crate) hub: Arc<Hub>,
    pub(crate) watched: Option<Watched>,
}

/// Builds the hub. `None` without `--mercure`.
///
/// # Errors
/// Settings that are missing or not valid; files that cannot be read.
pub(crate) fn open(
    config: &Config,
    grantors: Grantors,
    operators: &KeyRing,
) -> Result<Option<OpenedHub>, BadSetting> {
    let mercure = &config.mercure;
    if !mercure.mercure {
        return Ok(None);
    }
    mercure.check(config)?;
    if let Some(warning) = mercure.warning(config) {
        log::warn!("{warning}");
    }
    let [publisher, subscriber] = mercure.keys();
    let [publisher, subscriber] = [RoleKeys::load(publisher)?, RoleKeys::load(subscriber)?];
    let Grantors {
        tokens,
        application,
        revocations,
        protected,
        subscribe,
    } = grantors;
    let mut keys = hub_keys(&publisher, &subscriber)?.revocations(Arc::clone(&revocations));
    if let Some(tokens) = tokens {
        keys = keys.tokens(tokens);
    }
    if let Some(application) = application {
        keys = keys.sessions(application);
    }
    let options = HubOptions::default()
        .anonymous(mercure.mercure_anonymous)
        .lifetime(Some(mercure.mercure_lifetime).filter(|lifetime| !lifetime.is_zero()))
        .heartbeat(Some(mercure.mercure_heartbeat).filter(|every| !every.is_zero()))
        .url(mercure.url()?);
    let hub = Hub::new(keys, subscribe, options).with_authorization(|authorization| {
        let authorization = authorization.protected(protected);
        authorization
            .revocations(revocations)
            .operators(operators.clone())
    });
    let hub = Arc::new(hub);
    let files: Vec<_> = [&publisher, &subscriber]
        .into_iter()
        .filter_map(RoleKeys::watched)
        .collect();
    let watched = (!files.is_empty()).then(|| watch(files, publisher, subscriber, &hub));
    Ok(Some(OpenedHub { hub, watched }))
}

fn hub_keys(publisher: &RoleKeys, subscriber: &RoleKeys) -> Result<HubKeys, BadSetting> {
    let mut keys = HubKeys::default();
    if let Some(of_publisher) = publisher.all()? {
        keys = keys.publisher(of_publisher);
    }
    if let Some(of_subscriber) = subscriber.all()? {
        keys = keys.subscriber(of_subscriber);
    }
    Ok(keys)
}

fn watch(
    files: Vec<WatchedFile>,
    mut publisher: RoleKeys,
    mut subscriber: RoleKeys,
    hub: &Arc<Hub>,
) -> Watched {
    let hub = Arc::clone(hub);
    Watched::new(files, move |changed, _| {
        if changed.is_empty() {
            return;
        }
        let read = [publisher.reload(changed), subscriber.reload(changed)];
        match hub_keys(&publisher, &subscriber) {
            Ok(keys) => hub.reload_keys(&keys),
            Err(bad) => log::error!("the keys of the hub stay as they were: {bad}"),
        }
        for read in read.into_iter().flatten() {
            log::info!("{read}");
        }
    })
}

/// The keys of one role, as they were read last.
struct RoleKeys {
    setting: HubKey,
    of_file: Option<(PathBuf, Keys)>,
}

impl RoleKeys {
    fn load(setting: HubKey) -> Result<Self, BadSetting> {
        let of_file = match &setting.file {
            Some(path) => {
                let keys = read(setting.file_flag, path, HubKey::parse)
                    .map_err(|bad| with_recipe(bad, path, PLAIN_KEY_RECIPE))?;
                Some((path.clone(), keys))
            }
            None => None,
        };
        Ok(Self { setting, of_file })
    }

    /// Those of the file, or else of the setting.
    fn all(&self) -> Result<Option<Keys>, BadSetting> {
        if let Some((_, keys)) = &self.of_file {
            return Ok(Some(keys.clone()));
        }
        let Some(text) = &self.setting.text else {
            return Ok(None);
        };
        let parsed = HubKey::parse(text.expose());
        let name = self.setting.name;
        parsed
            .map(Some)
            .map_err(|why| BadSetting(format!("{name}: {why}")))
    }

    fn watched(&self) -> Option<WatchedFile> {
        let (path, _) = self.of_file.as_ref()?;
        Some(WatchedFile::new(self.setting.file_flag, path))
    }

    /// Returns what to log of the new keys once they are in effect.
    fn reload(&mut self, changed: &[&Path]) -> Option<String> {
        let flag = self.setting.file_flag;
        let (path, keys) = self.of_file.as_mut()?;
        if !changed.contains(&path.as_path()) {
            return None;
        }
        match read(flag, path, HubKey::parse) {
            Ok(new) => {
                let (path, count) = (path.display(), new.len());
                *keys = new;
                Some(format!("read {path} again: {count} keys of the hub"))
            }
            Err(bad) => {
                log::error!("the keys of the hub stay as they were: {bad}");
                None
            }
        }
    }
}
