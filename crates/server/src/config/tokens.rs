//! Whose tokens are trusted: the settings, and the issuers that they describe.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use sse_broadcaster_access::{
    issuer::{DEFAULT_LEEWAY, MAX_LEEWAY},
    transport::HttpUrl,
};

use super::{BadSetting, Secret, duration, some_time};

/// What an issuer without a name is called in the log.
const UNNAMED: &str = "default";
const FILE_FLAG: &str = "--token-key-file";
const ISSUER_FLAG: &str = "--token-issuer";
const JWKS_EXAMPLE: &str = "https://login.example.com/jwks.json";
const ISSUER_SYNTAX: &str = "write https://login.example.com, or with keys of its own \
                             https://login.example.com,keys=FILE-or-URL,audience=https://events.example.com";

/// Whose tokens are trusted.
#[derive(Debug, Clone, Args)]
#[allow(clippy::doc_markdown, reason = "--help prints these as they are")]
#[allow(clippy::struct_field_names, reason = "each is a flag")]
pub struct TokenConfig {
    /// File with keys of tokens: a JWK set, PEM blocks of public keys, or lines "HS256 SECRET"; repeatable.
    /// It is read again when it has changed, and on SIGHUP
    #[arg(
        long,
        env = "SSE_BROADCASTER_TOKEN_KEY_FILE",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub token_key_file: Vec<PathBuf>,

    /// Secret of tokens, "HS256 SECRET", of at least 32 characters. Every user of the machine can read the
    /// flag in the list of processes: prefer the variable or a file
    #[arg(
        long,
        env = "SSE_BROADCASTER_TOKEN_KEY",
        allow_hyphen_values = true,
        value_name = "KEY",
        hide_env_values = true
    )]
    pub token_key: Option<Secret>,

    /// URL of a JWK set with keys of tokens; repeatable. It is fetched at start, for an unknown key, and
    /// after ten minutes
    #[arg(
        long,
        env = "SSE_BROADCASTER_TOKEN_JWKS_URL",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub token_jwks_url: Vec<String>,

    /// Claim "iss" of the tokens. An issuer with keys of its own is NAME,keys=FILE-or-URL,audience=NAME;
    /// repeatable, separated by spaces in the variable
    #[arg(
        long,
        env = "SSE_BROADCASTER_TOKEN_ISSUER",
        value_name = "ISSUER",
        value_delimiter = ' '
    )]
    pub token_issuer: Vec<String>,

    /// What "aud" of the tokens must name; repeatable: one of them is enough
    #[arg(
        long,
        env = "SSE_BROADCASTER_TOKEN_AUDIENCE",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub token_audience: Vec<String>,

    /// How far the clocks of issuers may differ from this one
    #[arg(long, env = "SSE_BROADCASTER_TOKEN_LEEWAY", value_name = "DURATION", value_parser = leeway,
          default_value = "30s")]
    pub token_leeway: Duration,

    /// Longest time from "iat" to "exp" of a token; others are refused. Revocations are kept for as long
    /// [default: any, and a year]
    #[arg(long, env = "SSE_BROADCASTER_TOKEN_LIFETIME", value_name = "DURATION", value_parser = some_time)]
    pub token_lifetime: Option<Duration>,
}

fn leeway(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        leeway if leeway <= MAX_LEEWAY => Ok(leeway),
        _ => Err("the largest leeway is 1h".to_owned()),
    }
}

impl Default for TokenConfig {
    fn default() -> Self {
        Self {
            token_key_file: Vec::new(),
            token_key: None,
            token_jwks_url: Vec::new(),
            token_issuer: Vec::new(),
            token_audience: Vec::new(),
            token_leeway: DEFAULT_LEEWAY,
            token_lifetime: None,
        }
    }
}

/// Where keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyLocation {
    /// The value of `--token-key`.
    Given(Secret),
    File(PathBuf),
    Url(HttpUrl),
}

/// One issuer and one place of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrustedIssuer {
    /// The claim of its tokens; `None` for tokens without one, or with one that no issuer here has.
    pub(crate) iss: Option<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) keys: KeyLocation,
    /// The setting that says where they are, if they are in a file.
    pub(crate) flag: &'static str,
}

impl TrustedIssuer {
    /// Its name in the log.
    pub(crate) fn name(&self) -> &str {
        self.iss.as_deref().unwrap_or(UNNAMED)
    }
}

/// One value of `--token-issuer`.
struct Setting<'a> {
    iss: &'a str,
    keys: Vec<&'a str>,
    audiences: Vec<&'a str>,
}

impl TokenConfig {
    /// Whether any token can be verified.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        let has_own_keys = |issuer: &String| issuer.contains(",keys=");
        !self.shared_locations_are_empty() || self.token_issuer.iter().any(has_own_keys)
    }

    /// The key of `--token-key`. An empty variable sets none.
    pub(crate) fn given_key(&self) -> Option<&Secret> {
        self.token_key
            .as_ref()
            .filter(|key| !key.expose().is_empty())
    }

    fn shared_locations_are_empty(&self) -> bool {
        self.given_key().is_none()
            && self.token_key_file.is_empty()
            && self.token_jwks_url.is_empty()
    }

    /// All issuers. One without keys of its own has those of the other settings.
    ///
    /// # Errors
    /// What is not valid, and issuers of which it is unclear which keys are theirs.
    pub(crate) fn issuers(&self) -> Result<Vec<TrustedIssuer>, BadSetting> {
        let settings = self.token_issuer.iter().map(|text| text.trim());
        let settings = settings.filter(|text| !text.is_empty());
        let settings = settings
            .map(Setting::parse)
            .collect::<Result<Vec<_>, _>>()?;
        let (plain, own): (Vec<_>, Vec<_>) =
            settings.into_iter().partition(|one| one.keys.is_empty());
        let shared = self.shared_locations()?;
        let plain = match plain.as_slice() {
            [] => None,
            [one] if !shared.is_empty() => Some(one),
            [one] => {
                return Err(BadSetting(format!(
                    "--token-issuer {}: there are no keys for its tokens; add --token-key-file, \
                     --token-jwks-url or SSE_BROADCASTER_TOKEN_KEY",
                    one.iss
                )));
            }
            [one, other, ..] => {
                return Err(BadSetting(format!(
                    "--token-issuer {} and {}: only one issuer can have the keys of --token-key-file and \
                     --token-jwks-url; {ISSUER_SYNTAX}",
                    one.iss, other.iss
                )));
            }
        };
        let mut issuers = Vec::new();
        for keys in shared {
            issuers.push(TrustedIssuer {
                iss: plain.map(|one| one.iss.to_owned()),
                audiences: self.audiences(plain.map_or(&[], |one| &one.audiences)),
                keys,
                flag: FILE_FLAG,
            });
        }
        for issuer in &own {
            for keys in &issuer.keys {
                issuers.push(TrustedIssuer {
                    iss: Some(issuer.iss.to_owned()),
                    audiences: self.audiences(&issuer.audiences),
                    keys: location(keys)?,
                    flag: ISSUER_FLAG,
                });
            }
        }
        Ok(issuers)
    }

    fn audiences(&self, own: &[&str]) -> Vec<String> {
        if own.is_empty() {
            let given = self.token_audience.iter();
            return given.filter(|name| !name.is_empty()).cloned().collect();
        }
        own.iter().map(|&name| name.to_owned()).collect()
    }

    fn shared_locations(&self) -> Result<Vec<KeyLocation>, BadSetting> {
        let given = self.given_key().cloned().map(KeyLocation::Given);
        let files = self.token_key_file.iter().cloned().map(KeyLocation::File);
        let mut locations: Vec<_> = given.into_iter().chain(files).collect();
        for text in self.token_jwks_url.iter().filter(|text| !text.is_empty()) {
            locations.push(KeyLocation::Url(url(
                "--token-jwks-url",
                text,
                JWKS_EXAMPLE,
            )?));
        }
        Ok(locations)
    }
}

impl<'a> Setting<'a> {
    fn parse(text: &'a str) -> Result<Self, BadSetting> {
        let mut parts = text.split(',');
        let mut setting = Self {
            iss: parts.next().unwrap_or_default(),
            keys: Vec::new(),
            audiences: Vec::new(),
        };
        for part in parts {
            match part.split_once('=') {
                Some(("keys", value)) if !value.is_empty() => setting.keys.push(value),
                Some(("audience", value)) if !value.is_empty() => setting.audiences.push(value),
                _ => {
                    return Err(BadSetting(format!(
                        "--token-issuer {text}: {part:?} is neither keys= nor audience=; {ISSUER_SYNTAX}"
                    )));
                }
            }
        }
        if setting.iss.is_empty() || setting.iss.starts_with("keys=") {
            return Err(BadSetting(format!(
                "--token-issuer {text}: it begins with no name; {ISSUER_SYNTAX}"
            )));
        }
        Ok(setting)
    }
}

fn location(text: &str) -> Result<KeyLocation, BadSetting> {
    if text.contains("://") {
        return Ok(KeyLocation::Url(url(ISSUER_FLAG, text, JWKS_EXAMPLE)?));
    }
    Ok(KeyLocation::File(text.into()))
}

/// The URL of a setting; the error names `example`.
///
/// # Errors
/// Anything but an absolute URL with http or https.
pub(super) fn url(flag: &str, text: &str, example: &str) -> Result<HttpUrl, BadSetting> {
    HttpUrl::parse(text).map_err(|why| BadSetting(format!("{flag}: {why}, such as {example:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(issuers: &[&str], files: &[&str]) -> TokenConfig {
        TokenConfig {
            token_issuer: issuers.iter().map(|&text| text.to_owned()).collect(),
            token_key_file: files.iter().map(PathBuf::from).collect(),
            token_audience: vec!["events".to_owned()],
            ..TokenConfig::default()
        }
    }

    #[test]
    fn issuers_with_keys_of_their_own_stand_beside_one_that_has_the_shared_keys() {
        let own = "https://a.example,keys=a.json,keys=https://a.example/jwks,audience=x,audience=y";
        let issuers = config(&["https://b.example", own], &["b.pem"]).issuers();
        let audiences = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let of_a = |keys| TrustedIssuer {
            iss: Some("https://a.example".to_owned()),
            audiences: audiences(&["x", "y"]),
            keys,
            flag: "--token-issuer",
        };
        let url = HttpUrl::parse("https://a.example/jwks").unwrap();
        assert_eq!(
            issuers.unwrap(),
            [
                TrustedIssuer {
                    iss: Some("https://b.example".to_owned()),
                    audiences: audiences(&["events"]),
                    keys: KeyLocation::File("b.pem".into()),
                    flag: "--token-key-file",
                },
                of_a(KeyLocation::File("a.json".into())),
                of_a(KeyLocation::Url(url)),
            ]
        );
    }

    #[test]
    fn keys_without_an_issuer_are_for_tokens_without_a_name() {
        let issuers = config(&[], &["k"]).issuers().unwrap();
        assert_eq!(
            (issuers[0].iss.as_deref(), issuers[0].name()),
            (None, "default")
        );
        assert!(config(&[], &["k"]).has_keys());
        assert!(config(&["https://a.example,keys=k"], &[]).has_keys());
        assert!(!config(&["https://a.example"], &[]).has_keys());
    }

    #[test]
    fn an_issuer_that_is_unclear_is_rejected_with_what_would_be_right() {
        for (issuers, files, reason) in [
            (&["https://a.example"][..], &[][..], "there are no keys"),
            (&["https://a", "https://b"], &["k"], "only one issuer"),
            (&["https://a,key=f"], &[], "\"key=f\" is neither"),
            (&["https://a,keys="], &[], "\"keys=\" is neither"),
            (&["keys=f"], &[], "begins with no name"),
            (&["https://a,keys=ftp://b/c"], &[], "not a URL with http"),
        ] {
            let bad = config(issuers, files).issuers().unwrap_err().to_string();
            assert!(bad.starts_with("--token-issuer"), "{bad}");
            assert!(bad.contains(reason), "{bad}");
        }
    }
}
