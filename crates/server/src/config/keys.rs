//! The publish keys of the flag and of the environment.

use sse_broadcaster_cli::check_key;

use super::{BadSetting, Config, Secret};

impl Config {
    /// The keys of `--publish-key`. The variable may have several, separated by commas; a flag has one key,
    /// since it can be repeated.
    #[must_use]
    pub fn given_keys(&self) -> Vec<Secret> {
        let by_variable = self.given.by_variable("publish-key");
        let texts = self.publish_key.iter().flat_map(|key| {
            let parts = key.expose().split(move |char| by_variable && char == ',');
            parts.map(str::trim)
        });
        let texts = texts.filter(|text| !text.is_empty());
        texts.map(Secret::from).collect()
    }

    /// The same keys, checked.
    ///
    /// # Errors
    /// If a key is too short, or has characters that a header cannot have.
    pub fn checked_keys(&self) -> Result<Vec<Secret>, BadSetting> {
        let (keys, by_variable) = (self.given_keys(), self.given.by_variable("publish-key"));
        let name = if by_variable {
            "SSE_BROADCASTER_PUBLISH_KEY"
        } else {
            "--publish-key"
        };
        let comma = if by_variable && keys.len() > 1 {
            "; commas separate keys here: write a key with a comma into a --publish-key-file"
        } else {
            ""
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
