//! Secrets that are read once, at the start, from files of their own.

use std::path::Path;

use super::{BadSetting, Config, Secret};
use sse_broadcaster_cli::read_within;

/// Longest file with one secret.
const MAX_BYTES: u64 = 64 << 10;

impl Config {
    /// Sets the secrets that are in files.
    ///
    /// # Errors
    /// For a secret that is given twice, and for a file that cannot be read or has no secret.
    pub(crate) fn read_secret_files(&mut self) -> Result<(), BadSetting> {
        let history = &mut self.history;
        if let Some(path) = &history.redis_url_file {
            let is_given = history.redis_url.is_some();
            history.redis_url = Some(read("redis-url", path, is_given)?);
        }
        if let Some(path) = &history.postgres_url_file {
            let is_given = history.postgres_url.is_some();
            history.postgres_url = Some(read("postgres-url", path, is_given)?);
        }
        Ok(())
    }
}

/// The secret of the setting `flag` from its file.
fn read(flag: &str, path: &Path, is_given: bool) -> Result<Secret, BadSetting> {
    let shown = path.display();
    let bad = |why: &str| BadSetting(format!("--{flag}-file {shown}: {why}"));
    if is_given {
        return Err(bad(&format!("--{flag} is given, too; give one of them")));
    }
    let (text, access) = read_within(path, MAX_BYTES).map_err(|error| bad(&error.to_string()))?;
    let secret = Secret::from(text.as_str());
    if secret.expose().is_empty() || secret.expose().contains('\n') {
        return Err(bad("it must have one line, with the secret alone"));
    }
    if let Some(exposure) = access.exposure(&format!("--{flag}-file"), path) {
        log::warn!("{exposure}");
    }
    Ok(secret)
}
