//! The keys that tokens are verified with, from files and URLs of the settings.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use sse_broadcaster_access::{
    issuer::{Issuer, Issuers, KeySource},
    jwks::KeySets,
    keys::{KeyError, Keys, MAX_KEY_TEXT_BYTES},
    transport::HttpTransport,
};
use sse_broadcaster_cli::read_bounded;

use super::key_file::{TOKEN_KEY_RECIPE, WatchedFile, with_recipe};
use crate::config::{BadSetting, KeyLocation, TokenConfig, TrustedIssuer};

/// The issuers of the settings, and the keys of each file as they were read last.
#[derive(Debug)]
pub(crate) struct TokenKeys {
    config: TokenConfig,
    issuers: Vec<TrustedIssuer>,
    given: Keys,
    /// With the flag that names it.
    files: BTreeMap<PathBuf, (&'static str, Keys)>,
    /// Kept, so that settings that are read again find what was fetched. `None` without key sets by URL: the
    /// certificates of the system take time and memory.
    sets: Option<KeySets>,
}

impl TokenKeys {
    /// Reads the files, and returns them to be watched. Key sets by URL are not fetched yet.
    ///
    /// # Errors
    /// Settings that are not valid, and files that cannot be read.
    pub(crate) fn load(config: &TokenConfig) -> Result<(Self, Vec<WatchedFile>), BadSetting> {
        let issuers = config.issuers()?;
        let mut files = BTreeMap::new();
        let mut watched = Vec::new();
        for issuer in &issuers {
            match &issuer.keys {
                KeyLocation::File(path) if !files.contains_key(path) => {
                    let flag = issuer.flag;
                    watched.push(WatchedFile::new(flag, path));
                    let keys = read(flag, path, Keys::parse)
                        .map_err(|bad| with_recipe(bad, path, TOKEN_KEY_RECIPE))?;
                    files.insert(path.clone(), (flag, keys));
                }
                KeyLocation::Url(url) if url.is_exposed() => log::warn!(
                    "the keys of {:?} are fetched from {url} without encryption, so that an attacker on \
                     the network could replace them and issue tokens; use https",
                    issuer.name()
                ),
                _ => {}
            }
        }
        let given = config.given_key().map_or(Ok(Keys::none()), |line| {
            let keys = Keys::parse(line.expose());
            keys.map_err(|why| {
                BadSetting(format!("--token-key (or SSE_BROADCASTER_TOKEN_KEY): {why}"))
            })
        })?;
        let is_url = |issuer: &TrustedIssuer| matches!(issuer.keys, KeyLocation::Url(_));
        let has_url = issuers.iter().any(is_url);
        let keys = Self {
            config: config.clone(),
            issuers,
            given,
            files,
            sets: has_url.then(|| KeySets::new(Arc::new(HttpTransport::default()))),
        };
        Ok((keys, watched))
    }

    /// Reads these files again. One that is not valid is logged, and its keys stay as they were. Returns what to log of
    /// the others once [`TokenKeys::issuers`] are in effect.
    pub(crate) fn reload(&mut self, paths: &[&Path]) -> Vec<String> {
        let mut read_again = Vec::new();
        for path in paths {
            let Some((flag, keys)) = self.files.get_mut(*path) else {
                continue;
            };
            match read(flag, path, Keys::parse) {
                Ok(new) => {
                    let (path, count) = (path.display(), new.len());
                    read_again.push(format!("read {path} again: {count} token keys"));
                    *keys = new;
                }
                Err(bad) => log::error!("the token keys stay as they were: {bad}"),
            }
        }
        read_again
    }

    /// The issuers with the keys that were read last.
    pub(crate) fn issuers(&self) -> Issuers {
        Issuers::new(self.issuers.iter().map(|trusted| self.issuer(trusted)))
    }

    fn issuer(&self, trusted: &TrustedIssuer) -> Issuer {
        let keys = match &trusted.keys {
            KeyLocation::Given(_) => KeySource::from(self.given.clone()),
            KeyLocation::File(path) => self
                .files
                .get(path)
                .map_or_else(Keys::none, |(_, keys)| keys.clone())
                .into(),
            KeyLocation::Url(url) => match &self.sets {
                Some(sets) => sets.at(url).into(),
                None => Keys::none().into(),
            },
        };
        let mut issuer = Issuer::new(trusted.name(), keys).leeway(self.config.token_leeway);
        if let Some(iss) = &trusted.iss {
            issuer = issuer.iss(iss);
        }
        if let Some(lifetime) = self.config.token_lifetime {
            issuer = issuer.longest_lifetime(lifetime);
        }
        let audiences = trusted.audiences.iter();
        audiences.fold(issuer, |issuer, audience| issuer.audience(audience))
    }
}

/// Reads a file with keys. One that others can read and that has a secret causes a warning.
pub(super) fn read(
    flag: &'static str,
    path: &Path,
    parse: fn(&str) -> Result<Keys, KeyError>,
) -> Result<Keys, BadSetting> {
    let bad = |why: String| BadSetting(format!("{flag} {}: {why}", path.display()));
    let read = read_bounded(path, MAX_KEY_TEXT_BYTES as u64);
    let (text, access) = read.map_err(|error| bad(error.to_string()))?;
    let keys = parse(&text).map_err(|why| bad(why.to_string()))?;
    for ignored in keys.ignored() {
        log::warn!("{flag} {}: {ignored}", path.display());
    }
    if keys.has_secrets()
        && let Some(exposure) = access.exposure(flag, path)
    {
        log::warn!("{exposure}");
    }
    Ok(keys)
}
