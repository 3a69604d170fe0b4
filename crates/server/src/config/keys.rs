//! The publish keys and the keys of operators, of the flags and of the environment.

use sse_broadcaster_cli::check_key;

use super::{BadSetting, Config, Secret};

const PUBLISH_KEY: &str = "publish-key";
const ADMIN_KEY: &str = "admin-key";

impl Config {
    /// The keys of `--publish-key`. The variable may have several, separated by commas; a flag has one key,
    /// since it can be repeated.
    #[must_use]
    pub fn given_keys(&self) -> Vec<Secret> {
        self.split(PUBLISH_KEY, &self.publish_key)
    }

    /// The same keys, checked.
    ///
    /// # Errors
    /// If a key is too short, or has characters that a header cannot have.
    pub fn checked_keys(&self) -> Result<Vec<Secret>, BadSetting> {
        self.check_keys(PUBLISH_KEY, self.given_keys())
    }

    /// The keys of `--admin-key`, likewise.
    ///
    /// # Errors
    /// As [`checked_keys`](Self::checked_keys).
    pub fn checked_admin_keys(&self) -> Result<Vec<Secret>, BadSetting> {
        self.check_keys(ADMIN_KEY, self.split(ADMIN_KEY, &self.access.admin_key))
    }

    fn split(&self, flag: &str, keys: &[Secret]) -> Vec<Secret> {
        let by_variable = self.given.by_variable(flag);
        let texts = keys.iter().flat_map(|key| {
            let parts = key.expose().split(move |char| by_variable && char == ',');
            parts.map(str::trim)
        });
        let texts = texts.filter(|text| !text.is_empty());
        texts.map(Secret::from).collect()
    }

    fn check_keys(&self, flag: &str, keys: Vec<Secret>) -> Result<Vec<Secret>, BadSetting> {
        let by_variable = self.given.by_variable(flag);
        let name = if by_variable {
            format!("SSE_BROADCASTER_{}", flag.to_uppercase().replace('-', "_"))
        } else {
            format!("--{flag}")
        };
        let comma = if by_variable && keys.len() > 1 {
            format!("; commas separate keys here: write a key with a comma into a --{flag}-file")
        } else {
            String::new()
        };
        for (index, key) in keys.iter().enumerate() {
            check_key(key).map_err(|why| {
                let number = match keys.len() {
                    1 => String::new(),
                    all => format!(", key {} of {all}", index + 1),
                };
                BadSetting(format!("{name}{number}: {why}{comma}"))
            })?;
        }
        Ok(keys)
    }
}
